//! Repeat a call until its time is up.

use std::time::Instant;

/// How much was done in how long.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub count: f64,
    pub seconds: f64,
}

/// Call until `seconds` have passed, at least once; every call does `each` units. A failure ends it.
pub fn repeat(seconds: f64, each: usize, mut call: impl FnMut() -> Result<(), String>) -> Result<Timing, String> {
    let begun = Instant::now();
    let mut calls = 0;
    loop {
        call()?;
        calls += 1;
        let passed = begun.elapsed().as_secs_f64();
        if passed >= seconds {
            return Ok(Timing { count: (calls * each) as f64, seconds: passed });
        }
    }
}
