//! Run an experiment: train one of its models, distil one, or compare them all.

use crate::compare::compare;
use crate::data::{Prepared, Remedy, Subset};
use crate::recipe::{DataPlan, ModelPlan, Plan, TEACHER, missing};
use crate::report::Comparison;
use crate::run_folder::open_run;
use crate::runner::{Runner, TrainedModel};
use crate::{Error, Event, Events, Result};
use flowstill::burn::tensor::Device;
use flowstill::file;
use flowstill::model::Model;
use std::path::{Path, PathBuf};

/// A plan with the run folder that its models, tables and plots go to.
///
/// What lies in the folder finished is taken as it is, and what was stopped goes on to the same bits; a folder with models of another plan
/// is refused, and while one call is at work in a folder, others are.
pub struct Experiment {
    pub(crate) plan: Plan,
    pub(crate) run: PathBuf,
    pub(crate) evaluate_again: bool,
}

impl Experiment {
    /// The experiment of `plan` in the folder `run`, which is made when it is needed.
    pub fn new(plan: Plan, run: impl Into<PathBuf>) -> Self {
        Self { plan, run: run.into(), evaluate_again: false }
    }

    /// Whether a comparison evaluates models again that are finished already; default no.
    #[must_use]
    pub fn evaluate_again(mut self, again: bool) -> Self {
        self.evaluate_again = again;
        self
    }

    /// Train every seed's teacher, plain student and variants, evaluate all of them, and write the run folder's table and plots.
    ///
    /// # Errors
    /// What any model reports; finished models stay, and the next call goes on from there.
    pub fn compare(&self, events: &mut Events<'_>) -> Result<Comparison> {
        compare(self, events)
    }

    /// Train the teacher with the seed of its own settings.
    ///
    /// # Errors
    /// A recipe without one; what data, training and files report.
    pub fn train_teacher(&self, events: &mut Events<'_>) -> Result<TrainedModel> {
        self.train(|plan| plan.teacher.as_ref().ok_or_else(|| missing(&plan.name, TEACHER)), events)
    }

    /// Train the student on data alone, with the seed of its own settings.
    ///
    /// # Errors
    /// A recipe without one; what data, training and files report.
    pub fn train_student(&self, events: &mut Events<'_>) -> Result<TrainedModel> {
        self.train(Plan::student, events)
    }

    fn train(&self, model: fn(&Plan) -> Result<&ModelPlan>, events: &mut Events<'_>) -> Result<TrainedModel> {
        let device = device(&self.plan.device, events)?;
        let model = model(&self.plan)?;
        let data = load_data(&self.plan, None, events)?;
        let mut runner = Runner::new(&self.plan, &data, &self.run, device, events);
        runner.check_folder(model, false)?;
        let _open = open_run(&self.plan, &self.run, runner.events)?;
        runner.learn(model, None, &model.role)
    }

    /// Train the student with its teacher's help, as `variant` says or else `[distill]` alone. The teacher is the flow file `teacher`, else the
    /// plan's, else the one in the run folder, which is trained if it is not there.
    ///
    /// # Errors
    /// A plan without student or teacher, or whose losses weigh nothing; what data, training and files report.
    pub fn distill(
        &self,
        variant: Option<&str>,
        teacher: Option<&Path>,
        events: &mut Events<'_>,
    ) -> Result<TrainedModel> {
        let plan = &self.plan;
        let device = device(&plan.device, events)?;
        let student = match variant {
            Some(name) => plan.variant(name)?,
            None => plan.distilled.as_ref().ok_or_else(|| missing(&plan.name, "student"))?,
        };
        // Recipes of a comparison keep the losses in their variants; alone, such a [distill] would train a plain student under another name.
        if !student.is_distilled() {
            return Err(Error::input(format!(
                "recipe {}: its [distill] gives every loss the weight 0; name one of its variants (--variant NAME), or set a weight \
                 (--set distill.teacher_samples=0.3)",
                plan.name
            )));
        }
        let given = teacher.or(plan.teacher_file.as_deref()).map(|path| file::load(path, &device)).transpose()?;
        let data = load_data(plan, given.as_ref(), events)?;
        let mut runner = Runner::new(plan, &data, &self.run, device, events);
        let untrained = match (&given, &plan.teacher) {
            (Some(model), _) => model.flow.clone(),
            (None, Some(teacher)) => runner.build(teacher, None)?.0,
            (None, None) => {
                let message = format!("recipe {}: has no teacher; add [teacher], or give --teacher FLOW", plan.name);
                return Err(Error::input(message));
            }
        };
        runner.preflight(student, Some(&untrained))?;
        let goes_on = match (&given, &plan.teacher) {
            (None, Some(teacher)) => runner.check_folder(&teacher.with_seed(student.train.seed), false)?,
            _ => false,
        };
        runner.check_folder(student, goes_on)?;
        let _open = open_run(plan, &self.run, runner.events)?;
        let teacher = match (given, &plan.teacher) {
            (Some(model), _) => model,
            (None, Some(teacher)) => {
                let teacher = teacher.with_seed(student.train.seed);
                let place = runner.folder(&teacher);
                if !place.join("report.json").exists() {
                    (runner.events)(Event::TeacherFirst(&place));
                }
                runner.learn(&teacher, None, TEACHER)?.model
            }
            (None, None) => return Err(missing(&plan.name, TEACHER)),
        };
        runner.learn(student, Some(&teacher), &student.role)
    }
}

/// The device that recipes call `cpu` or `gpu`.
///
/// # Errors
/// For `gpu` without GPU support compiled in, or without a device that works.
pub fn device(name: &str, events: &mut Events<'_>) -> Result<Device> {
    match name {
        "cpu" => Ok(flowstill::device::cpu()),
        "gpu" => {
            let device = flowstill::device::gpu()?;
            events(Event::Note(&format!("device: {}", flowstill::device::name(&device))));
            Ok(device)
        }
        other => Err(Error::input(format!("device: expected cpu or gpu, got `{other}`"))),
    }
}

/// Load the data, in the units of a given teacher.
///
/// # Errors
/// What the reader reports, and data that do not fit the teacher.
pub(crate) fn load_data(plan: &Plan, teacher: Option<&Model>, events: &mut Events<'_>) -> Result<Prepared> {
    let data = match &plan.data {
        DataPlan::Table(config) => Prepared::from_table(config)?,
        DataPlan::Pictures(plan) => Prepared::from_pictures(plan)?,
    };
    events(Event::Loaded(&data));
    let Some(teacher) = teacher else { return Ok(data) };
    let doubt =
        data.check_unseen(&teacher.facts, Subset::Test, Remedy::Set).map_err(|error| error.within("teacher"))?;
    if let Some(why) = &doubt {
        events(Event::Note(why));
    }
    let scaling = data.pictures.as_ref().map(|pictures| pictures.scaling);
    if teacher.pictures != scaling {
        return Err(Error::input(format!(
            "teacher: sees pictures as {:?}, the recipe gives {scaling:?}; set data.bits and pictures.range to the teacher's",
            teacher.pictures
        )));
    }
    if scaling.is_none() {
        data.check_names(teacher).map_err(|error| error.within("teacher"))?;
    }
    let own = data.standardization.clone();
    let data = data.in_units_of(&teacher.standardization).map_err(|error| error.within("teacher"))?;
    if data.standardization != own {
        let told = "the teacher standardises otherwise than this data; everything is brought to the teacher's units";
        events(Event::Note(told));
    }
    Ok(data)
}
