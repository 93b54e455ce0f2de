//! Score, draw, encode and decode with one flow: arrays in, arrays out.

use crate::arrays::{Wanted, array, is_f32};
use crate::draw::is_single;
use crate::errors::{input, raised};
use crate::experiments;
use crate::forked::parallel;
use crate::inputs::free;
use crate::settings::to_python;
use flowstill_runtime::stored::StoredTensors;
use flowstill_runtime::{Document, FORMAT_VERSION, KIND, Model};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::{Path, PathBuf};

/// A flow and its preprocessing: densities and draws in the data's own units.
///
/// Rows are arrays of shape (n, columns), float32 or float64; the flow itself runs in float32. An array in C order is read where it lies, a frame of pandas or
/// polars and a table of Arrow by the names of their columns. Densities are in nats. The GIL is released, and many threads may share one flow. A flow can be
/// pickled.
#[pyclass(frozen, module = "flowstill")]
pub struct Flow {
    pub(crate) bytes: Vec<u8>,
    pub(crate) model: Model,
    document: Document,
    report: Option<serde_json::Value>,
}

/// Run code for the numbers of an array: float32 as they are, all others as float64.
macro_rules! by_kind {
    ($value:expr, $V:ident => $run:expr) => {
        if is_f32($value.py(), $value)? {
            type $V = f32;
            $run
        } else {
            type $V = f64;
            $run
        }
    };
}

impl Flow {
    /// A flow out of the bytes of its file; `path` is what errors call it.
    pub(crate) fn parse(bytes: Vec<u8>, path: &Path, report: Option<serde_json::Value>) -> PyResult<Self> {
        let (_, document): (_, Document) = StoredTensors::parse(&bytes, path, KIND, FORMAT_VERSION).map_err(raised)?;
        let model = parallel(|| Model::from_bytes(&bytes))?.map_err(raised)?;
        Ok(Self { bytes, model, document, report })
    }

    pub(crate) fn read(path: &Path, report: Option<serde_json::Value>) -> PyResult<Self> {
        let bytes = std::fs::read(path).map_err(|error| raised(flowstill::Error::io(path, "cannot read", error)))?;
        Self::parse(bytes, path, report)
    }

    fn names(&self) -> Vec<String> {
        let names = &self.model.facts().columns;
        let count = self.model.columns();
        if names.len() == count { names.clone() } else { (1..=count).map(|at| format!("c{at}")).collect() }
    }
}

