//! Keep work going in a process that was forked: the threads of its parent are not there.

use pyo3::PyResult;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::process;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::errors::RunError;

/// The process that loaded the package, whose pool is rayon's own.
static LOADED_IN: OnceLock<u32> = OnceLock::new();

/// The pool of the latest fork. It is never dropped: to end it would wait for threads that a further fork does not have.
static POOL: Mutex<Option<(u32, &'static ThreadPool)>> = Mutex::new(None);

/// Remember the process that owns rayon's own pool.
pub fn loaded() {
    LOADED_IN.get_or_init(process::id);
}

/// Run what uses many threads; in a forked process on a pool that was made there.
///
/// # Errors
/// When no threads can be made.
pub fn parallel<R: Send>(work: impl FnOnce() -> R + Send) -> PyResult<R> {
    let here = process::id();
    if LOADED_IN.get().is_none_or(|loaded| *loaded == here) {
        return Ok(work());
    }
    Ok(pool(here)?.install(work))
}

fn pool(here: u32) -> PyResult<&'static ThreadPool> {
    let mut known = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    match *known {
        Some((owner, pool)) if owner == here => Ok(pool),
        _ => {
            let pool =
                ThreadPoolBuilder::new().build().map_err(|error| RunError::new_err(format!("threads: {error}")))?;
            let pool: &'static ThreadPool = Box::leak(Box::new(pool));
            *known = Some((here, pool));
            Ok(pool)
        }
    }
}
