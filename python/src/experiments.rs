//! Train a flow on arrays, or a student with a teacher's help.

use crate::errors::input;
use crate::events::Listener;
use crate::flow::Flow;
use crate::forked::parallel;
use crate::made::{Folder, Rows};
use crate::settings::Asked;
use flowstill_experiment::{Events, Experiment, Result, TrainedModel};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use toml::{Table, Value};

/// How a flow is trained where nothing is said.
const FIT: &str = r#"
teacher = { flow = { kind = "maf" } }
train = { steps = 10000, batch = 512, optimiser = { rate = 1e-3 }, schedule = { warmup = 200 } }
judge = { samples = 0, repetitions = 0 }
"#;

/// How a student is, and learns, where nothing is said: couplings, which draw fast, and the teacher's samples beside the data.
const DISTILL: &str = r#"
student = { flow = { kind = "nsf" } }
train = { steps = 10000, batch = 512, optimiser = { rate = 2e-3 }, schedule = { warmup = 200 } }
distill = { inherit = "none", ilkd = 0.0, skd = 0.0, teacher_samples = 0.3 }
judge = { samples = 0, repetitions = 0 }
"#;

/// Move the setting `flow`, a kind's name or a dict, to the model that it is of.
fn place_flow(asked: &mut Asked, model: &str) {
    let flow = match asked.settings.remove("flow") {
        None => return,
        Some(Value::String(kind)) => Value::Table(Table::from_iter([("kind".to_string(), Value::String(kind))])),
        Some(flow) => flow,
    };
    asked.set(&[model, "flow"], flow);
}

/// Put a seed into a recipe.
///
/// # Errors
/// `InputError` past 2^63, where the integers of recipes end.
pub fn place_seed(asked: &mut Asked, seed: Option<u64>) -> PyResult<()> {
    let Some(seed) = seed else { return Ok(()) };
    let seed = i64::try_from(seed).map_err(|_| input(format!("seed: expected a number below 2^63, got {seed}")))?;
    asked.set(&["train", "seed"], seed);
    Ok(())
}

/// Run an experiment without the GIL, and read the flow that it made.
fn run(
    py: Python<'_>,
    asked: Asked,
    folder: &Folder,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&Experiment, &mut Events<'_>) -> Result<TrainedModel> + Send,
) -> PyResult<Flow> {
    let experiment = Experiment::new(asked.plan()?, folder.path());
    let mut listener = Listener::new(progress);
    let done = py.detach(|| {
        parallel(|| -> Result<_> {
            let trained = work(&experiment, &mut |event| listener.event(event))?;
            let mut report = serde_json::json!(trained.report.row);
            report["notes"] = trained.report.notes.into();
            Ok((trained.file, report))
        })
    })?;
    let (file, report) = listener.finish(done)?;
    Flow::read(&file, Some(report))
}

/// Train a flow on rows of shape (n, columns), with conditioning values of shape (n, context columns), or the names of those columns of a frame.
///
/// Settings are sections of a recipe, as keywords or in a dict `recipe`, or a recipe's file: `flow` ("maf", "nsf", "glow", "realnvp", "iaf", or a dict with the kind's
/// settings), `train`, `data` (the split), `judge`. Progress is told to a callable that takes a dict; its answer `False` stops the run. What is made goes to
/// the folder `out` and is gone on with from there; without it to a folder that is removed.
#[pyfunction]
#[pyo3(signature = (x, context=None, *, recipe=None, out=None, seed=None, progress=None, **settings))]
#[allow(clippy::too_many_arguments)]
pub fn fit(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    context: Option<&Bound<'_, PyAny>>,
    recipe: Option<&Bound<'_, PyAny>>,
    out: Option<PathBuf>,
    seed: Option<u64>,
    progress: Option<Py<PyAny>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Flow> {
    let mut asked = Asked::new("fit", recipe, FIT, settings)?;
    place_flow(&mut asked, "teacher");
    place_seed(&mut asked, seed)?;
    let (rows, folder) = (Rows::new(x, context)?, Folder::new(out)?);
    rows.leave(folder.path(), &mut asked)?;
    run(py, asked, &folder, progress, |experiment, events| experiment.train_teacher(events))
}

/// The rows that a flow teaches by: those that are given, with the flow's names, or its own samples.
///
/// # Errors
/// `InputError` for rows that do not fit the flow.
pub fn lesson(flow: &Flow, x: &Bound<'_, PyAny>, context: Option<&Bound<'_, PyAny>>) -> PyResult<Rows> {
    let inputs = flow.inputs::<f64>("x", x, context)?;
    let (values, context) = (inputs.rows()?.to_vec(), inputs.context()?.to_vec());
    flow.agree(values.len() / flow.model.columns(), context.len())?;
    let facts = flow.model.facts();
    let (d, width) = (flow.model.columns(), flow.model.context_columns());
    let known = facts.columns.len() == d && facts.context_columns.len() == width;
    let numbered = |from: usize, count: usize| (from + 1..=from + count).map(|at| format!("c{at}")).collect();
    let (names, context_names) = match known {
        true => (facts.columns.clone(), facts.context_columns.clone()),
        false => (numbered(0, d), numbered(d, width)),
    };
    Ok(Rows { values, context, names, context_names })
}

/// Train a student of `teacher`.
///
/// # Errors
/// What data, settings and training report.
pub fn distill(
    py: Python<'_>,
    teacher: &Flow,
    (x, context, samples): (Option<&Bound<'_, PyAny>>, Option<&Bound<'_, PyAny>>, usize),
    recipe: Option<&Bound<'_, PyAny>>,
    (out, seed, progress): (Option<PathBuf>, Option<u64>, Option<Py<PyAny>>),
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Flow> {
    let mut asked = Asked::new("distill", recipe, DISTILL, settings)?;
    place_flow(&mut asked, "student");
    place_seed(&mut asked, seed)?;
    let rows = match x {
        Some(x) => lesson(teacher, x, context)?,
        None if teacher.model.context_columns() > 0 || context.is_some() => {
            return Err(input("x: expected the rows that go with the context, got none; give both"));
        }
        None => {
            let (drawn, _) = teacher.drawn::<f64>(py, samples, None, seed.unwrap_or(1), 1.0, false)?;
            lesson(teacher, &drawn, None)?
        }
    };
    let folder = Folder::new(out)?;
    rows.leave(folder.path(), &mut asked)?;
    let file = folder.path().join("teacher.safetensors");
    flowstill::file::write_atomically(&file, &teacher.bytes).map_err(crate::errors::raised)?;
    run(py, asked, &folder, progress, |experiment, events| experiment.distill(None, Some(&file), events))
}
