//! Shift and scale columns to zero mean and unit variance, and say what that does to a density.

use serde::{Deserialize, Serialize};

use crate::{DataError, Result};

/// Each column's mean and standard deviation: `z = (x - mean) / std`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnScales {
    /// Each column's mean, in the data's own units.
    pub mean: Vec<f64>,
    /// Each column's standard deviation, in the data's own units: finite and above zero.
    pub std: Vec<f64>,
}

impl ColumnScales {
    /// Leaves `columns` columns as they are.
    pub fn identity(columns: usize) -> Self {
        Self { mean: vec![0.0; columns], std: vec![1.0; columns] }
    }

    /// Measures the rows of a row-major slice. `lost` is what the variance's denominator lacks: 0 divides by the number of
    /// rows, 1 by one less. A column without spread keeps its scale (a `std` of 1).
    pub(crate) fn measure(values: &[f64], columns: usize, lost: usize) -> Self {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        let (mut mean, mut std) = (vec![0.0; columns], vec![0.0; columns]);
        if rows == 0 {
            return Self::identity(columns);
        }
        for row in values.chunks_exact(columns) {
            row.iter().zip(&mut mean).for_each(|(x, m)| *m += x / rows as f64);
        }
        for row in values.chunks_exact(columns) {
            for ((x, m), s) in row.iter().zip(&mean).zip(&mut std) {
                *s += (x - m).powi(2) / rows.saturating_sub(lost).max(1) as f64;
            }
        }
        for s in &mut std {
            *s = s.sqrt();
            // A constant's rounding errors are no scale either.
            if !(s.is_finite() && *s > 0.0) {
                *s = 1.0;
            }
        }
        Self { mean, std }
    }

    /// How many columns this stands for.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// From the data's own units to standardised ones, row-major and in place.
    pub fn apply(&self, values: &mut [f64]) -> Result<()> {
        self.each(values, |x, mean, std| (x - mean) / std)
    }

    /// From standardised units back to the data's own, row-major and in place.
    pub fn invert(&self, values: &mut [f64]) -> Result<()> {
        self.each(values, |z, mean, std| z * std + mean)
    }

    /// `log |dz/dx|` of one row, in nats: what to add to a standardised log-density to have it in the data's own units.
    #[doc(alias = "ladj")]
    pub fn log_det(&self) -> f64 {
        -self.std.iter().map(|s| s.ln()).sum::<f64>()
    }

    fn each(&self, values: &mut [f64], change: impl Fn(f64, f64, f64) -> f64) -> Result<()> {
        let columns = self.mean.len();
        if self.std.len() != columns
            || (columns == 0 && !values.is_empty())
            || !values.len().is_multiple_of(columns.max(1))
        {
            let expected = format!("rows of {columns} values, with as many means and standard deviations");
            let got = format!("{} values, {columns} means and {} deviations", values.len(), self.std.len());
            return Err(DataError::Shape { expected, got });
        }
        for row in values.chunks_exact_mut(columns.max(1)) {
            for ((x, mean), std) in row.iter_mut().zip(&self.mean).zip(&self.std) {
                *x = change(*x, *mean, *std);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardised_columns_have_mean_0_and_deviation_1() {
        let mut values: Vec<f64> = (0..300).map(|i| (i * i % 97) as f64 + 1e6 * (i % 3) as f64).collect();
        let before = values.clone();
        let law = ColumnScales::measure(&values, 3, 0);
        law.apply(&mut values).unwrap();
        let again = ColumnScales::measure(&values, 3, 0);
        for column in 0..3 {
            assert!(again.mean[column].abs() < 1e-9 && (again.std[column] - 1.0).abs() < 1e-9);
        }
        law.invert(&mut values).unwrap();
        assert!(values.iter().zip(&before).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn log_det_is_the_log_of_the_scale() {
        let law = ColumnScales { mean: vec![5.0, 0.0], std: vec![2.0, 0.25] };
        assert!((law.log_det() - 0.5f64.ln() - 4f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn the_denominator_is_the_one_asked_for() {
        assert_eq!(ColumnScales::measure(&[1.0, 3.0], 1, 0).std, [1.0]);
        assert_eq!(ColumnScales::measure(&[1.0, 3.0], 1, 1).std, [2f64.sqrt()]);
    }

    #[test]
    fn a_wrong_width_is_an_error() {
        assert!(ColumnScales::identity(2).apply(&mut [1.0; 3]).is_err());
        assert!(ColumnScales { mean: vec![0.0], std: vec![] }.apply(&mut [1.0]).is_err());
    }
}
