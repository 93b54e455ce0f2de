//! Measure the Frechet distance between Gaussians fitted to two feature matrices.

use crate::MetricError;
use crate::matrix::RowMatrix;
use crate::product::{View, multiply_f64};
use crate::symmetric::{pivoted_cholesky, symmetric_eigenvalues};

/// Below so many samples of either set a Frechet distance of deep features is to be given with a warning.
///
/// The distance is biased upwards, the more the fewer samples there are. 10,000 is the least that the authors of the FID
/// recommend for it (Heusel et al. 2017, in the notes to their code); published values mostly use 50,000.
pub const FRECHET_MINIMUM_SAMPLES: usize = 10_000;

/// The mean and covariance of a feature matrix: all the Frechet distance needs, so real features are read once.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GaussianFit {
    columns: usize,
    rows: usize,
    mean: Vec<f64>,
    covariance: Vec<f64>,
}

impl GaussianFit {
    /// Fits to the rows of a row-major matrix, at least two; the covariance divides by `rows - 1`.
    pub fn from_rows(features: &[f32], columns: usize) -> Result<Self, MetricError> {
        Self::fit("features", features, columns)
    }

    fn fit(what: &str, features: &[f32], columns: usize) -> Result<Self, MetricError> {
        let set = RowMatrix::new(what, features, columns, 2)?;
        let mut mean = vec![0.0; columns];
        for row in set.values.chunks_exact(columns) {
            mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v));
        }
        mean.iter_mut().for_each(|m| *m /= set.rows as f64);
        // sum (x - mean)(x - mean)^T a block of rows at a time, so that the centred copy stays small.
        let mut covariance = vec![0.0; columns * columns];
        let mut centred = Vec::new();
        for block in set.values.chunks(columns * 512) {
            centred.clear();
            centred.extend(block.iter().zip(mean.iter().cycle()).map(|(&v, m)| f64::from(v) - m));
            let view = View::new(&centred, block.len() / columns, columns);
            multiply_f64(1.0 / (set.rows - 1) as f64, view.t(), view, 1.0, &mut covariance);
        }
        Ok(Self::from_moments(set.rows, mean, covariance))
    }

    /// Takes moments computed elsewhere; of the covariance only the upper triangle is read.
    pub(crate) fn from_moments(rows: usize, mean: Vec<f64>, mut covariance: Vec<f64>) -> Self {
        let columns = mean.len();
        for i in 0..columns {
            for j in 0..i {
                covariance[i * columns + j] = covariance[j * columns + i];
            }
        }
        Self { columns, rows, mean, covariance }
    }

    /// Number of features.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows the fit saw.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The mean of each feature.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The covariance, `columns` x `columns`, row-major.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// The squared Frechet distance to `other`, `|m1 - m2|^2 + Tr(S1 + S2 - 2 (S1^{1/2} S2 S1^{1/2})^{1/2})`.
    ///
    /// Dowson & Landau 1982; as FID in Heusel et al. 2017. With any factor `S1 = L L^T` the matrices
    /// `S1^{1/2} S2 S1^{1/2}` and `L^T S2 L` have the same non-zero eigenvalues, those of `S1 S2`; their square roots
    /// sum to the trace, so neither a matrix root nor an eigenvector is formed. What rounding leaves below zero is 0.
    pub fn squared_distance(&self, other: &Self) -> Result<f64, MetricError> {
        let n = self.columns;
        if n != other.columns {
            return Err(MetricError::ColumnsDiffer { left: n, right: other.columns });
        }
        let (factor, rank) = pivoted_cholesky(&self.covariance, n);
        let l = View::new(&factor, n, rank);
        let mut right = vec![0.0; n * rank];
        multiply_f64(1.0, View::new(&other.covariance, n, n), l, 0.0, &mut right);
        let mut inner = vec![0.0; rank * rank];
        multiply_f64(1.0, l.t(), View::new(&right, n, rank), 0.0, &mut inner);
        let eigenvalues = symmetric_eigenvalues(inner, rank)?;
        let root_trace: f64 = eigenvalues.iter().map(|v| v.max(0.0).sqrt()).sum();
        let trace = |fit: &Self| (0..n).map(|i| fit.covariance[i * n + i]).sum::<f64>();
        let apart: f64 = self.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2)).sum();
        Ok((apart + trace(self) + trace(other) - 2.0 * root_trace).max(0.0))
    }
}

/// The squared Frechet distance between Gaussians fitted to `real` and `fake`, row-major with `columns` features.
///
/// It is biased upwards by `O(columns / rows)`, so compare only values from equal numbers of rows (Chong & Forsyth
/// 2020). Keep a [`GaussianFit`] of the real set to compare many others with it.
///
/// ```
/// let real = [0.0, 1.0, 2.0, 3.0];
/// let moved: Vec<f32> = real.iter().map(|x| x + 2.0).collect();
/// let distance = flowstill_metrics::frechet_gaussian(&real, &moved, 1)?;
/// assert!((distance - 4.0).abs() < 1e-9);
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
#[doc(alias = "fid")]
#[doc(alias = "frechet_distance")]
pub fn frechet_gaussian(real: &[f32], fake: &[f32], columns: usize) -> Result<f64, MetricError> {
    GaussianFit::fit("real", real, columns)?.squared_distance(&GaussianFit::fit("fake", fake, columns)?)
}
