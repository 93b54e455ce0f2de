//! Read what Python gives as rows: numpy arrays as they lie where their layout allows, frames by the names of their columns.

use crate::errors::input;
use flowstill_data::Table;
use numpy::{Element, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyList};

/// The numbers that rows come in.
pub trait Number: flowstill_runtime::Value + Element {
    /// What numpy calls them.
    const NAME: &'static str;
}

impl Number for f32 {
    const NAME: &'static str = "float32";
}

impl Number for f64 {
    const NAME: &'static str = "float64";
}

/// What rows have to look like.
pub struct Wanted<'a> {
    /// What errors call the argument.
    pub name: &'a str,
    /// The shape of one row.
    pub row: &'a [usize],
    /// The names of its values, as many as there are, or none.
    pub names: &'a [String],
}

/// Whether a value is float32; everything else is read as float64.
pub fn is_f32(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if is_frame(value)? {
        return Ok(false);
    }
    if value.cast::<PyArrayDyn<f32>>().is_ok() {
        return Ok(true);
    }
    if value.cast::<PyArrayDyn<f64>>().is_ok() || value.is_instance_of::<PyList>() {
        return Ok(false);
    }
    let array = py.import("numpy")?.call_method1("asarray", (value,))?;
    Ok(array.cast::<PyArrayDyn<f32>>().is_ok())
}

/// Whether a value has named columns: a frame of pandas or polars, a table or batch of Arrow.
pub fn is_frame(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(value.hasattr("column_names")? || (value.hasattr("columns")? && value.hasattr("shape")?))
}

/// The axes of an array, or of what numpy makes one of.
pub fn dimensions(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    value.py().import("numpy")?.call_method1("ndim", (value,))?.extract()
}

/// The names of a frame's columns, as text.
pub fn frame_names(value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let names = match value.getattr_opt("column_names")? {
        Some(names) => names,
        None => value.getattr("columns")?,
    };
    let mut all = Vec::new();
    for name in names.try_iter()? {
        all.push(name?.str()?.to_string());
    }
    Ok(all)
}

impl Wanted<'_> {
    fn shape(&self) -> String {
        self.row.iter().fold("(n".to_string(), |text, size| format!("{text}, {size}")) + ")"
    }

    fn listed(&self) -> String {
        match Table::are_names(self.names) && !self.names.is_empty() {
            true => format!(" ({})", flowstill_experiment::words::first_names(self.names, 8)),
            false => String::new(),
        }
    }

    /// Read rows. An array of the right numbers in C order is used where it lies; a list, another layout or another kind of numbers is copied once.
    ///
    /// # Errors
    /// `InputError` for what is no array of numbers, or of another shape.
    pub fn read<'py, V: Number>(&self, value: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, V>> {
        let py = value.py();
        let value = match is_frame(value)? {
            true => &self.of_frame(value)?,
            false => value,
        };
        let numpy = py.import("numpy")?;
        let not_numbers = |error: PyErr| {
            input(format!(
                "{}: expected an array of numbers, got one that numpy cannot read ({})",
                self.name,
                error.value(py)
            ))
        };
        let array = numpy.call_method1("require", (value, V::NAME, "CA")).map_err(not_numbers)?;
        let array = array.cast_into::<PyArrayDyn<V>>()?;
        if array.ndim() != self.row.len() + 1 || array.shape()[1..] != *self.row {
            let got = array.getattr("shape")?.str()?;
            return Err(input(format!(
                "{}: expected shape {}, one row of the flow's columns{} each, got {got}; give the rows as the first axis",
                self.name,
                self.shape(),
                self.listed()
            )));
        }
        Ok(array.readonly())
    }

    /// The flow's columns out of a frame: by name, or in order where the flow's have no names.
    fn of_frame<'py>(&self, frame: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let have = frame_names(frame)?;
        let count: usize = self.row.iter().product();
        let named = self.names.len() == count && Table::are_names(self.names);
        if let Some(lost) = self.names.iter().find(|name| named && !have.contains(name)) {
            return Err(input(format!(
                "{}: expected the flow's columns{} by name, got no `{lost}` but {}; rename the columns, or give an array to have them taken in order",
                self.name,
                self.listed(),
                flowstill_experiment::words::first_names(&have, 8)
            )));
        }
        columns_of(frame, if named { self.names } else { &have })
    }
}

/// Columns of a frame side by side, as float64.
pub fn columns_of<'py>(frame: &Bound<'py, PyAny>, names: &[String]) -> PyResult<Bound<'py, PyAny>> {
    let py = frame.py();
    let numpy = py.import("numpy")?;
    let all = PyList::empty(py);
    for name in names {
        all.append(numpy.call_method1("asarray", (frame.get_item(name)?, "float64")).map_err(|error| {
            input(format!("column `{name}`: expected numbers ({}); leave it out, or encode it", error.value(py)))
        })?)?;
    }
    let axis = [("axis", 1)].into_py_dict(py)?;
    numpy.call_method("stack", (all,), Some(&axis))
}

/// Values that Rust owns as an array of that shape, without a copy.
pub fn array<'py, V: Number>(py: Python<'py>, values: Vec<V>, shape: &[usize]) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyArray1::from_vec(py, values).reshape(shape.to_vec())?.into_any())
}
