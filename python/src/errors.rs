//! Tell Python's callers which kind of fault it was, with the library's own one line.

use flowstill_experiment::Error;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::{PyErr, create_exception};

create_exception!(
    flowstill,
    InputError,
    PyValueError,
    "What was given is at fault: a value, a shape, a setting or a file."
);
create_exception!(
    flowstill,
    RunError,
    PyRuntimeError,
    "The run failed or was stopped; what it finished is kept where `out` was given."
);

/// A fault in what was given.
pub fn input(message: impl Into<String>) -> PyErr {
    InputError::new_err(message.into())
}

/// The exception of an error.
pub fn raised(error: impl Into<Error>) -> PyErr {
    let error = error.into();
    match error.is_input() {
        true => InputError::new_err(error.to_string()),
        false => RunError::new_err(error.to_string()),
    }
}
