//! Find the student to take: try families and sizes by successive halving on validation, and lay out likelihood against speed.

mod budget;
mod candidates;
mod finals;
mod front;
mod report;
mod samples;
mod search;

use crate::data::Prepared;
use crate::evaluate::EvaluateConfig;
use crate::experiment::{device, load_data};
use crate::recipe::{ModelPlan, Plan, TEACHER, missing, resolved};
use crate::report_page::write_or_tell;
use crate::run_folder::open_folder;
use crate::runner::{Runner, TrainedModel, fingerprint};
use crate::{Error, Event, Events, Result};
use flowstill::burn::tensor::Device;
use flowstill::file::{self, write_atomically};
use flowstill::model::Model;
use flowstill::train::{Rows, TrainConfig};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub use budget::{Axis, Budget, Cost, Timing};
pub use report::{FrontModel, FrontierReport};
pub use search::Candidate;

/// How a frontier is searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrontierConfig {
    /// What the student must keep to; default nothing.
    pub budget: Budget,
    /// Optimiser steps of the last rung and of the last comparison; default those of the student's training, else the teacher's.
    pub steps: Option<u64>,
    /// Rungs of the search; each trains those that are left from nothing, with three times the steps of the rung before, and keeps a third of them. Default 3, 1 to 6.
    pub rungs: usize,
    /// Students that are left for the last comparison, at most; default 3.
    pub finalists: usize,
    /// Weight of the likelihood of the teacher's samples, the rest being that of the data; default 0.3. Without data the samples are the data.
    pub lesson: f64,
    /// Without data: rows that the teacher draws to learn from; a tenth as many each to validate and to test. Default 200,000.
    pub samples: usize,
}

impl Default for FrontierConfig {
    fn default() -> Self {
        Self { budget: Budget::default(), steps: None, rungs: 3, finalists: 3, lesson: 0.3, samples: 200_000 }
    }
}

impl FrontierConfig {
    fn check(&self) -> Result<()> {
        self.budget.check()?;
        let rules = [
            ("steps", self.steps != Some(0), "use 1 or more"),
            ("rungs", (1..=6).contains(&self.rungs), "use 1 to 6"),
            ("finalists", (1..=100).contains(&self.finalists), "use 1 to 100"),
            ("lesson", (0.0..=1.0).contains(&self.lesson), "use 0 to 1"),
            ("samples", (1_000..=100_000_000).contains(&self.samples), "use 1000 to 100000000"),
        ];
        match rules.iter().find(|(_, good, _)| !good) {
            Some((name, _, remedy)) => Err(Error::input(format!("frontier.{name}: out of range; {remedy}"))),
            None => Ok(()),
        }
    }
}

/// A search with the run folder that its models, tables and plots go to. What lies there finished is taken as it is, and what was stopped goes on.
pub struct Frontier {
    plan: Plan,
    config: FrontierConfig,
    without_data: bool,
    run: PathBuf,
}

/// What every stage of a search works on.
struct Bench<'a> {
    plan: &'a Plan,
    config: &'a FrontierConfig,
    data: &'a Prepared,
    teacher: &'a Model,
    run: &'a Path,
}

impl Frontier {
    /// The search for students of the plan's teacher, on the plan's data, with its seeds for the last comparison. `plan.plain`, where there is one, gives the training's
    /// settings; else they are the teacher's.
    pub fn new(plan: Plan, config: FrontierConfig, run: impl Into<PathBuf>) -> Self {
        Self { plan, config, without_data: false, run: run.into() }
    }

    /// Leave the plan's data out: the samples of its teacher, a flow file, are learned from, chosen by, and tested on.
    #[must_use]
    pub fn without_data(mut self) -> Self {
        self.without_data = true;
        self
    }

