//! Write to standard output and standard error without ever panicking on a closed pipe.

use crate::failure::{Failure, Outcome};
use std::io::{ErrorKind, Write, stderr, stdout};

/// Write text to standard output; a reader that has gone ends the command quietly.
pub fn print(text: &str) -> Outcome<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Silent,
        _ => Failure::run(format!("standard output: cannot write: {error}")),
    })
}

/// Write one JSON object, and nothing else, to standard output.
pub fn print_json(value: &impl serde::Serialize) -> Outcome<()> {
    print(&(json(value)? + "\n"))
}

/// Indented JSON.
pub fn json(value: &impl serde::Serialize) -> Outcome<String> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::run(format!("cannot write JSON: {error}")))
}

/// Write a line to standard error; nobody can be told when that fails.
pub fn error_line(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}

/// Say something beside the result.
pub fn note(line: &str) {
    error_line(&format!("note: {line}"));
}
