//! Hold what a file can make its reader take to a stated multiple of the file's own size (docs/security.md).

use std::cell::Cell;
use std::fs::Metadata;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;
use std::rc::Rc;

use crate::{DataError, Result};

/// Columns that a table has at most: each costs a name and a place of its own, however little of the file it takes.
const COLUMNS: usize = 100_000;
/// Bytes of one line of text, or of one record in quotes, at most.
pub(crate) const RECORD: u64 = 8 << 20;
/// What any compressed file may unfold to, whatever its size.
const FREE: u64 = 4 << 20;
/// What a compressed file may unfold to besides, in multiples of its size.
const TIMES: u64 = 256;

/// How many bytes a file of `length` bytes may unfold to.
pub(crate) fn room(length: u64) -> u64 {
    length.saturating_mul(TIMES).saturating_add(FREE)
}

/// A file's facts, if it is one with an end: a device or a pipe would be read for ever, or wait for ever.
pub(crate) fn regular(path: &Path) -> Result<Metadata> {
    let facts = std::fs::metadata(path).map_err(DataError::io(path, "read"))?;
    if facts.is_file() || facts.is_dir() {
        return Ok(facts);
    }
    Err(DataError::malformed(path, "a file", "a device or a pipe", "write its content to a file, and give that"))
}

/// All bytes of a file.
pub(crate) fn whole(path: &Path) -> Result<Vec<u8>> {
    regular(path)?;
    std::fs::read(path).map_err(DataError::io(path, "read"))
}

/// Refuses a table that is wider than any.
pub(crate) fn columns(path: &Path, count: usize) -> Result<()> {
    if count <= COLUMNS {
        return Ok(());
    }
    let remedy = "write fewer columns; pictures go into a folder of PNG files";
    Err(DataError::malformed(path, format!("at most {COLUMNS} columns"), count.to_string(), remedy))
}

/// Bytes that may still be read, shared with whoever sets them anew.
pub(crate) type Left = Rc<Cell<u64>>;

/// A reader that fails where more comes than may.
pub(crate) struct Metered<R> {
    inner: R,
    left: Left,
    what: &'static str,
}

impl<R> Metered<R> {
    /// Reads as long as `left` reaches; `what` says what there is too much of.
    pub fn new(inner: R, left: Left, what: &'static str) -> Self {
        Self { inner, left, what }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(count as u64);
        self.left.set(left.ok_or_else(|| Error::new(ErrorKind::InvalidData, TooMuch(self.what)))?);
        Ok(count)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TooMuch(&'static str);

/// What a failed reading is told as.
pub(crate) fn failed(path: &Path) -> impl FnOnce(Error) -> DataError + use<'_> {
    move |error| match error.get_ref().is_some_and(|inner| inner.is::<TooMuch>()) {
        true => {
            let remedy = "check that it is a table; unpack it first if it is";
            DataError::malformed(path, "lines of numbers", error.to_string(), remedy)
        }
        false => DataError::io(path, "read")(error),
    }
}
