//! Build an untrained model of an experiment, and find out early whether it can be built at all.

use crate::recipe::{ModelPlan, TEACHER};
use crate::runner::Runner;
use crate::{Error, Result};
use flowstill::distill::{DistillConfig, Distillation, SharedNoise, prepare_student};
use flowstill::flows::Flow;
use flowstill::model::Model;
use flowstill::pictures::{Dequantization, VariationalDequantizer};
use flowstill::train::{NegativeLogLikelihood, Objective, VariationalNll};

/// What a model learns from.
pub(super) enum Lesson {
    /// Data.
    Data(NegativeLogLikelihood),
    /// Data, with a dequantiser that learns beside the flow.
    Noise(Box<VariationalNll>),
    /// A teacher, and data.
    Teacher(Box<Distillation>),
}

impl Lesson {
    pub(super) fn objective(&mut self) -> &mut dyn Objective {
        match self {
            Self::Data(objective) => objective,
            Self::Noise(objective) => objective.as_mut(),
            Self::Teacher(objective) => objective.as_mut(),
        }
    }

    /// What draws the finished model's noise.
    pub(super) fn dequantizer(self) -> Option<VariationalDequantizer> {
        match self {
            Self::Data(_) => None,
            Self::Noise(objective) => Some(objective.finish()),
            Self::Teacher(objective) => objective.dequantizer().cloned(),
        }
    }
}

impl Runner<'_> {
    /// Build an untrained student or teacher, with what it inherits.
    ///
    /// # Errors
    /// Settings that do not fit the data or the teacher.
    pub fn build(&self, plan: &ModelPlan, teacher: Option<&Flow>) -> Result<(Flow, Vec<String>)> {
        let (data, seed) = (self.data, plan.train.seed);
        let architecture = match &data.pictures {
            None => plan.flow.assemble(data.names.len(), data.context_names.len(), seed)?,
            Some(pictures) => plan.flow.assemble_picture(pictures.event, pictures.classes)?,
        };
        // All students of a seed start alike, and none as a part of its teacher.
        let flow = match plan.role == TEACHER {
            true => Flow::new(&architecture, seed, &self.device)?,
            false => Flow::student(&architecture, seed, &self.device)?,
        };
        match (&plan.distill, teacher) {
            (Some(config), Some(teacher)) => Ok(prepare_student(flow, teacher, config)?),
            _ => Ok((flow, Vec::new())),
        }
    }

    /// Find out that a model cannot be built or brought together with its teacher before anything is trained for hours.
    ///
    /// # Errors
    /// As [`Runner::build`], and what the alignment reports.
    pub fn preflight(&self, plan: &ModelPlan, teacher: Option<&Flow>) -> Result<()> {
        let (flow, _) = self.build(plan, teacher)?;
        self.dequantizer(plan)?;
        if let (Some(config), Some(teacher)) = (&plan.distill, teacher) {
            // The pool of samples is the costly part, and of no use before the teacher is trained.
            let config = DistillConfig { pool: 0, ..config.clone() };
            Distillation::new(teacher, &flow, &config, plan.train.seed, plan.train.batch)?;
        }
        Ok(())
    }

    /// What `flow` is to minimise; what was aligned is added to `notes`.
    pub(super) fn objective(
        &self,
        plan: &ModelPlan,
        flow: &Flow,
        teacher: Option<&Model>,
        notes: &mut Vec<String>,
    ) -> Result<Lesson> {
        let Some(config) = &plan.distill else {
            return Ok(match self.dequantizer(plan)? {
                Some(dequantizer) => Lesson::Noise(Box::new(VariationalNll::new(dequantizer))),
                None => Lesson::Data(NegativeLogLikelihood),
            });
        };
        let Some(teacher) = teacher else {
            return Err(Error::run(format!("{}: distillation without a teacher; report this bug", plan.role)));
        };
        let made = Distillation::new(&teacher.flow, flow, config, plan.train.seed, plan.train.batch)?;
        let made = with_noise(made, config, teacher)?;
        notes.extend(made.notes().iter().cloned());
        Ok(Lesson::Teacher(Box::new(made)))
    }

    /// The new dequantiser of a model that learns from data alone; none where noise is uniform.
    fn dequantizer(&self, plan: &ModelPlan) -> Result<Option<VariationalDequantizer>> {
        let (None, Some(pictures)) = (&plan.distill, &self.data.pictures) else { return Ok(None) };
        let Dequantization::Variational(config) = &pictures.dequantization else { return Ok(None) };
        Ok(Some(VariationalDequantizer::new(config, pictures.event, plan.train.seed, &self.device)?))
    }
}

/// A student that is to see its teacher's noise does.
fn with_noise(made: Distillation, config: &DistillConfig, teacher: &Model) -> Result<Distillation> {
    match (config.dequantization, &teacher.dequantizer) {
        (SharedNoise::Uniform, _) => Ok(made),
        (SharedNoise::Teacher, Some(dequantizer)) => Ok(made.with_dequantizer(dequantizer)?),
        (SharedNoise::Teacher, None) => Err(Error::input(
            "distill.dequantization: the teacher draws uniform noise; use \"uniform\", or train it with pictures.dequantization = { variational = {} }",
        )),
    }
}
