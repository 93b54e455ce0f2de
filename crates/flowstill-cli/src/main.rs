//! Run the command `flowstill`.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod dataspec;
mod failure;
mod interrupt;
mod out;
mod progress;
mod version;

use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
