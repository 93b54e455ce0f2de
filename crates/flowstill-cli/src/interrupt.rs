//! Turn Ctrl-C into a question that long work asks between two steps.

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
