//! Train one model of an experiment, judge it, and leave its folder complete.

use crate::convert::Prepared;
use crate::failure::{Failure, Outcome};
use crate::features::Reference;
use crate::judge::{JudgeConfig, Verdict, judge_test};
use crate::judge_pictures;
use crate::plan::{ModelPlan, Plan};
use crate::progress::Progress;
use crate::report::{Report, Row};
use crate::{describe, interrupt, pictures};
use flowstill::distill::{DistillConfig, Distillation, SharedNoise, prepare_student};
use flowstill::file;
use flowstill::flows::Flow;
use flowstill::model::{Model, TrainingFacts};
use flowstill::pictures::{Dequantization, VariationalDequantizer};
use flowstill::train::{NegativeLogLikelihood, Objective, RunFolder, VariationalNll, train};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// What stays the same over the models of a run.
pub struct Workshop<'a> {
    /// The table.
    pub data: &'a Prepared,
    /// [`Prepared::fingerprint`], made once.
    pub fingerprint: String,
    /// How models are judged.
    pub judge: &'a JudgeConfig,
    /// What sampled pictures are compared with, made when it is first needed.
    pub reference: OnceCell<Reference>,
    /// Where statistics of the real pictures are kept.
    pub run: PathBuf,
    /// Judge finished models again.
    pub judge_again: bool,
    /// Say nothing on the way.
    pub quiet: bool,
}

/// A model in its finished state.
pub struct Learned {
    /// The model, as its file holds it.
    pub model: Model,
    /// What is told of it.
    pub report: Report,
}

/// Build an untrained student or teacher, with what it inherits.
///
/// # Errors
/// Settings that do not fit the data or the teacher.
pub fn build(plan: &ModelPlan, data: &Prepared, teacher: Option<&Flow>) -> Outcome<(Flow, Vec<String>)> {
    let seed = plan.train.seed;
    let architecture = match &data.pictures {
        None => plan.flow.assemble(data.names.len(), data.context_names.len(), seed)?,
        Some(pictures) => plan.flow.assemble_picture(pictures.event, pictures.classes)?,
    };
    let flow = Flow::new(&architecture, seed, &crate::device::current())?;
    match (&plan.distill, teacher) {
        (Some(config), Some(teacher)) => Ok(prepare_student(flow, teacher, config)?),
        _ => Ok((flow, Vec::new())),
    }
}

/// Find out that a model cannot be built or brought together with its teacher before anything is trained for hours.
///
/// # Errors
/// As [`build`], and what the alignment reports.
pub fn preflight(plan: &ModelPlan, data: &Prepared, teacher: Option<&Flow>) -> Outcome<()> {
    let (flow, _) = build(plan, data, teacher)?;
    dequantizer(plan, data)?;
    if let (Some(config), Some(teacher)) = (&plan.distill, teacher) {
        // The pool of samples is the costly part, and of no use before the teacher is trained.
        let config = DistillConfig { pool: 0, ..config.clone() };
        Distillation::new(teacher, &flow, &config, plan.train.seed, plan.train.batch)?;
    }
    Ok(())
}

/// The new dequantiser of a model that learns from data alone; none where noise is uniform.
fn dequantizer(plan: &ModelPlan, data: &Prepared) -> Outcome<Option<VariationalDequantizer>> {
    let (None, Some(pictures)) = (&plan.distill, &data.pictures) else { return Ok(None) };
    let Dequantization::Variational(config) = &pictures.dequantization else { return Ok(None) };
    let device = crate::device::current();
    Ok(Some(VariationalDequantizer::new(config, pictures.event, plan.train.seed, &device)?))
}

/// What a model learns from.
enum Lesson {
    Data(NegativeLogLikelihood),
    /// Data, with a dequantiser that learns beside the flow.
    Noise(VariationalNll),
    Teacher(Box<Distillation>),
}

impl Lesson {
    fn objective(&mut self) -> &mut dyn Objective {
        match self {
            Self::Data(objective) => objective,
            Self::Noise(objective) => objective,
            Self::Teacher(objective) => objective.as_mut(),
        }
    }

