//! Replace a file in one step, so that a crash or a full disk leaves the old one whole.

use crate::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Write `bytes` beside `path`, flush them to the disk, then rename over `path`.
///
/// # Errors
/// [`Error::Io`] names the file and what failed; the old file is untouched and the new one removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(|source| {
        // The write failed already; whether the leftover can be removed changes nothing for the caller.
        let _ = fs::remove_file(&temporary);
        Error::io(path, "cannot write (is the folder there and writable, and the disk not full?)", source)
    })
}
