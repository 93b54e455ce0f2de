//! Run the command `flowstill`.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod compare;
mod convert;
mod describe;
mod device;
mod failure;
mod features;
mod interrupt;
mod judge;
mod judge_pictures;
mod leak;
mod learn;
mod out;
mod overrides;
mod picture_data;
mod pictures;
mod plan;
mod progress;
mod recipe;
mod report;
mod resolved;
mod sheets;
mod source;
mod suggest;
mod table;
mod tables;

use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