#[pymethods]
impl Flow {
    /// Read a flow file, with every check.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Self::read(&path, None)
    }

    /// Read the bytes of a flow file.
    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        Self::parse(bytes.to_vec(), Path::new("flow"), None)
    }

    /// The bytes of its file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.bytes)
    }

    /// Write its file, whole or not at all.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        flowstill::file::write_atomically(&path, &self.bytes).map_err(raised)
    }

    /// Log-density of each row, nats, in the data's own units: shape (n,), numbers of the kind of `x`.
    ///
    /// `x` has shape (n, columns). `context` has shape (n, context columns), or (context columns,) for all rows.
    #[pyo3(signature = (x, context=None))]
    fn log_prob<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        by_kind!(x, V => self.scored(py, &self.inputs::<V>("x", x, context)?))
    }

    /// `log_prob` with its gradients: (log-densities (n,), with respect to `x` (n, columns), with respect to `context` (n, context columns) or None), nats per
    /// unit of the data.
    #[pyo3(signature = (x, context=None))]
    #[allow(clippy::type_complexity)]
    fn log_prob_with_gradients<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
        by_kind!(x, V => {
            let inputs = self.inputs::<V>("x", x, context)?;
            let (rows, context) = (inputs.rows()?, inputs.context()?);
            let count = rows.len() / self.model.columns();
            self.agree(count, context.len())?;
            let zeros = |count: usize| vec![V::default(); count];
            let (mut out, mut d_rows, mut d_context) = (zeros(count), zeros(rows.len()), zeros(context.len()));
            free(py, || self.model.log_prob_with_gradients(rows, context, &mut out, &mut d_rows, &mut d_context))?;
            let width = self.model.context_columns();
            let d_context = if width > 0 { Some(array(py, d_context, &[count, width])?) } else { None };
            Ok((array(py, out, &[count])?, array(py, d_rows, &self.of_shape(&[count]))?, d_context))
        })
    }

    /// Rows to latents, both of shape (n, columns): what meets the base density.
    #[pyo3(signature = (x, context=None))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        by_kind!(x, V => {
            let inputs = self.inputs::<V>("x", x, context)?;
            let (rows, context) = (inputs.rows()?, inputs.context()?);
            let count = rows.len() / self.model.columns();
            self.agree(count, context.len())?;
            let mut out = vec![V::default(); rows.len()];
            free(py, || self.model.encode(rows, context, &mut out))?;
            array(py, out, &self.of_shape(&[count]))
        })
    }

    /// Latents, as `encode` gives them, to rows, both of shape (n, columns).
    #[pyo3(signature = (z, context=None))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        z: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        by_kind!(z, V => {
            let inputs = self.inputs::<V>("z", z, context)?;
            let (rows, context) = (inputs.rows()?, inputs.context()?);
            let count = rows.len() / self.model.columns();
            self.agree(count, context.len())?;
            let mut out = vec![V::default(); rows.len()];
            free(py, || self.model.decode(rows, context, &mut out))?;
            array(py, out, &self.of_shape(&[count]))
        })
    }

    /// From the gradients of a loss with respect to rows that `decode` gives, `d_x`, to those with respect to `z` and `context` (None without one).
    #[pyo3(signature = (z, d_x, context=None))]
    #[allow(clippy::type_complexity)]
    fn decode_pullback<'py>(
        &self,
        py: Python<'py>,
        z: &Bound<'py, PyAny>,
        d_x: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
        by_kind!(z, V => {
            let inputs = self.inputs::<V>("z", z, context)?;
            let shape = self.row();
            let given = Wanted { name: "d_x", row: &shape, names: &[] }.read::<V>(d_x)?;
            let given = given.as_slice().map_err(|error| input(error.to_string()))?;
            let (rows, context) = (inputs.rows()?, inputs.context()?);
            let count = rows.len() / self.model.columns();
            let (mut d_z, mut d_context) = (vec![V::default(); rows.len()], vec![V::default(); context.len()]);
            free(py, || self.model.decode_pullback(rows, context, given, &mut d_z, &mut d_context))?;
            let width = self.model.context_columns();
            let d_context = if width > 0 { Some(array(py, d_context, &[count, width])?) } else { None };
            Ok((array(py, d_z, &self.of_shape(&[count]))?, d_context))
        })
    }

    /// Draw rows, shape (n, columns); with a context of shape (m, context columns) n for each of its rows, shape (m, n, columns), with one of shape
    /// (context columns,) again (n, columns). The same seed draws the same rows, those of the command line. `temperature` multiplies the standard deviation of the base.
    #[pyo3(signature = (n, context=None, *, seed=1, temperature=1.0, dtype=None))]
    fn sample<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        context: Option<&Bound<'py, PyAny>>,
        seed: u64,
        temperature: f64,
        dtype: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let single = dtype.map(|dtype| is_single(py, dtype)).transpose()?.unwrap_or(false);
        let (rows, _) = match single {
            true => self.drawn::<f32>(py, n, context, seed, temperature, false)?,
            false => self.drawn::<f64>(py, n, context, seed, temperature, false)?,
        };
        Ok(rows)
    }

    /// Draw rows as `sample` does, with their log-densities, nats, shape (n,) or (m, n): those of the flow itself whatever the temperature.
    #[pyo3(signature = (n, context=None, *, seed=1, temperature=1.0, dtype=None))]
    fn sample_and_log_prob<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        context: Option<&Bound<'py, PyAny>>,
        seed: u64,
        temperature: f64,
        dtype: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let single = dtype.map(|dtype| is_single(py, dtype)).transpose()?.unwrap_or(false);
        let (rows, densities) = match single {
            true => self.drawn::<f32>(py, n, context, seed, temperature, true)?,
            false => self.drawn::<f64>(py, n, context, seed, temperature, true)?,
        };
        let densities = densities.map_or_else(|| array::<f64>(py, Vec::new(), &[0]), Ok)?;
        Ok((rows, densities))
    }

    /// Train a student of this flow with its help. Give the rows that this flow was trained on (`x`, and `context` for a flow that has one); without `x` it draws
    /// `samples` rows itself. Settings are sections of a recipe: `flow`, `train`, `distill`, `data`, `judge`; `recipe` is a file or a dict of them.
    /// What is made goes to the folder `out` and is gone on with from there; without it to a folder that is removed.
    #[pyo3(signature = (x=None, context=None, *, recipe=None, out=None, seed=None, samples=100_000, progress=None, **settings))]
    #[allow(clippy::too_many_arguments)]
    fn distill(
        &self,
        py: Python<'_>,
        x: Option<&Bound<'_, PyAny>>,
        context: Option<&Bound<'_, PyAny>>,
        recipe: Option<&Bound<'_, PyAny>>,
        out: Option<PathBuf>,
        seed: Option<u64>,
        samples: usize,
        progress: Option<Py<PyAny>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        experiments::distill(py, self, (x, context, samples), recipe, (out, seed, progress), settings)
    }

    /// The weights by name, as copies.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let path = Path::new("flow");
        let (mut tensors, _): (_, Document) =
            StoredTensors::parse(&self.bytes, path, KIND, FORMAT_VERSION).map_err(raised)?;
        let out = PyDict::new(py);
        for spec in self.document.architecture.tensors().map_err(raised)? {
            let values = tensors.take(path, &spec.name, &spec.shape).map_err(raised)?;
            out.set_item(&spec.name, array(py, values, &spec.shape)?)?;
        }
        Ok(out)
    }

    /// The shape of a row: (columns,), or (height, width, channels) of a picture.
    #[getter]
    fn shape(&self) -> Vec<usize> {
        self.row()
    }

    /// The names of the columns; c1, c2, ... where nobody named them.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.names()
    }

    /// The names of the conditioning columns.
    #[getter]
    fn context_columns(&self) -> Vec<String> {
        let (names, width) = (&self.model.facts().context_columns, self.model.context_columns());
        if names.len() == width { names.clone() } else { (1..=width).map(|at| format!("context{at}")).collect() }
    }

    /// How the flow came to be: role, data, seed, steps, the rows that it must not be judged on.
    #[getter]
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &serde_json::json!(self.document.facts))
    }

    /// What rebuilds the flow, weights aside: its layers and their settings.
    #[getter]
    fn architecture<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &serde_json::json!(self.document.architecture))
    }

    /// What its training found out, for a flow that was trained just now; else None.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.report.as_ref().map(|report| to_python(py, report)).transpose()
    }

    fn __repr__(&self) -> PyResult<String> {
        let facts = self.model.facts();
        let words = if facts.flow.is_empty() { "a flow" } else { &facts.flow };
        let columns = match self.model.event() {
            [1, 1, columns] => {
                let listed = flowstill_experiment::words::first_names(&self.names(), 6);
                format!("{columns} columns ({listed})")
            }
            [height, width, channels] => format!("pictures of {height}x{width}x{channels}"),
        };
        let context = match self.model.context_columns() {
            0 => String::new(),
            width => format!(", {width} conditioning"),
        };
        let count = self.document.architecture.value_count().map_err(raised)?;
        Ok(format!("<flowstill.Flow: {words}; {columns}{context}; {count} values>"))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py),)))
    }
}
