//! Hold rows of single-precision numbers, row after row, as a flow's input wants them.

use crate::{DataError, Result};

/// A dense row-major matrix.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Matrix {
    /// Wraps `values`, which must hold `rows * columns` numbers, row after row.
    pub fn new(values: Vec<f32>, rows: usize, columns: usize) -> Result<Self> {
        if rows.checked_mul(columns) != Some(values.len()) {
            let (expected, got) = (format!("{rows} x {columns} values"), format!("{} values", values.len()));
            return Err(DataError::Shape { expected, got });
        }
        Ok(Self { values, rows, columns })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Gives the values away, row after row.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// One row, or `None` past the end.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let start = index.checked_mul(self.columns)?;
        (index < self.rows).then(|| &self.values[start..start + self.columns])
    }

    /// The rows named by `order`, copied one after another: a minibatch. Indices past the end are left out.
    pub fn gather(&self, order: &[u32]) -> Matrix {
        let mut values = Vec::with_capacity(order.len() * self.columns);
        let mut rows = 0;
        for row in order.iter().filter_map(|&index| self.row(index as usize)) {
            values.extend_from_slice(row);
            rows += 1;
        }
        Matrix { values, rows, columns: self.columns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lengths_are_refused() {
        let error = Matrix::new(vec![0.0; 5], 2, 3).unwrap_err().to_string();
        assert_eq!(error, "expected 2 x 3 values, got 5 values");
        assert!(Matrix::new(vec![], usize::MAX, 2).is_err());
    }

    #[test]
    fn gather_picks_rows_in_the_order_asked() {
        let matrix = Matrix::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2).unwrap();
        let picked = matrix.gather(&[2, 0, 9]);
        assert_eq!((picked.values(), picked.rows()), (&[5.0, 6.0, 1.0, 2.0][..], 2));
        assert_eq!(matrix.row(3), None);
    }
}