    /// What draws the finished model's noise.
    fn dequantizer(self) -> Option<VariationalDequantizer> {
        match self {
            Self::Data(_) => None,
            Self::Noise(objective) => Some(objective.finish()),
            Self::Teacher(objective) => objective.dequantizer().cloned(),
        }
    }
}

/// A student that is to see its teacher's noise does.
fn with_noise(made: Distillation, config: &DistillConfig, teacher: &Model) -> Outcome<Distillation> {
    match (config.dequantization, &teacher.dequantizer) {
        (SharedNoise::Uniform, _) => Ok(made),
        (SharedNoise::Teacher, Some(dequantizer)) => Ok(made.with_dequantizer(dequantizer)?),
        (SharedNoise::Teacher, None) => Err(Failure::input(
            "distill.dequantization: the teacher draws uniform noise; use \"uniform\", or train it with pictures.dequantization = { variational = {} }",
        )),
    }
}

impl<'a> Workshop<'a> {
    /// For the models of `plan` on `data`, in the run folder `run`.
    pub fn new(plan: &'a Plan, data: &'a Prepared, run: &Path, quiet: bool) -> Self {
        Self {
            data,
            fingerprint: data.fingerprint(),
            judge: &plan.judge,
            reference: OnceCell::new(),
            run: run.to_path_buf(),
            judge_again: false,
            quiet,
        }
    }
}

