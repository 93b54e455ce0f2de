//! Measure the maximum mean discrepancy between two samples with a Gaussian kernel.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::MetricError;
use crate::matrix::RowMatrix;
use crate::product::{View, multiply_f32};

/// The width `sigma` of the kernel `k(x, y) = exp(-|x - y|^2 / (2 sigma^2))`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Bandwidth {
    /// The median distance between the rows of the pooled sample (Gretton et al. 2012, section 8).
    #[default]
    MedianHeuristic,
    /// A width of the caller's; fix one from the real data to compare several models.
    Explicit(f64),
}

/// How to estimate the discrepancy.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MmdConfig {
    /// Chooses the rows, where there are more than `max_rows`, and the permutations. Default 0.
    pub seed: u64,
    /// Kernel width. Default: the median heuristic.
    pub bandwidth: Bandwidth,
    /// At most so many rows of each set enter, for the cost grows with their square. Default 2,000.
    pub max_rows: usize,
    /// Relabellings behind the p-value; the smallest possible p is `1 / (permutations + 1)`. Default 200.
    pub permutations: usize,
}

impl Default for MmdConfig {
    fn default() -> Self {
        Self { seed: 0, bandwidth: Bandwidth::default(), max_rows: 2_000, permutations: 200 }
    }
}

/// An estimate of the squared maximum mean discrepancy.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Mmd {
    /// The unbiased estimate; it scatters about 0 when the distributions agree, so it may be negative.
    pub mmd2: f64,
    /// Its standard error where the distributions differ (first-order variance of a two-sample U-statistic).
    pub standard_error: f64,
    /// Share of relabellings of the pooled sample that give a discrepancy as large, itself counted.
    pub p_value: f64,
    /// The kernel width that was used.
    pub bandwidth: f64,
    /// Rows of each set that entered: real, fake.
    pub rows: (usize, usize),
}

