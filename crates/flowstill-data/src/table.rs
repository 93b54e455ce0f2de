//! Hold a table of named number columns, and read or write it by its file's ending.

use std::path::Path;

use crate::read::{self, Format};
use crate::{DataError, Matrix, ReadOptions, Result, atomic};

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
        names != read::numbered(names.len())
    }

    /// Reads a table; its ending tells the format: `.csv`, `.tsv`, `.txt` (each also `.gz`), `.npy`, `.parquet`, `.h5`,
    /// `.hdf5`.
    pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        Self::read_with_steps(path, options).map(|(table, _)| table)
    }

    /// Reads a table and says in plain words which rows and columns were left out, and why.
    pub fn read_with_steps(path: impl AsRef<Path>, options: &ReadOptions) -> Result<(Self, Vec<String>)> {
        read::read(path.as_ref(), options, &mut |_, _| Ok(true))
    }

    /// Writes the table, whole or not at all; the ending tells the format: `.csv`, `.npy` or `.parquet`. Every format keeps
    /// every bit of every finite number.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if self.rows.checked_mul(self.columns) != Some(self.values.len()) || self.names.len() != self.columns {
            let expected = format!("{} x {} values and as many names as columns", self.rows, self.columns);
            let got = format!("{} values and {} names", self.values.len(), self.names.len());
            return Err(DataError::Shape { expected, got });
        }
        write_values(path, &self.names, Some(self.rows), &mut |put| put(&self.values))
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
        let kept: Vec<usize> = (0..self.columns).filter(|column| !drops.contains(column)).collect();
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

/// Writes a table that is too long to be held, as [`Table::write`] would: `next` gives whole rows one after another, as many at
/// once as it likes, and `None` after `rows` of them. An error of `next` leaves no file.
pub fn write_in_parts(
    path: impl AsRef<Path>,
    names: &[String],
    rows: usize,
    next: &mut dyn FnMut() -> Result<Option<Vec<f64>>>,
) -> Result<()> {
    write_values(path.as_ref(), names, Some(rows), &mut |put| {
        while let Some(values) = next()? {
            put(&values)?;
        }
        Ok(())
    })
}

/// Reads a table that is too long to be held: `visit` sees the names of the selected columns and one row after another, and its error ends the
/// reading. Text is held a line at a time, Parquet a row group at a time; the other formats whole. The policies on constant columns and copies do
/// not apply.
///
/// Answers the names of the selected columns, and how many rows there were.
///
/// # Errors
/// As [`Table::read`], after the rows before the fault have been visited.
pub fn stream(path: impl AsRef<Path>, options: &ReadOptions, visit: Visit<'_>) -> Result<(Vec<String>, usize)> {
    read::stream(path.as_ref(), options, visit)
}

/// Writes a table whose rows nobody has counted, as [`Table::write`] would: `fill` is given what takes the values, whole rows one after another.
/// An error of `fill` leaves no file. Only `.npy`, which begins with the number of rows, is held until all are there.
pub fn write_streamed(path: impl AsRef<Path>, names: &[String], fill: Fill<'_>) -> Result<()> {
    let path = path.as_ref();
    if !matches!(read::format(path), Ok(Format::Npy)) {
        return write_values(path, names, None, fill);
    }
    let mut all = Vec::new();
    fill(&mut |values| {
        all.extend_from_slice(values);
        Ok(())
    })?;
    write_values(path, names, Some(all.len() / names.len().max(1)), &mut |put| put(&all))
}

