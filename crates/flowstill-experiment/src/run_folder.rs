//! Keep a run folder for one process at a time, with the recipe that it belongs to.

use crate::recipe::{Plan, resolved};
use crate::{Error, Event, Events, Result};
use flowstill::file::write_atomically;
use std::fs::{File, TryLockError};
use std::path::Path;

/// A run folder that is this process's alone until it is dropped; the system frees it also after a kill.
pub struct OpenRun {
    _lock: Option<File>,
}

/// The run folder with its resolved recipe, locked.
///
/// # Errors
/// When it cannot be written, or another process is at work in it.
#[must_use = "the folder is locked as long as this lives"]
pub fn open_run(plan: &Plan, run: &Path, events: &mut Events<'_>) -> Result<OpenRun> {
    let open = open_folder(run, events)?;
    write_atomically(&run.join("recipe.toml"), resolved(plan)?.as_bytes())?;
    Ok(open)
}

/// The run folder, locked.
///
/// # Errors
/// As [`open_run`].
#[must_use = "the folder is locked as long as this lives"]
pub fn open_folder(run: &Path, events: &mut Events<'_>) -> Result<OpenRun> {
    std::fs::create_dir_all(run).map_err(|error| {
        Error::run(format!("{}: cannot make the folder: {error}; choose another with --out", run.display()))
    })?;
    Ok(OpenRun { _lock: lock(run, events)? })
}

/// An advisory lock on a file that stays: to remove it would free the name while another process waits at it.
fn lock(run: &Path, events: &mut Events<'_>) -> Result<Option<File>> {
    let path = run.join(".lock");
    let file = File::options().create(true).append(true).open(&path).map_err(|error| {
        Error::run(format!("{}: cannot write: {error}; choose another run folder with --out", path.display()))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::run(format!(
            "{}: another flowstill is at work in this run folder; wait for its end, or choose another with --out",
            run.display()
        ))),
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => {
            let told = format!("{}: cannot be locked ({error}); run no other flowstill in it", run.display());
            events(Event::Note(&told));
            Ok(None)
        }
    }
}
