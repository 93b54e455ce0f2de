//! Hold a table of named number columns.

use crate::{DataError, Matrix, Result};

/// A table of double-precision numbers with named columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The columns' names.
    pub names: Vec<String>,
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    /// All values, row after row.
    pub values: Vec<f64>,
}

impl Table {
    /// A table of `values`, row after row; their number must be a multiple of the number of names.
    pub fn new(names: Vec<String>, values: Vec<f64>) -> Result<Self> {
        let columns = names.len();
        if columns == 0 && !values.is_empty() || !values.len().is_multiple_of(columns.max(1)) {
            let got = format!("{} values", values.len());
            return Err(DataError::Shape { expected: format!("rows of {columns} values"), got });
        }
        Ok(Self { rows: values.len() / columns.max(1), names, columns, values })
    }

    /// The rows of `matrix` under `names`: samples on their way to a file.
    pub fn from_matrix(names: Vec<String>, matrix: &Matrix) -> Result<Self> {
        if names.len() != matrix.columns() {
            let (expected, got) = (format!("{} names", matrix.columns()), format!("{} names", names.len()));
            return Err(DataError::Shape { expected, got });
        }
        Self::new(names, matrix.values().iter().map(|&value| f64::from(value)).collect())
    }

    /// Whether the columns have names of their own: not only the `c1`, `c2`, ... that a table without names is given.
    pub fn has_names(&self) -> bool {
        Self::are_names(&self.names)
    }

    /// Whether these are names of somebody's choice, and not `c1`, `c2`, ... from the first to the last.
    pub fn are_names(names: &[String]) -> bool {
        names != numbered(names.len())
    }

    /// One row, or `None` past the end.
    pub fn row(&self, index: usize) -> Option<&[f64]> {
        let start = index.checked_mul(self.columns)?;
        self.values.get(start..start.checked_add(self.columns)?).filter(|_| index < self.rows)
    }

    /// One column's values from top to bottom; nothing past the end.
    pub fn column(&self, index: usize) -> impl Iterator<Item = f64> + '_ {
        let skip = if index < self.columns { index } else { self.values.len() };
        self.values.iter().skip(skip).step_by(self.columns.max(1)).copied()
    }

    /// Only the columns at `picks`, in that order. Every pick must be a column.
    pub(crate) fn pick_columns(&self, picks: &[usize]) -> Self {
        let rows = self.values.chunks_exact(self.columns.max(1));
        let values = rows.flat_map(|row| picks.iter().map(|&pick| row[pick])).collect();
        let names = picks.iter().map(|&pick| self.names[pick].clone()).collect();
        Self { names, rows: self.rows, columns: picks.len(), values }
    }

    /// Without the columns at `drops`.
    pub(crate) fn without_columns(&self, drops: &[usize]) -> Self {
        let mut stays = vec![true; self.columns];
        for &column in drops {
            stays[column] = false;
        }
        let kept: Vec<usize> = (0..self.columns).filter(|&column| stays[column]).collect();
        self.pick_columns(&kept)
    }

    /// Leaves out the rows that `keep` refuses, and tells how many those are.
    pub(crate) fn retain_rows(&mut self, mut keep: impl FnMut(&[f64]) -> bool) -> usize {
        let (columns, before, mut kept) = (self.columns.max(1), self.rows, 0);
        for row in 0..self.rows {
            if keep(&self.values[row * columns..(row + 1) * columns]) {
                self.values.copy_within(row * columns..(row + 1) * columns, kept * columns);
                kept += 1;
            }
        }
        self.values.truncate(kept * columns);
        self.rows = kept;
        before - kept
    }

    /// The rows in the given order; every index must be a row.
    pub(crate) fn reorder(&mut self, order: &[u32]) {
        let columns = self.columns;
        let rows = order.iter().map(|&row| row as usize * columns);
        self.values = rows.flat_map(|start| self.values[start..start + columns].iter().copied()).collect();
        self.rows = order.len();
    }
}

/// Takes values, whole rows one after another.
pub type Put<'a> = &'a mut dyn FnMut(&[f64]) -> Result<()>;

/// Hands all values to a writer, in any number of parts.
pub type Fill<'a> = &'a mut dyn FnMut(Put<'_>) -> Result<()>;

/// Sees the names of the selected columns, and one row of them.
pub type Visit<'a> = &'a mut dyn FnMut(&[String], &[f64]) -> Result<()>;

/// Names for columns that have none.
pub(crate) fn numbered(columns: usize) -> Vec<String> {
    (1..=columns).map(|column| format!("c{column}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_columns_are_no_names() {
        let table = |names: &[&str]| Table::new(names.iter().map(ToString::to_string).collect(), vec![1.0; 2]).unwrap();
        assert!(table(&["a", "b"]).has_names() && table(&["c2", "c1"]).has_names());
        assert!(!table(&["c1", "c2"]).has_names());
    }

    fn table() -> Table {
        Table::new(vec!["a".into(), "b".into()], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap()
    }

    #[test]
    fn rows_and_columns_are_where_they_should_be() {
        let table = table();
        assert_eq!(table.row(1), Some(&[3.0, 4.0][..]));
        assert_eq!(table.row(3), None);
        assert_eq!(table.column(1).collect::<Vec<_>>(), [2.0, 4.0, 6.0]);
        assert_eq!(table.column(2).count(), 0);
        assert_eq!(table.pick_columns(&[1]).values, [2.0, 4.0, 6.0]);
        assert_eq!(table.without_columns(&[1]).names, ["a"]);
    }

    #[test]
    fn rows_are_left_out_and_reordered_in_place() {
        let mut table = table();
        assert_eq!(table.retain_rows(|row| row[0] != 3.0), 1);
        table.reorder(&[1, 0]);
        assert_eq!((table.rows, &table.values[..]), (2, &[5.0, 6.0, 1.0, 2.0][..]));
    }
}