impl Workshop<'_> {
    /// Train `plan` in `folder`, or take what lies there finished; a half-trained one goes on.
    ///
    /// # Errors
    /// What training, files and the distillation report.
    pub fn learn(&self, plan: &ModelPlan, teacher: Option<&Model>, folder: &Path, label: &str) -> Outcome<Learned> {
        interrupt::check()?;
        let identity = self.identity(plan)? + &teacher_identity(plan, teacher);
        if let Some(report) = Report::read(folder)? {
            if report.identity != identity {
                return Err(foreign(folder));
            }
            let run = RunFolder::create(folder)?;
            if run.flow().exists() {
                return self.finished(report, &run, folder, label);
            }
        }
        let run = RunFolder::create(folder)?;
        let mut progress = Progress::new(label, self.quiet).of_pictures(self.data.pictures.is_some());
        let teacher_flow = teacher.map(|model| &model.flow);
        let (flow, mut notes) = build(plan, self.data, teacher_flow)?;
        let mut lesson = match (&plan.distill, teacher) {
            (Some(config), Some(teacher)) => {
                let made = Distillation::new(&teacher.flow, &flow, config, plan.train.seed, plan.train.batch)?;
                let made = with_noise(made, config, teacher)?;
                notes.extend(made.notes().iter().cloned());
                Lesson::Teacher(Box::new(made))
            }
            (Some(_), None) => {
                return Err(Failure::run(format!("{label}: distillation without a teacher; report this bug")));
            }
            (None, _) => match dequantizer(plan, self.data)? {
                Some(dequantizer) => Lesson::Noise(VariationalNll::new(dequantizer)),
                None => Lesson::Data(NegativeLogLikelihood),
            },
        };
        notes.iter().for_each(|note| progress.say(&format!("{label}: {note}")));
        let mut events = |event: &_| progress.event(event);
        let trained = train(flow, lesson.objective(), &self.data.training, &plan.train, Some(&run), &mut events);
        progress.finish();
        let trained = trained?;
        let facts = TrainingFacts {
            role: plan.role.clone(),
            flow: describe::flow(&plan.flow, self.data.pictures.is_some()),
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
        interrupt::check()?;
        let verdict = self.verdict(&model)?;
        let mut row = Row::new(&model, verdict);
        row.train_seconds = trained.report.seconds;
        row.differs = plan.differs.clone();
        let flow = fingerprint(&model);
        let report = Report { identity, judged: self.judge.clone(), row, notes, plan: serde_json::json!(plan), flow };
        pictures::of_model(
            &run,
            &format!(
                "{}, seed {}: {}",
                plan.role,
                plan.train.seed,
                describe::flow(&plan.flow, self.data.pictures.is_some())
            ),
            self.data.pictures.is_some(),
        );
        report.write(folder)?;
        progress.say(&format!("{label}: {}", report.row.summary()));
        Ok(Learned { model, report })
    }

    fn finished(&self, mut report: Report, run: &RunFolder, folder: &Path, label: &str) -> Outcome<Learned> {
        let model = file::load(&run.flow(), &crate::device::current())
            .map_err(|error| error.or_remove("it is made again from the checkpoint beside it"))?;
        if !report.flow.is_empty() && report.flow != fingerprint(&model) {
            return Err(Failure::input(format!(
                "{}: holds another flow than the one that {} tells of; remove both, and the flow is made again from the checkpoint",
                run.flow().display(),
                Report::path(folder).display()
            )));
        }
        if self.judge_again || report.judged != *self.judge {
            report.row.verdict = self.verdict(&model)?;
            report.judged = self.judge.clone();
            report.write(folder)?;
        }
        Progress::new(label, self.quiet).say(&format!("{label}: already there, {}", report.row.summary()));
        Ok(Learned { model, report })
    }

    fn verdict(&self, model: &Model) -> Outcome<Verdict> {
        let Some(facts) = &self.data.pictures else { return judge_test(model, self.data, self.judge) };
        let reference = match (&self.judge.features, self.data.training.train.pictures(), self.reference.get()) {
            (None, ..) | (_, None, _) => None,
            (.., Some(made)) => Some(made),
            (Some(config), Some(train), None) => {
                let shown = judge_pictures::shown(model, train.head(config.reference).pixels().to_vec());
                let made = Reference::new(config, &shown, facts.event, Some(&self.run))?;
                Some(self.reference.get_or_init(|| made))
            }
        };
        judge_pictures::judge_test(model, self.data, reference, self.judge)
    }

    /// Take a teacher from a file and judge it like any other.
    ///
    /// # Errors
    /// What the file and the flow report.
    pub fn given(&self, model: Model, label: &str) -> Outcome<Learned> {
        let verdict = self.verdict(&model)?;
        let row = Row { role: crate::plan::TEACHER.into(), ..Row::new(&model, verdict) };
        Progress::new(label, self.quiet).say(&format!("{label}: {}", row.summary()));
        let report = Report { row, judged: self.judge.clone(), ..Report::default() };
        Ok(Learned { model, report })
    }

    /// Refuse a folder that holds a model of another plan, before anything is trained beside it.
    ///
    /// # Errors
    /// When it does.
    pub fn check_folder(&self, plan: &ModelPlan, folder: &Path) -> Outcome<()> {
        match Report::read(folder)? {
            Some(report) if !report.identity.starts_with(&self.identity(plan)?) => Err(foreign(folder)),
            _ => Ok(()),
        }
    }

    /// What a finished model must agree with to be taken as it is, the teacher aside.
    fn identity(&self, plan: &ModelPlan) -> Outcome<String> {
        let describe = |error| Failure::run(format!("cannot describe the run: {error}"));
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
fn fingerprint(model: &Model) -> String {
    let noise = model.dequantizer.as_ref().map(|dequantizer| format!("-{:016x}", dequantizer.fingerprint()));
    format!("{:016x}{}", model.flow.fingerprint(), noise.unwrap_or_default())
}

fn teacher_identity(plan: &ModelPlan, teacher: Option<&Model>) -> String {
    let teacher = plan.distill.as_ref().and(teacher);
    teacher.map(|model| format!(" teacher {}", fingerprint(model))).unwrap_or_default()
}

fn foreign(folder: &Path) -> Failure {
    Failure::input(format!(
        "{}: holds a model of another recipe, data or teacher; use another run folder (--out), or remove this one",
        folder.display()
    ))
}

/// The folder of one model.
pub fn folder(run: &Path, seed: u64, role: &str) -> PathBuf {
    run.join(format!("seed-{seed}")).join(role)
}
