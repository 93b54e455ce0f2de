//! Turn Ctrl-C into a question that long work asks between two steps.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Listen for Ctrl-C and SIGTERM: the first asks for a stop with a checkpoint, the second ends at once.
pub fn listen() {
    // Without a handler the signal ends the program as ever, which the last checkpoint survives.
    let _ = ctrlc::set_handler(|| {
        if ASKED.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(130);
        }
        crate::out::note("stopping at the next step with a checkpoint; press Ctrl-C again to end at once");
    });
}

/// Whether a stop was asked for.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst) > 0
}

/// Clear the folder that `out` is written to of what killed commands left there, and see to it that this one leaves nothing when it is stopped.
pub fn leave_nothing_beside(out: &Path) {
    let beside = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Pictures go into a folder of their own.
    let folders = [beside.to_path_buf(), out.to_path_buf()];
    folders.iter().for_each(flowstill_data::remove_stale);
    // Without a handler the signal ends the program as ever, and the next one clears up.
    let _ = ctrlc::set_handler(move || {
        folders.iter().for_each(flowstill_data::remove_unfinished);
        std::process::exit(130);
    });
}
