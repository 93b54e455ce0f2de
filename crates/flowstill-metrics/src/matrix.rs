//! Check a row-major matrix once, so that every statistic after it is only mathematics.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::MetricError;

/// A borrowed row-major matrix whose shape, length and values have been checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowMatrix<'a> {
    pub values: &'a [f32],
    pub columns: usize,
    pub rows: usize,
}

impl<'a> RowMatrix<'a> {
    /// Accepts `values` if they are whole rows of finite numbers, `needed` rows or more.
    pub fn new(what: &str, values: &'a [f32], columns: usize, needed: usize) -> Result<Self, MetricError> {
        if columns == 0 {
            return Err(MetricError::NoColumns);
        }
        if !values.len().is_multiple_of(columns) {
            return Err(MetricError::Shape { what: what.into(), length: values.len(), columns });
        }
        let rows = values.len() / columns;
        if rows < needed {
            return Err(MetricError::TooFewRows { what: what.into(), needed, got: rows });
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let value = f64::from(values[at]);
            return Err(MetricError::NotFinite { what: what.into(), value, row: at / columns, column: at % columns });
        }
        Ok(Self { values, columns, rows })
    }

    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// One column, copied in the order of the rows.
    pub fn column(&self, index: usize) -> Vec<f32> {
        self.values.iter().skip(index).step_by(self.columns).copied().collect()
    }

    /// The indices of `count` distinct rows in random order, all of them if there are no more.
    pub fn choose(&self, count: usize, rng: &mut impl Rng) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows).collect();
        let (chosen, _) = order.partial_shuffle(rng, count.min(self.rows));
        chosen.to_vec()
    }
}

/// The mean and standard deviation of each column over both sets; a constant column gets deviation 1.
pub(crate) fn pooled_moments(sets: &[RowMatrix<'_>]) -> Vec<(f64, f64)> {
    let columns = sets.first().map_or(0, |set| set.columns);
    let total: usize = sets.iter().map(|set| set.rows).sum();
    let over = |index: usize| sets.iter().flat_map(move |s| s.values.iter().skip(index).step_by(s.columns));
    (0..columns)
        .map(|index| {
            let mean = over(index).map(|&v| f64::from(v)).sum::<f64>() / total as f64;
            let variance = over(index).map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / total as f64;
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_has_no_meaning() {
        assert!(matches!(RowMatrix::new("real", &[1.0], 0, 1), Err(MetricError::NoColumns)));
        assert!(matches!(
            RowMatrix::new("real", &[1.0; 5], 2, 1),
            Err(MetricError::Shape { length: 5, columns: 2, .. })
        ));
        assert!(matches!(RowMatrix::new("real", &[1.0; 4], 2, 3), Err(MetricError::TooFewRows { got: 2, .. })));
        let error = RowMatrix::new("fake", &[0.0, 1.0, 2.0, f32::NAN], 2, 1).unwrap_err();
        assert!(matches!(error, MetricError::NotFinite { row: 1, column: 1, .. }));
        assert!(!error.to_string().contains('\n'));
    }

    #[test]
    fn pooled_moments_standardise() {
        let (a, b) = ([0.0, 5.0, 2.0, 5.0], [4.0, 5.0]);
        let moments = pooled_moments(&[RowMatrix::new("a", &a, 2, 1).unwrap(), RowMatrix::new("b", &b, 2, 1).unwrap()]);
        assert!((moments[0].0 - 2.0).abs() < 1e-12 && (moments[0].1 - (8.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(moments[1], (5.0, 1.0));
    }
}
