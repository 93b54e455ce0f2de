//! Read and write NumPy's `.npy` files.
//!
//! The header is one line of a known shape; the crates that read it bring a parser generator along.

use std::io::Write;
use std::path::Path;

use super::dtype::Dtype;
use super::limits;
use crate::table::{Fill, numbered};
use crate::{DataError, Result, Table};

const MAGIC: &[u8] = b"\x93NUMPY";
const REMEDY: &str = "save the array again with numpy.save(path, array.astype(\"f8\"))";

pub(crate) fn read(path: &Path) -> Result<Table> {
    parse(path, &limits::whole(path)?)
}

/// Parses the bytes of a whole file.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Table> {
    let wrong = |expected: &str, got: &str| DataError::malformed(path, expected, got, REMEDY);
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| wrong("a NumPy file", "other content"))?;
    let (length, rest) = match rest {
        [1, _, low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err(wrong("a NumPy file of version 1, 2 or 3", "another version, or a cut file")),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(|| wrong("a whole header", "a cut file"))?;
    let header = String::from_utf8_lossy(header);
    let dtype = value_of(&header, "descr").and_then(|text| Dtype::parse(text.strip_prefix('\'')?.split('\'').next()?));
    let dtype = dtype.ok_or_else(|| wrong("an array of real numbers", header.trim()))?;
    let fortran = value_of(&header, "fortran_order").is_some_and(|text| text.starts_with("True"));
    let (rows, columns) = shape(&header).ok_or_else(|| wrong("an array of 1 or 2 dimensions", header.trim()))?;
    limits::columns(path, columns)?;
    let size = rows.checked_mul(columns).and_then(|items| items.checked_mul(dtype.size));
    if size != Some(data.len()) {
        let got = format!("{} bytes of data", data.len());
        return Err(wrong(&format!("{rows} x {columns} items of {} bytes", dtype.size), &got));
    }
    if data.is_empty() {
        return Err(wrong("an array with rows", "an empty one"));
    }
    let mut values = dtype.decode(data);
    if fortran {
        values = (0..values.len()).map(|at| values[at % columns * rows + at / columns]).collect();
    }
    Table::new(numbered(columns), values)
}

pub(crate) fn write(
    names: &[String],
    rows: usize,
    fill: Fill<'_>,
    path: &Path,
    to: &mut (dyn Write + Send),
) -> Result<()> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {}), }}", rows, names.len());
    // Magic, version, length and header together fill whole blocks of 64 bytes, the last of them a line end.
    let blanks = 63 - (MAGIC.len() + 4 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', blanks));
    header.push('\n');
    let head = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    to.write_all(&head).map_err(DataError::io(path, "write"))?;
    fill(&mut |values| {
        let mut values = values.iter();
        values.try_for_each(|value| to.write_all(&value.to_le_bytes())).map_err(DataError::io(path, "write"))
    })
}

/// What follows `'key':` in the header's dictionary.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// Rows and columns; a 1-D array is one column.
fn shape(header: &str) -> Option<(usize, usize)> {
    let (inner, _) = value_of(header, "shape")?.strip_prefix('(')?.split_once(')')?;
    let sizes = inner.split(',').map(str::trim).filter(|size| !size.is_empty());
    match sizes.map(|size| size.parse().ok()).collect::<Option<Vec<usize>>>()?[..] {
        [rows] => Some((rows, 1)),
        [rows, columns] if columns > 0 => Some((rows, columns)),
        _ => None,
    }
}
