//! Train one model of an experiment, evaluate it, and leave its folder complete.

use crate::data::Prepared;
use crate::evaluate::{EvaluateConfig, Metrics, Reference, evaluate_pictures, evaluate_rows, shown_pixels};
use crate::events::go_on;
use crate::further::{Finished, finished};
use crate::recipe::{ModelPlan, Plan, TEACHER};
use crate::report::{Kind, Report, Row};
use crate::{Error, Event, Events, Result, plots};
use flowstill::burn::tensor::Device;
use flowstill::file;
use flowstill::model::{Model, TrainingFacts};
use flowstill::pictures::Dequantization;
use flowstill::train::{RunFolder, train, train_further};
use std::path::{Path, PathBuf};

/// What stays the same over the models of a run.
pub struct Runner<'a> {
    /// The data set.
    pub data: &'a Prepared,
    /// Where models are computed.
    pub device: Device,
    /// Evaluate finished models again.
    pub evaluate_again: bool,
    /// Who is told how it goes.
    pub events: &'a mut Events<'a>,
    /// [`Prepared::fingerprint`], made once.
    fingerprint: String,
    evaluate: &'a EvaluateConfig,
    /// What sampled pictures are compared with, made when it is first needed.
    reference: Option<Reference>,
    /// Where statistics of the real pictures are kept.
    run: &'a Path,
}

/// A model in its finished state.
#[derive(Debug)]
pub struct TrainedModel {
    /// The model, as its file holds it.
    pub model: Model,
    /// What is told of it.
    pub report: Report,
    /// Its flow file.
    pub file: PathBuf,
}

impl<'a> Runner<'a> {
    /// For the models of `plan` on `data`, in the run folder `run`.
    pub fn new(plan: &'a Plan, data: &'a Prepared, run: &'a Path, device: Device, events: &'a mut Events<'a>) -> Self {
        Self {
            data,
            device,
            evaluate_again: false,
            events,
            fingerprint: data.fingerprint(),
            evaluate: &plan.evaluate,
            reference: None,
            run,
        }
    }

    /// Train `plan` in its folder, or take what lies there finished; a half-trained one goes on.
    ///
    /// # Errors
    /// What training, files and the distillation report.
    pub fn learn(&mut self, plan: &ModelPlan, teacher: Option<&Model>, label: &str) -> Result<TrainedModel> {
        let (folder, pictures) = (self.folder(plan), self.data.pictures.is_some());
        go_on(self.events, Event::Begun { label, pictures })?;
        let identity = self.identity(plan)? + &teacher_identity(plan, teacher);
        let run = RunFolder::create(&folder)?;
        let mut earlier = None;
        if let Some(report) = Report::read(&folder)? {
            match finished(&report, &identity, true, plan, &folder)? {
                Finished::Same if run.flow().exists() => return self.finished(report, &run, label),
                Finished::Same => {}
                Finished::Shorter(settings) => earlier = Some(settings),
            }
        }
        let (flow, mut notes) = self.build(plan, teacher.map(|model| &model.flow))?;
        let mut lesson = self.objective(plan, &flow, teacher, &mut notes)?;
        notes.extend(flow.refused().map(|refused| format!("runs as a composition of tensor operations ({refused})")));
        for note in &notes {
            (self.events)(Event::Remark { label, note });
        }
        let mut events = |event: &_| (self.events)(Event::Training { label, event });
        let (objective, data) = (lesson.objective(), &self.data.training);
        let trained = match &earlier {
            Some(earlier) => train_further(flow, objective, data, &plan.train, earlier, &run, &mut events),
            None => train(flow, objective, data, &plan.train, Some(&run), &mut events),
        };
        (self.events)(Event::Ended);
        let trained = trained?;
        let facts = TrainingFacts {
            role: plan.role.clone(),
            flow: plan.flow.describe(pictures),
            data: self.data.source.clone(),
            columns: self.data.names.clone(),
            context_columns: self.data.context_names.clone(),
            seed: plan.train.seed,
            steps: trained.report.steps,
            validation_nll: trained.report.best.map(|best| best.value),
            skipped: trained.report.skipped,
            split: Some(self.data.split.clone()),
            ..TrainingFacts::default()
        };
        let model = Model {
            flow: trained.model,
            standardization: self.data.standardization.clone(),
            pictures: self.data.pictures.as_ref().map(|pictures| pictures.scaling),
            dequantizer: lesson.dequantizer(),
            facts,
        };
        file::save(&model, &run.flow())?;
        go_on(self.events, Event::Evaluating { label })?;
        let mut row = Row::new(&model, self.metrics(&model)?);
        row.train_seconds = trained.report.seconds;
        row.differs = plan.differs.clone();
        row.kind = Kind::of(plan);
        let report = Report {
            identity,
            evaluated: self.evaluate.clone(),
            row,
            notes,
            plan: serde_json::json!(plan),
            flow: fingerprint(&model),
        };
        let title = format!("{}, seed {}: {}", plan.role, plan.train.seed, model.facts.flow);
        plots::of_model(&run, &title, pictures, self.events);
        report.write(&folder)?;
        (self.events)(Event::Done { label, row: &report.row, found: false });
        Ok(TrainedModel { model, report, file: run.flow() })
    }

