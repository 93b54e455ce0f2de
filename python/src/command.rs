//! Run the command line `flowstill` from Python.

use pyo3::prelude::*;
use std::ffi::OsString;

/// Run a command line, whose first word is the program's name, and give its exit code: 0 done, 1 the run failed or was stopped, 2 what was typed is at fault.
#[pyfunction]
pub fn run_command_line(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| flowstill_cli::run(words))
}
