//! Compare two samples column by column: Kolmogorov-Smirnov and Wasserstein distances.

use crate::MetricError;
use crate::matrix::RowMatrix;

/// How far apart the two samples are in one column.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Marginal {
    /// Two-sample Kolmogorov-Smirnov statistic, `sup_x |F(x) - G(x)|`, between 0 and 1.
    pub kolmogorov_smirnov: f64,
    /// Wasserstein-1 distance, `integral |F(x) - G(x)| dx`, in the column's own unit.
    pub wasserstein: f64,
    /// The same divided by the real column's standard deviation, so that columns compare.
    pub wasserstein_scaled: f64,
}

/// The distances of every column, and the worst.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Marginals {
    /// One entry per column, in order.
    pub columns: Vec<Marginal>,
}

impl Marginals {
    /// The largest Kolmogorov-Smirnov statistic over the columns.
    pub fn max_kolmogorov_smirnov(&self) -> f64 {
        self.columns.iter().map(|c| c.kolmogorov_smirnov).fold(0.0, f64::max)
    }

    /// The largest Wasserstein distance over the columns, in the columns' units.
    pub fn max_wasserstein(&self) -> f64 {
        self.columns.iter().map(|c| c.wasserstein).fold(0.0, f64::max)
    }

    /// The largest Wasserstein distance over the columns, each in standard deviations of the real column.
    pub fn max_wasserstein_scaled(&self) -> f64 {
        self.columns.iter().map(|c| c.wasserstein_scaled).fold(0.0, f64::max)
    }
}

/// Compares each column's empirical distribution functions `F` (real) and `G` (fake); the sizes may differ.
///
/// The Wasserstein-1 distance on the line is the area between the two (Vallender 1974); the Kolmogorov-Smirnov
/// statistic is their largest gap (Smirnov 1939). A column that is constant in `real` is scaled by 1.
///
/// ```
/// let marginals = flowstill_metrics::marginals(&[0.0, 1.0, 2.0], &[0.5, 1.5, 2.5], 1)?;
/// assert!((marginals.max_wasserstein() - 0.5).abs() < 1e-12);
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn marginals(real: &[f32], fake: &[f32], columns: usize) -> Result<Marginals, MetricError> {
    let real = RowMatrix::new("real", real, columns, 1)?;
    let fake = RowMatrix::new("fake", fake, columns, 1)?;
    let scales = crate::matrix::pooled_moments(&[real]);
    let compare = |index: usize| {
        let (kolmogorov_smirnov, wasserstein) = gaps(real.column(index), fake.column(index));
        Marginal { kolmogorov_smirnov, wasserstein, wasserstein_scaled: wasserstein / scales[index].1 }
    };
    Ok(Marginals { columns: (0..columns).map(compare).collect() })
}

/// Largest gap and area between two empirical distribution functions, in one walk over the merged values.
fn gaps(mut real: Vec<f32>, mut fake: Vec<f32>) -> (f64, f64) {
    real.sort_unstable_by(f32::total_cmp);
    fake.sort_unstable_by(f32::total_cmp);
    let (mut i, mut j, mut largest, mut area) = (0, 0, 0.0f64, 0.0);
    let mut gap = 0.0;
    let mut before = f64::from(real[0].min(fake[0]));
    while i < real.len() || j < fake.len() {
        let next = |side: &[f32], at: usize| side.get(at).copied().unwrap_or(f32::INFINITY);
        let here = next(&real, i).min(next(&fake, j));
        area += gap * (f64::from(here) - before);
        i += real[i..].iter().take_while(|&&v| v <= here).count();
        j += fake[j..].iter().take_while(|&&v| v <= here).count();
        gap = (i as f64 / real.len() as f64 - j as f64 / fake.len() as f64).abs();
        largest = largest.max(gap);
        before = f64::from(here);
    }
    (largest, area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // F jumps at 0 and 1, G at 3: the gap is 1 from 1 to 3 and one half from 0 to 1.
        assert_eq!(gaps(vec![1.0, 0.0], vec![3.0]), (1.0, 2.5));
        // Ties advance together.
        assert_eq!(gaps(vec![1.0, 1.0, 2.0], vec![1.0, 2.0, 2.0]), (1.0 / 3.0, 1.0 / 3.0));
        assert_eq!(gaps(vec![2.0, 1.0], vec![1.0, 2.0]), (0.0, 0.0));
    }

    #[test]
    fn the_worst_column_is_found_and_scaled() {
        let real: Vec<f32> = (0..100).flat_map(|i| [i as f32, 100.0 * i as f32]).collect();
        let fake: Vec<f32> = (0..100).flat_map(|i| [i as f32 + 10.0, 100.0 * i as f32 + 100.0]).collect();
        let result = marginals(&real, &fake, 2).unwrap();
        assert!((result.max_wasserstein() - 100.0).abs() < 1e-9);
        assert!((result.max_wasserstein_scaled() - 10.0 / 28.866_07).abs() < 1e-5);
        assert!((result.max_kolmogorov_smirnov() - 0.1).abs() < 1e-12);
    }
}