    fn finished(&mut self, mut report: Report, run: &RunFolder, label: &str) -> Result<TrainedModel> {
        let (file, folder) = (run.flow(), run.path());
        let model = file::load(&file, &self.device)
            .map_err(|error| error.or_remove("it is made again from the checkpoint beside it"))?;
        if !report.flow.is_empty() && report.flow != fingerprint(&model) {
            return Err(Error::input(format!(
                "{}: holds another flow than the one that {} tells of; remove both, and the flow is made again from the checkpoint",
                file.display(),
                Report::path(folder).display()
            )));
        }
        if self.evaluate_again || report.evaluated != *self.evaluate {
            report.row.metrics = self.metrics(&model)?;
            report.evaluated = self.evaluate.clone();
            report.write(folder)?;
        }
        (self.events)(Event::Done { label, row: &report.row, found: true });
        Ok(TrainedModel { model, report, file })
    }

    fn metrics(&mut self, model: &Model) -> Result<Metrics> {
        let Some(facts) = &self.data.pictures else {
            return evaluate_rows(model, self.data.test_rows()?, self.evaluate);
        };
        if let (None, Some(config)) = (&self.reference, &self.evaluate.features)
            && let Some(train) = self.data.training.train.pictures()
        {
            let shown = shown_pixels(model, train.head(config.reference).pixels().to_vec());
            self.reference = Some(Reference::new(config, &shown, facts.event, Some(self.run))?);
        }
        let test = self.data.test.pictures().ok_or_else(|| Error::run("expected pictures; report this bug"))?;
        evaluate_pictures(model, test, self.reference.as_ref(), self.evaluate, self.events)
    }

    /// Evaluate a teacher that comes from a file like any other.
    ///
    /// # Errors
    /// What the flow reports.
    pub fn given(&mut self, model: Model, file: &Path, label: &str) -> Result<TrainedModel> {
        let row = Row { role: TEACHER.into(), kind: Kind::Teacher, ..Row::new(&model, self.metrics(&model)?) };
        (self.events)(Event::Done { label, row: &row, found: false });
        let report = Report { row, evaluated: self.evaluate.clone(), ..Report::default() };
        Ok(TrainedModel { model, report, file: file.to_path_buf() })
    }

    /// The folder of one model.
    pub fn folder(&self, plan: &ModelPlan) -> PathBuf {
        folder(self.run, plan.train.seed, &plan.role)
    }

    /// Refuse a folder that holds a model of another plan, before anything is trained beside it; whether its model goes on with more steps.
    ///
    /// # Errors
    /// When it does hold one; also where a finished student's teacher goes on, for it would then be another's.
    pub fn check_folder(&self, plan: &ModelPlan, teacher_goes_on: bool) -> Result<bool> {
        let folder = self.folder(plan);
        let Some(report) = Report::read(&folder)? else { return Ok(false) };
        let found = finished(&report, &self.identity(plan)?, false, plan, &folder)?;
        if plan.distill.is_some() && teacher_goes_on {
            return Err(Error::input(format!(
                "{}: its teacher would go on with more steps, and this student has learned from it as it is; set student.train.steps alone, or use \
                 another run folder (--out)",
                folder.display()
            )));
        }
        Ok(found != Finished::Same)
    }

    /// What a finished model must agree with to be taken as it is, the teacher aside.
    fn identity(&self, plan: &ModelPlan) -> Result<String> {
        let describe = |error| Error::run(format!("cannot describe the run: {error}"));
        let parts = (&self.fingerprint, &plan.flow, &plan.train, &plan.distill);
        let mut identity = serde_json::to_string(&parts).map_err(describe)?;
        let noise = self.data.pictures.as_ref().map(|pictures| pictures.dequantization).unwrap_or_default();
        if plan.distill.is_none() && noise != Dequantization::Uniform {
            identity += &serde_json::to_string(&noise).map_err(describe)?;
        }
        Ok(identity)
    }
}

/// What ties a report to its flow.
pub(crate) fn fingerprint(model: &Model) -> String {
    let noise = model.dequantizer.as_ref().map(|dequantizer| format!("-{:016x}", dequantizer.fingerprint()));
    format!("{:016x}{}", model.flow.fingerprint(), noise.unwrap_or_default())
}

fn teacher_identity(plan: &ModelPlan, teacher: Option<&Model>) -> String {
    let teacher = plan.distill.as_ref().and(teacher);
    teacher.map(|model| format!(" teacher {}", fingerprint(model))).unwrap_or_default()
}

/// The folder of one model.
pub fn folder(run: &Path, seed: u64, role: &str) -> PathBuf {
    run.join(format!("seed-{seed}")).join(role)
}
