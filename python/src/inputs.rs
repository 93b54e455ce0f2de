//! Bring a call's rows and conditioning values together, and run it without the GIL.

use crate::arrays::{Number, Wanted, array, dimensions, frame_names, is_frame};
use crate::errors::{input, raised};
use crate::flow::Flow;
use crate::forked::parallel;
use flowstill_runtime::{CHUNK, Result};
use numpy::PyReadonlyArrayDyn;
use pyo3::prelude::*;
use std::ops::Range;

/// Rows that are handled before Ctrl-C is asked for again.
pub const PART: usize = 32 * CHUNK;

/// Rows with their conditioning values.
pub struct Inputs<'py, V: Number> {
    rows: PyReadonlyArrayDyn<'py, V>,
    context: Option<PyReadonlyArrayDyn<'py, V>>,
}

impl<V: Number> Inputs<'_, V> {
    pub(crate) fn rows(&self) -> PyResult<&[V]> {
        self.rows.as_slice().map_err(|error| input(error.to_string()))
    }

    pub(crate) fn context(&self) -> PyResult<&[V]> {
        match &self.context {
            Some(context) => context.as_slice().map_err(|error| input(error.to_string())),
            None => Ok(&[]),
        }
    }
}

/// Do work without the GIL, and give Ctrl-C its turn afterwards.
pub fn free<R: Send>(py: Python<'_>, work: impl FnOnce() -> Result<R> + Send) -> PyResult<R> {
    let done = py.detach(|| parallel(work))?.map_err(raised)?;
    py.check_signals()?;
    Ok(done)
}

pub fn in_parts(
    py: Python<'_>,
    count: usize,
    each: usize,
    mut work: impl FnMut(Range<usize>) -> Result<()> + Send,
) -> PyResult<()> {
    let mut start = 0;
    while start < count {
        let end = count.min(start + each.max(1));
        free(py, || work(start..end))?;
        start = end;
    }
    Ok(())
}

impl Flow {
    /// The shape of a row: its columns, or height, width and channels.
    pub(crate) fn row(&self) -> Vec<usize> {
        match self.model.event() {
            [1, 1, columns] => vec![columns],
            event => event.to_vec(),
        }
    }

    pub(crate) fn of_shape(&self, before: &[usize]) -> Vec<usize> {
        before.iter().copied().chain(self.row()).collect()
    }

    pub(crate) fn of_context<'py, V: Number>(
        &self,
        context: Option<&Bound<'py, PyAny>>,
        rows: usize,
    ) -> PyResult<Option<PyReadonlyArrayDyn<'py, V>>> {
        let (width, names) = (self.model.context_columns(), &self.model.facts().context_columns);
        let row = [width];
        let wanted = Wanted { name: "context", row: &row, names };
        match context {
            None if width == 0 => Ok(None),
            None => Err(input(format!(
                "context: this flow is conditioned on {width} columns, got none; give an array of shape (n, {width}), or ({width},) for all rows"
            ))),
            Some(_) if width == 0 => Err(input("context: this flow has no conditioning columns; leave it out")),
            Some(given) => {
                if is_frame(given)? || dimensions(given)? != 1 {
                    return wanted.read(given).map(Some);
                }
                // The same for all rows.
                let numpy = given.py().import("numpy")?;
                let alone = wanted.read::<V>(&numpy.call_method1("atleast_2d", (given,))?)?;
                wanted.read(&numpy.call_method1("broadcast_to", (alone.as_any(), (rows, width)))?).map(Some)
            }
        }
    }

    pub(crate) fn inputs<'py, V: Number>(
        &self,
        name: &str,
        rows: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Inputs<'py, V>> {
        let facts = self.model.facts();
        // A frame may hold both.
        let both = context.is_none() && self.model.context_columns() > 0 && is_frame(rows)? && {
            let have = frame_names(rows)?;
            !facts.context_columns.is_empty() && facts.context_columns.iter().all(|name| have.contains(name))
        };
        let context = if both { Some(rows) } else { context };
        let shape = self.row();
        let rows = Wanted { name, row: &shape, names: &facts.columns }.read::<V>(rows)?;
        let context = self.of_context(context, rows.as_slice().map_or(0, <[V]>::len) / self.model.columns())?;
        Ok(Inputs { rows, context })
    }

    pub(crate) fn scored<'py, V: Number>(
        &self,
        py: Python<'py>,
        inputs: &Inputs<'py, V>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (rows, context) = (inputs.rows()?, inputs.context()?);
        let (d, width) = (self.model.columns(), self.model.context_columns());
        let mut out = vec![V::default(); rows.len() / d];
        self.agree(out.len(), context.len())?;
        let count = out.len();
        in_parts(py, count, PART, |at| {
            let own = (&rows[at.start * d..at.end * d], &context[at.start * width..at.end * width]);
            self.model.log_prob_from(at.start, own.0, own.1, &mut out[at])
        })?;
        array(py, out, &[count])
    }

    /// Refuse a context for another number of rows.
    pub(crate) fn agree(&self, rows: usize, context: usize) -> PyResult<()> {
        let width = self.model.context_columns();
        match rows * width == context {
            true => Ok(()),
            false => Err(input(format!(
                "context: expected {rows} rows, as many as there are, got {}; give one for each, or one of shape ({width},) for all",
                context / width
            ))),
        }
    }
}
