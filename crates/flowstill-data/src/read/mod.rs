//! Choose a reader by a file's ending, and apply the options that all readers share.

mod dtype;
mod frame;
pub(crate) mod hdf5;
pub(crate) mod limits;
pub(crate) mod npy;
pub(crate) mod objects;
mod pages;
pub(crate) mod parquet;
mod rows;
pub(crate) mod text;

use std::path::Path;

pub(crate) use frame::read as read_data_frame;
pub(crate) use rows::{Keep, RowGatherer, find};

use crate::table::Visit;
use crate::{DataError, ReadOptions, Result, Table, clean};

/// The file formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text { gzip: bool },
    Npy,
    Parquet,
    Hdf5,
}

/// The format that `path`'s ending names.
pub(crate) fn format(path: &Path) -> Result<Format> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let (stem, gzip) = match name.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (name.as_str(), false),
    };
    match (stem.rsplit_once('.').map(|(_, ending)| ending), gzip) {
        (Some("csv" | "tsv" | "txt"), gzip) => Ok(Format::Text { gzip }),
        (Some("npy"), false) => Ok(Format::Npy),
        (Some("parquet" | "pq"), false) => Ok(Format::Parquet),
        (Some("h5" | "hdf5"), false) => Ok(Format::Hdf5),
        _ => {
            let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            let expected = ".csv, .tsv, .txt (each also .gz), .npy, .parquet, .h5 or .hdf5";
            Err(DataError::UnknownFormat { path: path.to_path_buf(), ending, expected })
        }
    }
}

/// Reads a table of any format; of its rows only those that `keep` accepts.
pub(crate) fn read(path: &Path, options: &ReadOptions, keep: Keep<'_>) -> Result<(Table, Vec<String>)> {
    let (table, mut steps) = rows(path, options, keep)?.finish()?;
    let (table, dropped) = clean::columns(table, options.constant, options.duplicates, path)?;
    steps.extend(dropped);
    Ok((table, steps))
}

/// Visits the rows of a table of any format, none of which is kept; the names of the columns, and how many rows there were.
pub(crate) fn stream(path: &Path, options: &ReadOptions, visit: Visit<'_>) -> Result<(Vec<String>, usize)> {
    rows(path, options, &mut |names, row| visit(names, row).map(|()| false))?.end()
}

fn rows<'a>(path: &'a Path, options: &ReadOptions, keep: Keep<'a>) -> Result<RowGatherer<'a>> {
    match format(path)? {
        Format::Text { gzip } => text::read(path, gzip, options, keep),
        Format::Npy => from_whole(path, options, keep, npy::read(path)?),
        Format::Parquet => parquet::read(path, options, keep),
        Format::Hdf5 => from_whole(path, options, keep, hdf5::read(path, options.dataset.as_deref())?),
    }
}

/// Applies the row and column options to a table that was read whole.
fn from_whole<'a>(path: &'a Path, options: &ReadOptions, keep: Keep<'a>, table: Table) -> Result<RowGatherer<'a>> {
    let mut rows = RowGatherer::new(path, options, keep, &table.names)?;
    let mut picked = vec![0.0; rows.picks.len()];
    for (index, row) in table.values.chunks_exact(table.columns.max(1)).enumerate() {
        for (value, &pick) in picked.iter_mut().zip(&rows.picks) {
            *value = row[pick];
        }
        rows.push(index + 1, &picked)?;
    }
    Ok(rows)
}
