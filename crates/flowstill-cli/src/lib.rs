//! Offer the command line `flowstill` to whoever runs it: its own binary, or another language's launcher.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod args;
mod commands;
mod dataspec;
mod failure;
mod interrupt;
mod out;
mod progress;
mod version;

use std::ffi::OsString;

/// Run a command line, whose first word is the program's own name, and give its exit code: 0 done, 1 the run failed or was stopped, 2 the command or a file given
/// to it is at fault. Results go to standard output, notes and the one line of a failure to standard error.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    match commands::run(words) {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}
