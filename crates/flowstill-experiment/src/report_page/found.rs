//! Read what a run folder holds.

use crate::frontier::FrontierReport;
use crate::recipe::TEACHER;
use crate::report::{Comparison, Report, Row};
use crate::runner::folder;
use crate::{Error, Result};
use flowstill::device::cpu;
use flowstill::file;
use flowstill::model::TrainingFacts;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a run was.
pub(super) enum Subject {
    /// Teacher, plain student and variants over seeds.
    Comparison(Box<Comparison>),
    /// A search for the student to take.
    Frontier(Box<FrontierReport>),
    /// Single trainings.
    Models,
}

/// One trained model.
pub(super) struct Found {
    /// What was found out.
    pub row: Row,
    /// Its report; none for a teacher that was given as a file.
    pub report: Option<Report>,
    /// Its folder, where the curves are.
    pub folder: PathBuf,
    /// Its flow file.
    pub flow: PathBuf,
    /// Size of that file in bytes, and what it says of itself; for the first of each role, where it can be read.
    pub facts: Option<(u64, TrainingFacts)>,
}

/// A run folder.
pub(super) struct Run {
    /// Where it lies.
    pub path: PathBuf,
    /// What it was.
    pub subject: Subject,
    /// Its models, those of one role together.
    pub models: Vec<Found>,
    /// The recipe as resolved.
    pub recipe: Option<String>,
}

impl Run {
    /// Roles in the order of their first model.
    pub(super) fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = Vec::new();
        for model in &self.models {
            if !roles.contains(&model.row.role.as_str()) {
                roles.push(&model.row.role);
            }
        }
        roles
    }

    /// The models of a role.
    pub(super) fn of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Found> {
        self.models.iter().filter(move |model| model.row.role == role)
    }
}

/// Read a run folder; where both a comparison and a frontier lie, the newer counts.
///
/// # Errors
/// A folder that holds none, and a file that is no such thing.
pub(super) fn find(run: &Path) -> Result<Run> {
    let written = |name: &str| -> Option<SystemTime> { run.join(name).metadata().ok()?.modified().ok() };
    let (comparison, frontier) = (written("comparison.json"), written("frontier.json"));
    let (subject, mut models) = match (comparison, frontier) {
        (None, None) => (Subject::Models, trained(run)?),
        (compared, searched) if compared >= searched => {
            let comparison = Comparison::read(&run.join("comparison.json"))?;
            let models = comparison.rows.iter().map(|row| of_row(run, row)).collect::<Result<_>>()?;
            (Subject::Comparison(Box::new(comparison)), models)
        }
        _ => {
            let report = FrontierReport::read(&run.join("frontier.json"))?;
            let models = finalists(run, &report)?;
            (Subject::Frontier(Box::new(report)), models)
        }
    };
    if models.is_empty() {
        return Err(Error::input(format!(
            "{}: expected the folder of a run (comparison.json, frontier.json or seed-N/MODEL/report.json), got none of them; give what --out named",
            run.display()
        )));
    }
    let mut known: Vec<String> = Vec::new();
    for model in &mut models {
        if !known.contains(&model.row.role) {
            known.push(model.row.role.clone());
            model.facts = facts(&model.flow);
        }
    }
    // That of a single model's folder lies at the top of its run.
    let place = if run.join("report.json").is_file() { run.join("../..") } else { run.to_path_buf() };
    let recipe = std::fs::read_to_string(place.join("recipe.toml")).ok();
    Ok(Run { path: run.to_path_buf(), subject, models, recipe })
}

/// What a flow file says of itself; none where it cannot be read.
fn facts(flow: &Path) -> Option<(u64, TrainingFacts)> {
    let bytes = flow.metadata().ok()?.len();
    Some((bytes, file::load(flow, &cpu()).ok()?.facts))
}

/// A finished model's folder; none where there is no report.
fn read(folder: &Path) -> Result<Option<Found>> {
    Ok(Report::read(folder)?.map(|report| Found {
        row: report.row.clone(),
        report: Some(report),
        folder: folder.to_path_buf(),
        flow: folder.join("flow.safetensors"),
        facts: None,
    }))
}

/// The model of a comparison's row, whose figures are the comparison's.
fn of_row(run: &Path, row: &Row) -> Result<Found> {
    let place = folder(run, row.seed, &row.role);
    let found = read(&place)?.unwrap_or_else(|| bare(row, &place, place.join("flow.safetensors")));
    Ok(Found { row: row.clone(), ..found })
}

/// A model of which only the figures are known.
fn bare(row: &Row, folder: &Path, flow: PathBuf) -> Found {
    Found { row: row.clone(), report: None, folder: folder.to_path_buf(), flow, facts: None }
}

/// The models of a frontier's end: where the folder was carried elsewhere, they are looked for in it.
fn finalists(run: &Path, report: &FrontierReport) -> Result<Vec<Found>> {
    let mut out = Vec::new();
    for model in &report.models {
        for (at, file) in model.files.iter().enumerate() {
            let seed = report.seeds.get(at).copied().unwrap_or_default();
            let place = match model.role == TEACHER {
                true => folder(run, seed, TEACHER),
                false => folder(&run.join("final"), seed, &model.role),
            };
            let named = PathBuf::from(file);
            let beside = named.parent().unwrap_or(Path::new("")).to_path_buf();
            let found = match read(&place)? {
                Some(found) => Some(found),
                None => read(&beside)?.filter(|found| found.flow == named),
            };
            let row = Row { role: model.role.clone(), model: model.model.clone(), seed, ..Row::default() };
            let mut found = found.unwrap_or_else(|| bare(&row, &beside, named));
            found.row.role = model.role.clone();
            found.row.parameters = model.cost.parameters;
            // Taken all together in the end, the folder's own were not.
            found.row.metrics.sample_rows_per_second = Some(model.cost.samples_per_second.median);
            found.row.metrics.log_prob_rows_per_second = Some(model.cost.log_prob_rows_per_second.median);
            if model.role == TEACHER {
                found.row.metrics.c2st = model.c2st;
            }
            if let Some(nats) = model.nats.values.get(at) {
                found.row.metrics.test_nll_nats = -nats;
            }
            out.push(found);
        }
    }
    Ok(out)
}

/// Every finished model of a folder, or the one whose folder it is.
fn trained(run: &Path) -> Result<Vec<Found>> {
    if let Some(one) = read(run)? {
        return Ok(vec![one]);
    }
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        all.sort();
        all
    };
    let seeds = inside(run)
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-")));
    let mut out: Vec<Found> = Vec::new();
    for folder in seeds.flat_map(|seed| inside(&seed)) {
        out.extend(read(&folder)?);
    }
    // Teacher first, then by name and seed.
    out.sort_by(|a, b| {
        let key = |one: &Found| (one.row.role != TEACHER, one.row.role.clone(), one.row.seed);
        key(a).cmp(&key(b))
    });
    Ok(out)
}
