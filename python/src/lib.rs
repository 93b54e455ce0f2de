//! Give Python the flows of flowstill: numpy arrays in and out, trainings and searches, and the command line.
//!
//! Nothing is computed here. `flow.rs` puts arrays through a compiled flow, `experiments.rs` runs recipes, `command.rs` runs the command line; the rest brings values
//! from one language to the other.
#![deny(missing_docs)]

mod arrays;
mod command;
mod draw;
mod errors;
mod events;
mod experiments;
mod flow;
mod forked;
mod inputs;
mod made;
mod searches;
mod settings;

use pyo3::prelude::*;

/// The compiled part of the package `flowstill`.
#[pymodule]
mod _flowstill {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::command::run_command_line;
    #[pymodule_export]
    use super::errors::{InputError, RunError};
    #[pymodule_export]
    use super::experiments::fit;
    #[pymodule_export]
    use super::flow::Flow;
    #[pymodule_export]
    use super::searches::{Comparison, Frontier, compare, divergence, evaluate, frontier};

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::forked::loaded();
        Ok(())
    }
}
