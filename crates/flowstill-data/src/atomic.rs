//! Write a file whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::{DataError, Result};

/// Lets `fill` write to a temporary file beside `path`, then renames it, so that a reader never meets half a file.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".flowstill-");
    #[cfg(unix)]
    {
        // A temporary file is private by default; a table is an ordinary file, and the umask still applies.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder).map_err(DataError::io(path, "write"))?;
    let mut writer = BufWriter::new(temporary.as_file());
    fill(&mut writer)?;
    writer.flush().map_err(DataError::io(path, "write"))?;
    drop(writer);
    temporary.as_file().sync_all().map_err(DataError::io(path, "write"))?;
    temporary.persist(path).map_err(|error| DataError::io(path, "write")(error.error))?;
    Ok(())
}
