//! Tell why a command failed on one line, and give the exit code.

use flowstill_experiment::Error;
use flowstill_experiment::words::shortened;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// What was given is at fault (exit code 2), or the run failed (exit code 1).
    Told(Error),
    /// Whoever read standard output has gone; there is nobody to tell.
    Silent,
}

/// The result of every command.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A fault in what the user gave.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Told(Error::input(message))
    }

    /// A fault of the run.
    pub fn run(message: impl Into<String>) -> Self {
        Self::Told(Error::run(message))
    }

    /// Tell the user, on one line, and give the exit code.
    pub fn report(&self) -> u8 {
        let Self::Told(error) = self else { return 0 };
        crate::out::error_line(&format!("error: {}", shortened(&error.to_string())));
        if error.is_input() { 2 } else { 1 }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Told(error.into())
    }
}
