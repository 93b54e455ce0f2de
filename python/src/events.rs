//! Tell Python how a run goes, and let Ctrl-C stop it.

use crate::errors::raised;
use flowstill::train::{self, Control};
use flowstill_experiment::{Event, Result};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use std::time::{Duration, Instant};

/// Python is asked for signals, and told of steps, at most this often.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes the events of one run.
pub struct Listener {
    progress: Option<Py<PyAny>>,
    failure: Option<PyErr>,
    asked: Option<Instant>,
}

impl Listener {
    /// For a callable that takes a dict, or nobody.
    pub fn new(progress: Option<Py<PyAny>>) -> Self {
        Self { progress, failure: None, asked: None }
    }

    /// Take an event, and answer whether the run shall go on: not after Ctrl-C, an exception of the callable, or its answer `False`.
    pub fn event(&mut self, event: Event<'_>) -> Control {
        // The last one is always told.
        let frequent =
            matches!(event, Event::Training { event: train::Event::Step { step, total, .. }, .. } if step < total);
        if frequent && self.asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
            return Control::Continue;
        }
        self.asked = Some(Instant::now());
        match Python::attach(|py| self.ask(py, event)) {
            Ok(true) => Control::Continue,
            Ok(false) => Control::Stop,
            Err(failure) => {
                self.failure = Some(failure);
                Control::Stop
            }
        }
    }

    fn ask(&self, py: Python<'_>, event: Event<'_>) -> PyResult<bool> {
        py.check_signals()?;
        let Some(progress) = &self.progress else { return Ok(true) };
        let Some(told) = told(py, event)? else { return Ok(true) };
        let answer = progress.call1(py, (told,))?;
        let answer = answer.bind(py);
        Ok(!answer.is_instance_of::<PyBool>() || answer.is_truthy()?)
    }

    /// What the run came to, or the exception that stopped it.
    ///
    /// # Errors
    /// That exception, or the run's own.
    pub fn finish<T>(self, result: Result<T>) -> PyResult<T> {
        match self.failure {
            Some(failure) => Err(failure),
            None => result.map_err(raised),
        }
    }
}

/// An event as a dict, whose `kind` says what it is.
fn told<'py>(py: Python<'py>, event: Event<'_>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let out = PyDict::new(py);
    let kind = match event {
        Event::Loaded(data) => {
            out.set_item("source", &data.source)?;
            "loaded"
        }
        Event::Begun { label, pictures } => {
            out.set_item("label", label)?;
            out.set_item("unit", if pictures { "bits/dim" } else { "nats" })?;
            "begun"
        }
        Event::Remark { label, note } => {
            out.set_item("label", label)?;
            out.set_item("text", note)?;
            "remark"
        }
        Event::Training { label, event } => {
            out.set_item("label", label)?;
            match event {
                train::Event::Started { step, total, parameters } => {
                    out.set_item("step", step)?;
                    out.set_item("total", total)?;
                    out.set_item("parameters", parameters)?;
                    "started"
                }
                train::Event::Step { step, total, loss } => {
                    out.set_item("step", step)?;
                    out.set_item("total", total)?;
                    out.set_item("loss", loss)?;
                    "step"
                }
                train::Event::Validated(validation) => {
                    out.set_item("step", validation.step)?;
                    out.set_item("value", validation.value)?;
                    out.set_item("best", validation.best)?;
                    "validated"
                }
                train::Event::Skipped { step, skipped } => {
                    out.set_item("step", step)?;
                    out.set_item("skipped", skipped)?;
                    "skipped"
                }
                _ => return Ok(None),
            }
        }
        Event::Ended => "ended",
        Event::Evaluating { label } => {
            out.set_item("label", label)?;
            "evaluating"
        }
        Event::Done { label, row, found } => {
            out.set_item("label", label)?;
            out.set_item("found", found)?;
            out.set_item("text", row.summary())?;
            "done"
        }
        Event::Note(text) => {
            out.set_item("text", text)?;
            "note"
        }
        _ => return Ok(None),
    };
    out.set_item("kind", kind)?;
    Ok(Some(out))
}
