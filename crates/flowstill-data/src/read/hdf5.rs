//! Read one two-dimensional number dataset of an HDF5 file.

use std::path::Path;

use hdf5_reader::{ByteOrder, Datatype, Hdf5File, OpenOptions};

use super::dtype::Dtype;
use super::limits;
use crate::error::listed;
use crate::table::numbered;
use crate::{DataError, Result, Table};

/// Reads the dataset called `name`, or the only one at the file's root.
pub(crate) fn read(path: &Path, name: Option<&str>) -> Result<Table> {
    // Opening it ourselves tells a missing file from a damaged one.
    std::fs::File::open(path).map_err(DataError::io(path, "read"))?;
    let length = limits::regular(path)?.len();
    let file = Hdf5File::open_with_options(path, options(length)).map_err(|error| failed(path, error))?;
    dataset(path, &file, name)
}

/// What a file of so many bytes may make room for: its headers must not claim all memory.
fn options(length: u64) -> OpenOptions {
    let room = usize::try_from(limits::room(length)).unwrap_or(usize::MAX);
    let default = OpenOptions::default();
    OpenOptions {
        max_read_bytes: room,
        max_chunk_bytes: room.min(default.max_chunk_bytes),
        chunk_cache_bytes: room.min(default.chunk_cache_bytes),
        ..default
    }
}

fn failed(path: &Path, error: impl std::fmt::Display) -> DataError {
    DataError::malformed(path, "a whole HDF5 file", error.to_string(), "write it again with h5py")
}

fn dataset(path: &Path, file: &Hdf5File, name: Option<&str>) -> Result<Table> {
    let root = file.root_group().map_err(|error| failed(path, error))?;
    let (_, mut have) = root.member_names().map_err(|error| failed(path, error))?;
    have.sort_unstable();
    let name = match (name, &have[..]) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => {
            let remedy = "name the one to read with `dataset`";
            return Err(DataError::malformed(path, "one dataset", listed(&have), remedy));
        }
    };
    let data = file.dataset(name).map_err(|error| match have.iter().any(|there| there == name) {
        true => failed(path, error),
        false => DataError::malformed(path, format!("a dataset `{name}`"), listed(&have), "correct the name"),
    })?;
    let wrong = |expected: &str, got: String| {
        DataError::malformed(path, format!("dataset `{name}` of {expected}"), got, "save it as an array of numbers")
    };
    let dtype = dtype(data.dtype()).ok_or_else(|| wrong("real numbers", "another type".into()))?;
    let columns = match *data.shape() {
        [_] => 1,
        [_, columns] if columns > 0 => usize::try_from(columns).unwrap_or(usize::MAX),
        _ => return Err(wrong("1 or 2 dimensions", format!("shape {:?}", data.shape()))),
    };
    limits::columns(path, columns)?;
    let bytes = data.read_raw_bytes().map_err(|error| failed(path, error))?;
    if bytes.is_empty() {
        return Err(wrong("at least one row", "none".into()));
    }
    Table::new(numbered(columns), dtype.decode(&bytes))
}

fn dtype(kind: &Datatype) -> Option<Dtype> {
    let (name, order) = match kind {
        Datatype::FloatingPoint { size, byte_order } => (format!("f{size}"), byte_order),
        Datatype::FixedPoint { size, signed: true, byte_order } => (format!("i{size}"), byte_order),
        Datatype::FixedPoint { size, signed: false, byte_order } => (format!("u{size}"), byte_order),
        _ => return None,
    };
    Some(Dtype::parse(&name)?.with_big_endian(*order == ByteOrder::BigEndian))
}
