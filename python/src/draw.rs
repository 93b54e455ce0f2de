//! Draw rows, one after another or for each of several conditions.

use crate::arrays::{Number, array, dimensions, is_frame};
use crate::errors::input;
use crate::flow::Flow;
use crate::inputs::{PART, free, in_parts};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;

/// Whether numbers of the kind `dtype` are single ones.
pub fn is_single(py: Python<'_>, dtype: &Bound<'_, PyAny>) -> PyResult<bool> {
    let name: String = py.import("numpy")?.call_method1("dtype", (dtype,))?.getattr("name")?.extract()?;
    match name.as_str() {
        "float32" => Ok(true),
        "float64" => Ok(false),
        other => Err(input(format!("dtype: expected float32 or float64, got {other}"))),
    }
}

/// So many zeros, or Python's own exception where there is no room for them.
fn zeros<V: Number>(count: usize) -> PyResult<Vec<V>> {
    let mut out = Vec::new();
    let no_room = |_| PyMemoryError::new_err(format!("n: no room for {count} values; draw fewer rows at once"));
    out.try_reserve_exact(count).map_err(no_room)?;
    out.resize(count, V::default());
    Ok(out)
}

impl Flow {
    /// Draw `n` rows for each condition, and their densities where they are wanted.
    pub(crate) fn drawn<'py, V: Number>(
        &self,
        py: Python<'py>,
        n: usize,
        context: Option<&Bound<'py, PyAny>>,
        seed: u64,
        temperature: f64,
        densities: bool,
    ) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
        let given = self.of_context::<V>(context, 1)?;
        let (d, width) = (self.model.columns(), self.model.context_columns());
        let given =
            given.as_ref().map(|given| given.as_slice().map_err(|error| input(error.to_string()))).transpose()?;
        // One condition given by itself has no axis of its own.
        let alone = match context {
            Some(context) => !is_frame(context)? && dimensions(context)? == 1,
            None => true,
        };
        let conditions = given.map_or(1, |given| given.len() / width);
        let before = if alone { vec![n] } else { vec![conditions, n] };
        let count = n.checked_mul(conditions);
        let fits = |count: &usize| count.checked_mul(d.max(width)).is_some_and(|values| values < 1 << 48);
        let count = count.filter(fits).ok_or_else(|| {
            input(format!("n: expected fewer than 2^48 values in all, got {n} rows of {d}; draw fewer"))
        })?;
        let mut rows = zeros::<V>(count * d)?;
        let mut repeated = zeros::<V>(count * width)?;
        if let Some(given) = given.filter(|_| n > 0) {
            let each = repeated.chunks_exact_mut(n * width).zip(given.chunks_exact(width));
            each.for_each(|(all, one)| all.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(one)));
        }
        if densities {
            let mut found = zeros::<V>(count)?;
            free(py, || self.model.sample_and_log_prob(seed, temperature, &repeated, &mut rows, &mut found))?;
            return Ok((array(py, rows, &self.of_shape(&before))?, Some(array(py, found, &before)?)));
        }
        let each = if self.model.scaling().is_some() { count } else { PART };
        // Also for no rows: the temperature may be wrong.
        free(py, || self.model.sample::<V>(seed, temperature, &[], &mut []))?;
        in_parts(py, count, each, |at| {
            let context = &repeated[at.start * width..at.end * width];
            self.model.sample_from(at.start as u64, seed, temperature, context, &mut rows[at.start * d..at.end * d])
        })?;
        Ok((array(py, rows, &self.of_shape(&before))?, None))
    }
}
