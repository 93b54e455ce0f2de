//! Compare models, search for the student to take, and measure flows, as recipes and the command line do.

use crate::arrays::Number;
use crate::errors::{input, raised};
use crate::events::Listener;
use crate::experiments::lesson;
use crate::flow::Flow;
use crate::forked::parallel;
use crate::made::Folder;
use crate::settings::{Asked, to_python};
use flowstill::model::Model;
use flowstill_experiment::{Budget, EvaluateConfig, Experiment, FrontierConfig};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::{Path, PathBuf};

/// How students of a search are trained where nothing is said, as `flowstill frontier` trains them.
const FRONTIER: &str = r#"
train = { steps = 10000, batch = 512, optimiser = { rate = 2e-3 }, schedule = { warmup = 200 } }
compare = { seeds = [1, 2, 3] }
data = { set = "household" }
"#;

/// What a comparison of models over seeds found out.
#[pyclass(frozen, module = "flowstill")]
pub struct Comparison {
    report: serde_json::Value,
    text: String,
}

#[pymethods]
impl Comparison {
    /// Everything that was measured: `rows`, and `summary` over the seeds.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.report)
    }

    fn __str__(&self) -> &str {
        &self.text
    }
}

/// What a search found.
#[pyclass(frozen, module = "flowstill")]
pub struct Frontier {
    report: serde_json::Value,
    text: String,
    chosen: Option<Py<Flow>>,
}

#[pymethods]
impl Frontier {
    /// Everything that was measured: `models`, and `candidates` that were tried.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.report)
    }

    /// The student to take: within the budget, with the best validation likelihood; None where none of the last keeps to it.
    #[getter]
    fn chosen(&self, py: Python<'_>) -> Option<Py<Flow>> {
        self.chosen.as_ref().map(|flow| flow.clone_ref(py))
    }

    fn __str__(&self) -> &str {
        &self.text
    }
}

/// Train and compare the models of a recipe, a file or a dict, over its seeds; settings are sections of it. The run folder is `out`, else runs/NAME.
#[pyfunction]
#[pyo3(signature = (recipe, *, out=None, only=None, progress=None, **settings))]
pub fn compare(
    py: Python<'_>,
    recipe: &Bound<'_, PyAny>,
    out: Option<PathBuf>,
    only: Option<Vec<String>>,
    progress: Option<Py<PyAny>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Comparison> {
    let mut plan = Asked::new("compare", Some(recipe), "", settings)?.plan()?;
    if let Some(only) = only {
        let picked = only.iter().map(|name| plan.variant(name).cloned()).collect::<Result<_, _>>();
        plan.variants = picked.map_err(raised)?;
    }
    let run = out.unwrap_or_else(|| PathBuf::from("runs").join(&plan.name));
    let mut listener = Listener::new(progress);
    let done = py.detach(|| {
        parallel(|| -> flowstill_experiment::Result<_> {
            let found = Experiment::new(plan, run).compare(&mut |event| listener.event(event))?;
            Ok((serde_json::json!(found), found.text()))
        })
    })?;
    let (report, text) = listener.finish(done)?;
    Ok(Comparison { report, text })
}

/// Find the student of a flow to take under a budget: families and sizes are tried on the rows that it was trained on, `x`, or on its own samples.
///
/// The budget: rows drawn and rows scored in a second, at least; microseconds for a single row, 10^6 bytes of its file and trained values, at most.
#[pyfunction]
#[pyo3(signature = (teacher, x=None, context=None, *, samples_per_second=None, log_prob_rows_per_second=None, latency_us=None, megabytes=None, parameters=None,
    steps=None, rungs=3, finalists=3, lesson_weight=0.3, samples=200_000, out=None, progress=None, **settings))]
