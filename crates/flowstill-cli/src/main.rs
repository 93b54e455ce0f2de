//! Run the command `flowstill`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(flowstill_cli::run(std::env::args_os()))
}
