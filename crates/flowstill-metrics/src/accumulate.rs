//! Fit a Gaussian to features that arrive in batches, without keeping them.

use crate::matrix::RowMatrix;
use crate::product::{View, multiply_f64};
use crate::{GaussianFit, MetricError};

/// Rows that are gathered before their products are added.
const BLOCK: usize = 512;

/// Sums of features and of their products, in `f64`, from batches of any sizes.
///
/// The sums are taken about the first row, so that no large mean cancels, and in blocks of 512 rows whatever the batches
/// were: how rows are cut into batches does not change a bit of the result. Memory is `O(columns^2)`.
///
/// ```
/// use flowstill_metrics::{GaussianAccumulator, GaussianFit};
/// let mut sums = GaussianAccumulator::new(2)?;
/// sums.push(&[0.0, 1.0])?;
/// sums.push(&[2.0, 3.0, 4.0, 8.0])?;
/// assert_eq!(sums.finish()?, GaussianFit::from_rows(&[0.0, 1.0, 2.0, 3.0, 4.0, 8.0], 2)?);
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GaussianAccumulator {
    columns: usize,
    rows: usize,
    origin: Vec<f64>,
    /// Rows less the origin that no product has taken in yet.
    pending: Vec<f64>,
    sum: Vec<f64>,
    products: Vec<f64>,
}

impl GaussianAccumulator {
    /// Starts with no rows.
    pub fn new(columns: usize) -> Result<Self, MetricError> {
        if columns == 0 {
            return Err(MetricError::NoColumns);
        }
        let (sum, products) = (vec![0.0; columns], vec![0.0; columns * columns]);
        Ok(Self { columns, rows: 0, origin: Vec::new(), pending: Vec::new(), sum, products })
    }

    /// Takes in the rows of a row-major matrix, perhaps none; a matrix with an error in it is left out as a whole.
    pub fn push(&mut self, features: &[f32]) -> Result<(), MetricError> {
        let batch = RowMatrix::new("features", features, self.columns, 0)?;
        for row in batch.values.chunks_exact(self.columns) {
            if self.rows == 0 {
                self.origin = row.iter().map(|&v| f64::from(v)).collect();
            }
            self.pending.extend(row.iter().zip(&self.origin).map(|(&v, o)| f64::from(v) - o));
            self.rows += 1;
            if self.pending.len() == BLOCK * self.columns {
                self.flush();
            }
        }
        Ok(())
    }

    /// Number of rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The mean and covariance of all rows, at least two; the covariance divides by `rows - 1`.
    pub fn finish(mut self) -> Result<GaussianFit, MetricError> {
        if self.rows < 2 {
            return Err(MetricError::TooFewRows { what: "features".into(), needed: 2, got: self.rows });
        }
        self.flush();
        let n = self.rows as f64;
        let mean = self.sum.iter().zip(&self.origin).map(|(s, o)| s / n + o).collect();
        for (line, si) in self.products.chunks_exact_mut(self.columns).zip(&self.sum) {
            line.iter_mut().zip(&self.sum).for_each(|(p, sj)| *p = (*p - si * sj / n) / (n - 1.0));
        }
        Ok(GaussianFit::from_moments(self.rows, mean, self.products))
    }

    fn flush(&mut self) {
        for row in self.pending.chunks_exact(self.columns) {
            self.sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        }
        let view = View::new(&self.pending, self.pending.len() / self.columns, self.columns);
        multiply_f64(1.0, view.t(), view, 1.0, &mut self.products);
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features far from 0, which sums about 0 would lose.
    fn features(rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(|k| 1_000.0 + ((k * k % 8_191) as f32 * 0.7).sin()).collect()
    }

    #[test]
    fn equals_the_fit_that_sees_all_rows() {
        let all = features(1_300, 7);
        let mut sums = GaussianAccumulator::new(7).unwrap();
        sums.push(&all).unwrap();
        let (found, whole) = (sums.finish().unwrap(), GaussianFit::from_rows(&all, 7).unwrap());
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(apart(found.mean(), whole.mean()) < 1e-10);
        assert!(apart(found.covariance(), whole.covariance()) < 1e-10);
        assert_eq!(found.rows(), 1_300);
    }

    #[test]
    fn the_cut_into_batches_changes_no_bit() {
        let all = features(1_300, 3);
        let fit = |sizes: &[usize]| {
            let (mut sums, mut rest) = (GaussianAccumulator::new(3).unwrap(), all.as_slice());
            for &size in sizes.iter().cycle() {
                let (batch, after) = rest.split_at((size * 3).min(rest.len()));
                sums.push(batch).unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            sums.finish().unwrap()
        };
        let whole = fit(&[1_300]);
        for sizes in [&[1][..], &[512], &[511, 2], &[0, 700]] {
            assert_eq!(fit(sizes), whole, "{sizes:?}");
        }
    }

    #[test]
    fn a_bad_batch_leaves_no_trace() {
        let mut sums = GaussianAccumulator::new(2).unwrap();
        assert!(matches!(sums.push(&[1.0]), Err(MetricError::Shape { .. })));
        assert!(matches!(sums.push(&[1.0, 2.0, f32::NAN, 0.0]), Err(MetricError::NotFinite { row: 1, .. })));
        assert_eq!(sums.rows(), 0);
        sums.push(&[1.0, 2.0]).unwrap();
        assert!(matches!(sums.finish(), Err(MetricError::TooFewRows { got: 1, .. })));
        assert!(matches!(GaussianAccumulator::new(0), Err(MetricError::NoColumns)));
    }
}