/// The unbiased two-sample estimate of the squared maximum mean discrepancy.
///
/// `mmd2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)`
/// (Gretton et al., JMLR 13, 2012, equation 3 for sets of unequal size), with a permutation test.
/// The distance is Euclidean: bring columns of different units to one scale first.
///
/// ```
/// use flowstill_metrics::{mmd_unbiased, Bandwidth, MmdConfig};
/// let config = MmdConfig { bandwidth: Bandwidth::Explicit(1.0), ..MmdConfig::default() };
/// let far = mmd_unbiased(&[0.0, 0.0], &[100.0, 100.0], 1, &config)?;
/// assert_eq!(far.mmd2, 2.0);
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
#[doc(alias = "mmd")]
pub fn mmd_unbiased(real: &[f32], fake: &[f32], columns: usize, config: &MmdConfig) -> Result<Mmd, MetricError> {
    let real = RowMatrix::new("real", real, columns, 2)?;
    let fake = RowMatrix::new("fake", fake, columns, 2)?;
    if config.max_rows < 2 {
        let got = config.max_rows.to_string();
        return Err(MetricError::Setting { name: "max_rows", expected: "at least 2", got });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let (left, right) = (real.choose(config.max_rows, &mut rng), fake.choose(config.max_rows, &mut rng));
    let (m, n) = (left.len(), right.len());
    let pooled: Vec<&[f32]> = left.iter().map(|&i| real.row(i)).chain(right.iter().map(|&j| fake.row(j))).collect();
    let mut kernel = squared_distances(&pooled);
    if let Some(at) = kernel.iter().position(|d| !d.is_finite()) {
        let (row, column, value) = (at / (m + n), at % (m + n), f64::from(kernel[at]));
        return Err(MetricError::NotFinite { what: "the squared distances between rows".into(), value, row, column });
    }
    let bandwidth = match config.bandwidth {
        Bandwidth::Explicit(width) if width.is_finite() && width > 0.0 => width,
        Bandwidth::Explicit(width) => {
            let got = width.to_string();
            return Err(MetricError::Setting { name: "bandwidth", expected: "a positive number", got });
        }
        Bandwidth::MedianHeuristic => median_distance(&kernel, m + n),
    };
    let rate = (-0.5 / (bandwidth * bandwidth)) as f32;
    kernel.iter_mut().for_each(|d| *d = (rate * *d).exp());

    // The first column of labels is the true one: 1 for a real row, 0 for a fake one. The rest are shuffled.
    let truth: Vec<f32> = (0..m + n).map(|i| if i < m { 1.0 } else { 0.0 }).collect();
    let mut labels = vec![truth];
    for _ in 0..config.permutations {
        let mut shuffled = labels[0].clone();
        shuffled.shuffle(&mut rng);
        labels.push(shuffled);
    }
    let statistics = statistics(&kernel, &labels, m, n);
    let as_large = statistics[1..].iter().filter(|&&s| s >= statistics[0]).count();
    Ok(Mmd {
        mmd2: statistics[0],
        standard_error: first_order_error(&kernel, m, n),
        p_value: (as_large + 1) as f64 / (config.permutations + 1) as f64,
        bandwidth,
        rows: (m, n),
    })
}

/// The median distance between the rows of one set, of at most `max_rows` of them that the seed draws: a kernel width that several models
/// share if it is taken from the real data once ([`Bandwidth::Explicit`]). 1 where the median is 0, as when half of the rows are equal.
///
/// ```
/// let width = flowstill_metrics::median_bandwidth(&[0.0, 1.0, 3.0], 1, 2_000, 0)?;
/// assert_eq!(width, 2.0);
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn median_bandwidth(real: &[f32], columns: usize, max_rows: usize, seed: u64) -> Result<f64, MetricError> {
    let real = RowMatrix::new("real", real, columns, 2)?;
    if max_rows < 2 {
        return Err(MetricError::Setting { name: "max_rows", expected: "at least 2", got: max_rows.to_string() });
    }
    let chosen = real.choose(max_rows, &mut ChaCha8Rng::seed_from_u64(seed));
    let rows: Vec<&[f32]> = chosen.iter().map(|&row| real.row(row)).collect();
    let squared = squared_distances(&rows);
    match squared.iter().position(|d| !d.is_finite()) {
        None => Ok(median_distance(&squared, rows.len())),
        Some(at) => {
            let (row, column, value) = (at / rows.len(), at % rows.len(), f64::from(squared[at]));
            Err(MetricError::NotFinite { what: "the squared distances between rows".into(), value, row, column })
        }
    }
}

/// `|x_i - x_j|^2` for every pair, computed as differences, which do not cancel as the expanded square does.
fn squared_distances(rows: &[&[f32]]) -> Vec<f32> {
    let total = rows.len();
    let columns: Vec<Vec<f32>> = (0..rows[0].len()).map(|c| rows.iter().map(|row| row[c]).collect()).collect();
    let mut out = vec![0.0f32; total * total];
    for (i, line) in out.chunks_exact_mut(total).enumerate() {
        for column in &columns {
            let here = column[i];
            line.iter_mut().zip(column).for_each(|(d, &there)| *d += (here - there) * (here - there));
        }
    }
    out
}

/// The median over the pairs `i < j`; 1 where it is 0, as when half of the rows are equal.
fn median_distance(squared: &[f32], total: usize) -> f64 {
    let mut above: Vec<f32> = (0..total).flat_map(|i| squared[i * total + i + 1..(i + 1) * total].to_vec()).collect();
    let middle = above.len() / 2;
    let (_, median, _) = above.select_nth_unstable_by(middle, f32::total_cmp);
    if *median > 0.0 { f64::from(*median).sqrt() } else { 1.0 }
}

/// The estimate under each labelling: with labels `s` the real-real sum is `s^T K s`, and so on.
fn statistics(kernel: &[f32], labels: &[Vec<f32>], m: usize, n: usize) -> Vec<f64> {
    let (total, count) = (m + n, labels.len());
    let flat: Vec<f32> = labels.iter().flatten().copied().collect();
    let mut sums = vec![0.0f32; count * total];
    multiply_f32(1.0, View::new(&flat, count, total), View::new(kernel, total, total), 0.0, &mut sums);
    let all: f64 = kernel.iter().map(|&k| f64::from(k)).sum();
    let (mf, nf) = (m as f64, n as f64);
    let one = |(label, towards_real): (&Vec<f32>, &[f32])| {
        let (mut real_real, mut fake_real) = (0.0f64, 0.0f64);
        for (&s, &sum) in label.iter().zip(towards_real) {
            real_real += f64::from(s * sum);
            fake_real += f64::from((1.0 - s) * sum);
        }
        // Each set's own sum holds its diagonal, where k = 1.
        let fake_fake = all - real_real - 2.0 * fake_real;
        (real_real - mf) / (mf * (mf - 1.0)) + (fake_fake - nf) / (nf * (nf - 1.0)) - 2.0 * fake_real / (mf * nf)
    };
    labels.iter().zip(sums.chunks_exact(total)).map(one).collect()
}

/// `sqrt(4 var_x(h) / m + 4 var_y(h) / n)`, with `h` a row's mean kernel to its own set less that to the other
/// (Serfling 1980, section 5.5; Gretton et al. 2012, corollary 16).
fn first_order_error(kernel: &[f32], m: usize, n: usize) -> f64 {
    let total = m + n;
    let witness = |row: usize| {
        let line = &kernel[row * total..(row + 1) * total];
        let sum = |part: &[f32]| part.iter().map(|&k| f64::from(k)).sum::<f64>();
        let (real, fake) = (sum(&line[..m]), sum(&line[m..]));
        if row < m {
            (real - 1.0) / (m - 1) as f64 - fake / n as f64
        } else {
            (fake - 1.0) / (n - 1) as f64 - real / m as f64
        }
    };
    let part = |rows: std::ops::Range<usize>| {
        let values: Vec<f64> = rows.map(witness).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        4.0 * values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0) / count
    };
    (part(0..m) + part(m..total)).sqrt()
}