    /// Search, and write `frontier.json`, `frontier.md`, `frontier.png`, `report.html` and, of a search on data, `recipe.toml` to the run folder.
    ///
    /// # Errors
    /// Settings out of range; a budget that no candidate keeps to, with the nearest; pictures, which are not searched yet; what data, trainings and files
    /// report. Finished models stay, and the next call goes on from there.
    pub fn search(&self, events: &mut Events<'_>) -> Result<FrontierReport> {
        self.config.check()?;
        let device = device(&self.plan.device, events)?;
        let given = match (&self.plan.teacher, &self.plan.teacher_file) {
            (None, Some(path)) => Some(file::load(path, &device)?),
            (None, None) => return Err(missing(&self.plan.name, TEACHER)),
            (Some(_), _) => None,
        };
        let pictures = matches!(self.plan.data, crate::DataPlan::Pictures(_)) && !self.without_data;
        if pictures || given.as_ref().is_some_and(|model| model.pictures.is_some()) {
            return Err(Error::input(
                "frontier: expected a flow over a table, got one over pictures; compare sizes with the variants of a recipe (flowstill compare)",
            ));
        }
        let data = match (&given, self.without_data) {
            (Some(teacher), true) => {
                let data = samples::drawn(teacher, &self.source(), self.config.samples, self.seed())?;
                events(Event::Loaded(&data));
                data
            }
            (None, true) => {
                return Err(Error::input(
                    "frontier: without data the teacher must be a flow file; give one, or leave the recipe's data in",
                ));
            }
            (teacher, false) => load_data(&self.plan, teacher.as_ref(), events)?,
        };
        let _open = open_folder(&self.run, events)?;
        // Everything is timed together in the end.
        let plan =
            Plan { evaluate: EvaluateConfig { repetitions: 0, ..self.plan.evaluate.clone() }, ..self.plan.clone() };
        let teacher = self.teacher(&plan, given, &data, device, events)?;
        let (config, run) = (&self.config, &self.run);
        let bench = Bench { plan: &self.plan, config, data: &data, teacher: &teacher.model, run };
        let lesson = if self.without_data { 0.0 } else { self.config.lesson };
        let students = candidates::candidates(&self.plan, data.names.len(), &self.training(), lesson);
        let searched = search::search(&bench, students, events)?;
        let report = finals::finals(&bench, &plan, searched, &teacher, self.without_data, events)?;
        report.write(&self.run, events)?;
        // Without data the plan's are no part of it.
        if !self.without_data {
            write_atomically(&self.run.join("recipe.toml"), resolved(&self.plan)?.as_bytes())?;
        }
        write_or_tell(&self.run, events);
        Ok(report)
    }

    /// The teacher from its file, or the recipe's, trained with the first seed; evaluated once.
    fn teacher(
        &self,
        plan: &Plan,
        given: Option<Model>,
        data: &Prepared,
        device: Device,
        events: &mut Events<'_>,
    ) -> Result<TrainedModel> {
        let mut forward = |event: Event<'_>| events(event);
        let mut runner = Runner::new(plan, data, &self.run, device, &mut forward);
        match (given, &plan.teacher) {
            (Some(model), _) => runner.given(model, plan.teacher_file.as_deref().unwrap_or(Path::new("")), TEACHER),
            (None, Some(teacher)) => runner.learn(&teacher.with_seed(self.seed()), None, TEACHER),
            (None, None) => Err(missing(&plan.name, TEACHER)),
        }
    }

    fn seed(&self) -> u64 {
        self.plan.seeds.first().copied().unwrap_or(1)
    }

    fn training(&self) -> TrainConfig {
        let own = self.plan.plain.as_ref().or(self.plan.teacher.as_ref());
        let mut train = own.map_or_else(|| self.plan.train.clone(), |model| model.train.clone());
        train.steps = self.config.steps.unwrap_or(train.steps);
        train
    }

    fn source(&self) -> String {
        self.plan.teacher_file.as_deref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}

impl Bench<'_> {
    /// What a run folder's search must agree with to be gone on with.
    fn identity(&self, students: &[ModelPlan]) -> Result<String> {
        let parts = (self.data.fingerprint(), fingerprint(self.teacher), self.config, students);
        serde_json::to_string(&parts).map_err(|error| Error::run(format!("cannot describe the search: {error}")))
    }

    /// Rows to time models on: those that validate.
    fn probe(&self) -> Result<&Rows> {
        let rows = self.data.training.validation.rows().filter(|rows| !rows.is_empty());
        rows.ok_or_else(|| Error::input(format!("{}: has no validation rows to search by", self.data.source)))
    }
}
