//! Read or write a table by its file's ending, whole or row by row.

use std::path::Path;

use crate::read::{self, Format};
use crate::table::{Fill, Put, Visit};
use crate::{DataError, ReadOptions, Result, Table, atomic};

impl Table {
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
}

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
        let mut table = Table::new(vec!["a".into()], vec![1.0, 2.0]).unwrap();
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