#[allow(clippy::too_many_arguments)]
pub fn frontier(
    py: Python<'_>,
    teacher: &Flow,
    x: Option<&Bound<'_, PyAny>>,
    context: Option<&Bound<'_, PyAny>>,
    samples_per_second: Option<f64>,
    log_prob_rows_per_second: Option<f64>,
    latency_us: Option<f64>,
    megabytes: Option<f64>,
    parameters: Option<usize>,
    steps: Option<u64>,
    rungs: usize,
    finalists: usize,
    lesson_weight: f64,
    samples: usize,
    out: Option<PathBuf>,
    progress: Option<Py<PyAny>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Frontier> {
    let mut asked = Asked::new("frontier", None, FRONTIER, settings)?;
    let folder = Folder::new(out)?;
    if let Some(x) = x {
        lesson(teacher, x, context)?.leave(folder.path(), &mut asked)?;
    }
    let file = folder.path().join("teacher.safetensors");
    flowstill::file::write_atomically(&file, &teacher.bytes).map_err(raised)?;
    asked.set(&["teacher", "file"], file.to_string_lossy().into_owned());
    let budget = Budget { samples_per_second, log_prob_rows_per_second, latency_us, megabytes, parameters };
    let config = FrontierConfig { budget, steps, rungs, finalists, lesson: lesson_weight, samples };
    let search = flowstill_experiment::Frontier::new(asked.plan()?, config, folder.path());
    let search = if x.is_some() { search } else { search.without_data() };
    let mut listener = Listener::new(progress);
    let done = py.detach(|| {
        parallel(|| -> flowstill_experiment::Result<_> {
            let found = search.search(&mut |event| listener.event(event))?;
            Ok((serde_json::json!(found), found.text(), found.chosen))
        })
    })?;
    let (report, text, chosen) = listener.finish(done)?;
    let chosen = chosen.map(|file| Py::new(py, Flow::read(Path::new(&file), None)?)).transpose()?;
    Ok(Frontier { report, text, chosen })
}

/// The flow as experiments take it.
fn whole(flow: &Flow) -> PyResult<Model> {
    let folder = Folder::new(None)?;
    let file = folder.path().join("flow.safetensors");
    flowstill::file::write_atomically(&file, &flow.bytes).map_err(raised)?;
    parallel(|| flowstill::file::load(&file, &flowstill::device::cpu()))?.map_err(raised)
}

/// Measure a flow on rows that it has not seen: mean negative log-likelihood in nats, C2ST and MMD of `samples` draws, speed, round trip.
#[pyfunction]
#[pyo3(signature = (flow, x, context=None, *, samples=10_000))]
pub fn evaluate<'py>(
    py: Python<'py>,
    flow: &Flow,
    x: &Bound<'py, PyAny>,
    context: Option<&Bound<'py, PyAny>>,
    samples: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let rows = lesson(flow, x, context)?;
    if rows.values.len() < 2 * flow.model.columns() {
        return Err(input("x: expected at least 2 rows to evaluate on; give more"));
    }
    let model = whole(flow)?;
    let config = EvaluateConfig { samples, ..EvaluateConfig::default() };
    let done = py.detach(|| {
        parallel(|| -> flowstill_experiment::Result<_> {
            let scales = &model.standardization;
            let (values, context) = (scales.rows(&rows.values)?, scales.context(&rows.context)?);
            let rows = flowstill::train::Rows::with_context(values, model.columns(), context, model.context_columns())?;
            flowstill_experiment::evaluate_rows(&model, &rows, &config)
        })
    })?;
    to_python(py, &serde_json::json!(done.map_err(raised)?))
}

/// Measure how far a student is from its teacher by `n` draws of each: KL in both directions in nats, effective sample size, C2ST, MMD. With a context of shape
/// (n, context columns) one draw is made for each of its rows.
#[pyfunction]
#[pyo3(signature = (teacher, student, n=10_000, context=None, *, seed=20))]
pub fn divergence<'py>(
    py: Python<'py>,
    teacher: &Flow,
    student: &Flow,
    n: usize,
    context: Option<&Bound<'py, PyAny>>,
    seed: u64,
) -> PyResult<Bound<'py, PyAny>> {
    let context = conditions::<f64>(teacher, context, n)?;
    let count = context.len().checked_div(teacher.model.context_columns()).unwrap_or(n);
    let (teacher, student) = (whole(teacher)?, whole(student)?);
    let found =
        py.detach(|| parallel(|| flowstill_experiment::divergence(&teacher, &student, count, seed, &context)))?;
    to_python(py, &serde_json::json!(found.map_err(raised)?))
}

fn conditions<V: Number>(flow: &Flow, context: Option<&Bound<'_, PyAny>>, rows: usize) -> PyResult<Vec<V>> {
    match flow.of_context::<V>(context, rows)? {
        Some(given) => Ok(given.as_slice().map_err(|error| input(error.to_string()))?.to_vec()),
        None => Ok(Vec::new()),
    }
}
