//! Measure the kernel distance between two feature sets: an unbiased MMD with a cubic kernel, over subsets.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::MetricError;
use crate::matrix::RowMatrix;
use crate::product::{View, multiply_f32};

/// How to estimate the kernel distance.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KidConfig {
    /// Chooses the subsets. Default 0.
    pub seed: u64,
    /// How many subsets are drawn, each without replacement. Default 100.
    pub subsets: usize,
    /// Rows of each set in a subset, at most half of the smaller set. Default 1,000.
    pub subset_rows: usize,
}

impl Default for KidConfig {
    fn default() -> Self {
        Self { seed: 0, subsets: 100, subset_rows: 1_000 }
    }
}

/// An estimate of the kernel distance.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Kid {
    /// The mean over the subsets; it scatters about 0 when the distributions agree, so it may be negative.
    pub kid: f64,
    /// An upper bound of its standard error, over the draw of the sets as well as of the subsets.
    pub standard_error: f64,
    /// The standard deviation over the subsets: what the literature often prints behind the sign of plus or minus.
    pub standard_deviation: f64,
    /// How many subsets entered.
    pub subsets: usize,
    /// Rows of each set in a subset.
    pub subset_rows: usize,
}

/// The kernel distance of `real` and `fake`, row-major features with `columns` of them.
///
/// The mean over subsets of the unbiased squared maximum mean discrepancy with the kernel `k(x, y) = (x . y / columns +
/// 1)^3` (Binkowski et al. 2018; Gretton et al. 2012, equation 3). Unlike the Frechet distance it has no bias that
/// depends on the number of rows. With Inception's features of `pool3` it is the KID.
///
/// The subsets share rows, so their scatter over the root of their number would promise too much. The error that is
/// given bounds the variance of a complete U-statistic by `subset_rows / rows` of a subset's (Hoeffding 1963).
#[doc(alias = "kernel_inception_distance")]
pub fn kid(real: &[f32], fake: &[f32], columns: usize, config: &KidConfig) -> Result<Kid, MetricError> {
    let KidConfig { seed, subsets, subset_rows } = *config;
    let (real, fake) = (RowMatrix::new("real", real, columns, 4)?, RowMatrix::new("fake", fake, columns, 4)?);
    let fewest = real.rows.min(fake.rows);
    if subsets < 2 {
        let got = subsets.to_string();
        return Err(MetricError::Setting { name: "subsets", expected: "at least 2", got });
    }
    if subset_rows < 2 || subset_rows > fewest / 2 {
        let got = format!("{subset_rows} with {fewest} rows in the smaller set");
        return Err(MetricError::Setting { name: "subset_rows", expected: "2 to half of the smaller set", got });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let chosen: Vec<_> =
        (0..subsets).map(|_| (real.choose(subset_rows, &mut rng), fake.choose(subset_rows, &mut rng))).collect();
    let estimates: Vec<f64> = chosen
        .par_iter()
        .map(|(left, right)| {
            let gather = |set: RowMatrix<'_>, rows: &[usize]| -> Vec<f32> {
                rows.iter().flat_map(|&row| set.row(row)).copied().collect()
            };
            subset_estimate(&gather(real, left), &gather(fake, right), columns)
        })
        .collect();
    if let Some(at) = estimates.iter().position(|v| !v.is_finite()) {
        let what = "the kernel of a subset".into();
        return Err(MetricError::NotFinite { what, value: estimates[at], row: at, column: 0 });
    }
    let count = subsets as f64;
    let mean = estimates.iter().sum::<f64>() / count;
    let scatter = estimates.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0);
    // With V the variance of the complete statistic and S that of one subset, E scatter = S - V, V <= share S, and the
    // mean of the subsets has variance V + (S - V) / count.
    let share = subset_rows as f64 / fewest as f64;
    let complete = scatter * share / (1.0 - share);
    Ok(Kid {
        kid: mean,
        standard_error: (complete + scatter / count).sqrt(),
        standard_deviation: scatter.sqrt(),
        subsets,
        subset_rows,
    })
}

/// The unbiased estimate from as many rows of each set.
fn subset_estimate(left: &[f32], right: &[f32], columns: usize) -> f64 {
    let rows = left.len() / columns;
    let mut products = vec![0.0f32; rows * rows];
    // The sum of the kernel over all pairs, or over those of different rows.
    let mut sum = |a: &[f32], b: &[f32], diagonal: bool| {
        let (a, b) = (View::new(a, rows, columns), View::new(b, rows, columns));
        multiply_f32(1.0 / columns as f32, a, b.t(), 0.0, &mut products);
        let kernel = |&p: &f32| (f64::from(p) + 1.0).powi(3);
        let all: f64 = products.iter().map(kernel).sum();
        let own: f64 = products.iter().step_by(rows + 1).map(kernel).sum();
        if diagonal { all } else { all - own }
    };
    let m = rows as f64;
    (sum(left, left, false) + sum(right, right, false)) / (m * (m - 1.0)) - 2.0 * sum(left, right, true) / (m * m)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_equals_the_obvious_double_sum() {
        let set = |phase: f32| -> Vec<f32> { (0..15).map(|k| (k as f32 * 1.7 + phase).sin()).collect() };
        let (left, right) = (set(0.0), set(0.9));
        let k = |a: &[f32], b: &[f32]| {
            (a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>() / 3.0 + 1.0).powi(3)
        };
        let (x, y): (Vec<_>, Vec<_>) = (left.chunks(3).collect(), right.chunks(3).collect());
        let mut expected = 0.0;
        for i in 0..5 {
            for j in 0..5 {
                if i != j {
                    expected += (k(x[i], x[j]) + k(y[i], y[j])) / 20.0;
                }
                expected -= 2.0 * k(x[i], y[j]) / 25.0;
            }
        }
        assert!((subset_estimate(&left, &right, 3) - expected).abs() < 1e-6);
    }
}
