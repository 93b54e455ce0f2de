//! Write to standard output and standard error: nothing that steers a terminal, and never a panic on a closed pipe.
//!
//! Everything that is printed passes here, and names, paths and messages may come from anywhere: what misleads is escaped.

use crate::failure::{Failure, Outcome};
use flowstill_experiment::words::{printable, printable_json, printable_lines};
use std::io::{ErrorKind, Write, stderr, stdout};

/// Write lines to standard output; a reader that has gone ends the command quietly. A part of a line that comes from outside and may hold
/// line ends must have passed [`printable`] before.
pub fn print(text: &str) -> Outcome<()> {
    print_own(&printable_lines(text))
}

/// Write named values to standard output, one a line, the names filled up to `width`.
pub fn print_values<V: AsRef<str>>(values: impl IntoIterator<Item = (&'static str, V)>, width: usize) -> Outcome<()> {
    let line = |(name, value): (&str, V)| format!("{name:width$} {}\n", printable(value.as_ref()));
    print(&values.into_iter().map(line).collect::<String>())
}

/// Write text that holds nothing from outside, as it stands.
pub fn print_own(text: &str) -> Outcome<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Silent,
        _ => Failure::run(format!("standard output: cannot write: {error}")),
    })
}

/// Write one JSON object, and nothing else, to standard output.
pub fn print_json(value: &impl serde::Serialize) -> Outcome<()> {
    print_own(&(printable_json(&json(value)?) + "\n"))
}

/// Indented JSON.
pub fn json(value: &impl serde::Serialize) -> Outcome<String> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::run(format!("cannot write JSON: {error}")))
}

/// Write one line to standard error, whatever it holds; nobody can be told when that fails.
pub fn error_line(line: &str) {
    let _ = writeln!(stderr().lock(), "{}", printable(line));
}

/// Say something beside the result.
pub fn note(line: &str) {
    error_line(&format!("note: {line}"));
}