fn write_values(path: &Path, names: &[String], rows: Option<usize>, fill: Fill<'_>) -> Result<()> {
    let write = match read::format(path) {
        Ok(Format::Text { gzip: false }) if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) => {
            read::text::write
        }
        Ok(Format::Npy) => read::npy::write,
        Ok(Format::Parquet) => read::parquet::write,
        _ => {
            let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            let expected = ".csv, .npy or .parquet to write";
            return Err(DataError::UnknownFormat { path: path.to_path_buf(), ending, expected });
        }
    };
    let columns = names.len();
    let mut checked = |put: Put<'_>| {
        let mut seen = 0_usize;
        fill(&mut |values| {
            seen += values.len();
            put(values)
        })?;
        let whole = seen.is_multiple_of(columns.max(1));
        match rows {
            None if whole => Ok(()),
            Some(rows) if whole && rows.checked_mul(columns) == Some(seen) => Ok(()),
            _ => {
                let rows = rows.map_or_else(|| "whole rows".into(), |rows| rows.to_string());
                Err(DataError::Shape { expected: format!("{rows} x {columns} values"), got: format!("{seen}") })
            }
        }
    };
    atomic::write(path, |file| write(names, rows.unwrap_or(0), &mut checked, path, file))
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

    #[test]
    fn parts_make_the_same_file_as_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["a".to_string(), "b, c".into()];
        let values: Vec<f64> = (0..2 * 300_000).map(|i| f64::from(i) / 7.0).collect();
        let table = Table::new(names.clone(), values.clone()).unwrap();
        for ending in ["csv", "npy", "parquet"] {
            let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(format!("{name}.{ending}")));
            table.write(&whole).unwrap();
            let mut left = values.chunks(2 * 8192);
            let mut next = || Ok(left.next().map(<[f64]>::to_vec));
            write_in_parts(&parts, &names, 300_000, &mut next).unwrap();
            assert!(std::fs::read(&whole).unwrap() == std::fs::read(&parts).unwrap(), "{ending}");
            // Fewer rows than promised, or a failure on the way, leave the old file.
            let mut once = Some(vec![1.0, 2.0]);
            assert!(write_in_parts(&parts, &names, 300_000, &mut || Ok(once.take())).is_err());
            let mut fails = || Err(DataError::Shape { expected: "rows".into(), got: "none".into() });
            assert!(write_in_parts(&parts, &names, 1, &mut fails).is_err());
            assert!(std::fs::read(&whole).unwrap() == std::fs::read(&parts).unwrap(), "{ending}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 6);
    }

    #[test]
    fn streams_carry_the_same_rows_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["a".to_string(), "b".into()];
        let table = Table::new(names.clone(), (0..2 * 5000).map(|i| f64::from(i) / 7.0).collect()).unwrap();
        for ending in ["csv", "npy", "parquet"] {
            let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(format!("{name}.{ending}")));
            table.write(&whole).unwrap();
            let mut rows = Vec::new();
            let mut visit = |_: &[String], row: &[f64]| {
                rows.extend_from_slice(row);
                Ok(())
            };
            let (have, count) = stream(&whole, &ReadOptions::default(), &mut visit).unwrap();
            assert_eq!((count, &rows), (5000, &table.values), "{ending}");
            assert_eq!(have == names, ending != "npy");
            write_streamed(&parts, &names, &mut |put| rows.chunks(2 * 77).try_for_each(&mut *put)).unwrap();
            assert!(std::fs::read(&whole).unwrap() == std::fs::read(&parts).unwrap(), "{ending}");
            // A failure on the way ends the reading, and leaves the old file.
            let fails = || DataError::Shape { expected: "rows".into(), got: "none".into() };
            let mut seen = 0;
            let mut visit = |_: &[String], _: &[f64]| {
                seen += 1;
                if seen == 3 { Err(fails()) } else { Ok(()) }
            };
            assert!(stream(&whole, &ReadOptions::default(), &mut visit).is_err());
            assert_eq!(seen, 3, "{ending}");
            let mut fill = |put: Put<'_>| put(&rows[..4]).and(Err(fails()));
            assert!(write_streamed(&parts, &names, &mut fill).is_err());
            assert!(std::fs::read(&whole).unwrap() == std::fs::read(&parts).unwrap(), "{ending}");
        }
    }

    #[test]
    fn an_inconsistent_table_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = table();
        table.values.pop();
        assert!(table.write(folder.path().join("t.csv")).is_err());
        let error = Table::default().write(folder.path().join("t.xlsx")).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "expected a file ending in .csv, .npy or .parquet to write, got `.xlsx`; convert or rename it"
            )
        );
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
