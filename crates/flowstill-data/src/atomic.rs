//! Write a file whole or not at all, and clear away what a writer left that was stopped on the way.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{DataError, Result};

/// Lets `fill` write to a temporary file beside `path`, then renames it, so that a reader never meets half a file.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let prefix = own_prefix();
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        // A temporary file is private by default; a table is an ordinary file, and the umask still applies.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder).map_err(DataError::io(path, "write"))?;
    // Held until the file is closed, however its writer ends: so others know that it is at work. A file system without locks has none to ask.
    let _ = temporary.as_file().try_lock();
    let mut writer = BufWriter::new(temporary.as_file());
    fill(&mut writer)?;
    writer.flush().map_err(DataError::io(path, "write"))?;
    drop(writer);
    temporary.as_file().sync_all().map_err(DataError::io(path, "write"))?;
    temporary.persist(path).map_err(|error| DataError::io(path, "write")(error.error))?;
    Ok(())
}

/// What the temporary files of every process begin with.
const PREFIX: &str = ".flowstill-";

/// What this process's temporary files begin with.
fn own_prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// A temporary file that is younger may not be locked yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Removes this process's own unfinished files from a folder: for a program that is told to stop while it writes there.
pub fn remove_unfinished(folder: impl AsRef<Path>) {
    let prefix = own_prefix();
    for path in temporaries(folder.as_ref(), &prefix) {
        // Nothing is lost if it stays, and nobody can be told.
        let _ = std::fs::remove_file(path);
    }
}

/// Removes the unfinished files that killed processes left in a folder; those that somebody is still writing stay.
pub fn remove_stale(folder: impl AsRef<Path>) {
    for path in temporaries(folder.as_ref(), PREFIX) {
        let old = std::fs::metadata(&path).and_then(|facts| facts.modified());
        let old = old.is_ok_and(|then| then.elapsed().is_ok_and(|age| age > YOUNG));
        // Its writer's lock ends with the writer.
        if old && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The files in a folder that begin as temporary ones do: the prefix, perhaps a number and a dash, and six letters.
fn temporaries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let own = |name: &str| {
        let rest = name.strip_prefix(prefix)?;
        let (number, letters) = rest.split_once('-').unwrap_or(("0", rest));
        let fine = number.bytes().all(|b| b.is_ascii_digit()) && letters.len() == 6;
        (fine && letters.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(())
    };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let found = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    found.filter(|entry| entry.file_name().to_str().and_then(own).is_some()).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_writers_left_goes_and_what_is_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, old: bool| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            if old {
                file.set_modified(std::time::SystemTime::now() - 2 * YOUNG).unwrap();
            }
            (path, file)
        };
        let (stale, file) = put(".flowstill-4000000-aB3xYz", true);
        drop(file);
        let (ancient, _) = put(".flowstill-aB3xYz", true);
        let (locked, held) = put(".flowstill-4000001-aB3xYz", true);
        held.lock().unwrap();
        let (young, _) = put(".flowstill-4000002-aB3xYz", false);
        let others = [".flowstill-notes.txt", ".flowstill-1-a.csvxx", "rows.csv", ".rows.csv.1.partial"]
            .map(|name| put(name, true).0);
        let (own, _) = put(&format!("{}aB3xYz", own_prefix()), false);
        remove_stale(folder.path());
        assert!(!stale.exists() && !ancient.exists());
        assert!(locked.exists() && young.exists() && own.exists() && others.iter().all(|path| path.exists()));
        remove_unfinished(folder.path());
        assert!(!own.exists() && locked.exists() && young.exists() && others.iter().all(|path| path.exists()));
        remove_stale(folder.path().join("nowhere"));
    }
}
