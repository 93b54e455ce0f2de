//! Keep the other threads at hand while one tile is all there is to do.
//!
//! A single picture goes through dozens of products, each of them shared between the threads and over in microseconds. A thread that fell asleep in between
//! would take longer to wake than its share takes.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

/// Threads that are kept awake at most: a product has no more parts that are worth it.
const HELPERS: usize = 7;

thread_local! {
    /// Whether this thread leads helpers, or is one.
    static TAKEN: Cell<bool> = const { Cell::new(false) };
}

/// Call `run` while other threads of the pool wait, awake, for what it shares out.
pub(crate) fn with_helpers<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    let helpers = rayon::current_num_threads().saturating_sub(1).min(HELPERS);
    if helpers == 0 {
        return run();
    }
    let done = AtomicBool::new(false);
    // On a thread of the pool: from outside, every share would be a call of its own into it.
    rayon::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| help(&done));
        }
        // Also when `run` panics.
        let _over = Over(&done);
        let _taken = Taken::now();
        run()
    })
}

/// Take up what others share out until `done`.
fn help(done: &AtomicBool) {
    // A leader that waits for a part may be handed this call: from here it would never get back.
    if TAKEN.get() {
        return;
    }
    let _taken = Taken::now();
    while !done.load(Ordering::Acquire) {
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            std::hint::spin_loop();
        }
    }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

struct Taken {
    before: bool,
}

impl Taken {
    fn now() -> Self {
        Self { before: TAKEN.replace(true) }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        TAKEN.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::with_helpers;
    use rayon::prelude::*;
    use std::panic::AssertUnwindSafe;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("starts")
    }

    fn shared(rounds: usize) -> usize {
        with_helpers(|| (0..rounds).map(|i| [i, 2 * i].into_par_iter().sum::<usize>()).sum())
    }

    #[test]
    fn teams_of_any_size_finish_also_side_by_side() {
        let expect = 3 * (0..500).sum::<usize>();
        for threads in [1, 2, 5] {
            let pool = pool(threads);
            assert_eq!(pool.install(|| shared(500)), expect);
            std::thread::scope(|scope| {
                let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| pool.install(|| shared(500)))).collect();
                assert!(calls.into_iter().all(|call| call.join().expect("does not panic") == expect));
            });
        }
    }

    #[test]
    fn a_panic_lets_the_helpers_go() {
        let pool = pool(3);
        let result =
            std::panic::catch_unwind(AssertUnwindSafe(|| pool.install(|| with_helpers(|| panic!("on purpose")))));
        assert!(result.is_err());
        assert_eq!(pool.install(|| shared(10)), 135);
    }
}
