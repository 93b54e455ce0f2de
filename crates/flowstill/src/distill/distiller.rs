//! Mix the likelihood with what the teacher knows: LKD, ILKD, SKD, and the likelihood of the teacher's samples.

use super::alignment::{Pair, align, align_ends};
use super::distances::Taps;
use super::pool::{Draw, Pool, draw};
use super::projector::Projector;
use super::{DistillConfig, Projection, Scale, SharedNoise, SkdForm};
use crate::flows::Flow;
use crate::pictures::VariationalDequantizer;
use crate::train::{Batch, Loss, Objective, nll_of};
use crate::{Error, Parameters, Result};
use burn::tensor::Tensor;

/// The loss of a student beside a frozen teacher.
///
/// The teacher is kept without autodiff; nothing here can change it. A student that is a copy of its teacher has every distillation term
/// exactly 0.
#[derive(Clone, Debug)]
pub struct Distillation {
    pub(super) teacher: Flow,
    pub(super) config: DistillConfig,
    pub(super) pairs: Vec<Pair>,
    /// The steps of either flow whose states the pairs look at.
    pub(super) student_taps: Taps,
    pub(super) teacher_taps: Taps,
    /// Of every level, where a term compares latents or shares noise.
    pub(super) ends: Vec<Pair>,
    pub(super) projectors: Vec<Projector>,
    /// What was drawn beforehand, by the temperature of its noise.
    pools: Vec<(f64, Pool)>,
    /// The teacher's, frozen: no parameter of the training.
    dequantizer: Option<VariationalDequantizer>,
    pub(super) seed: u64,
    notes: Vec<String>,
    identity: String,
}

crate::parameters!(Distillation { projectors });

impl Distillation {
    /// Check that teacher and student fit, align them, and draw the pool of shared noise; `batch` is the batch size of the training.
    ///
    /// # Errors
    /// [`Error::Config`] for settings out of range, [`Error::Alignment`] for flows that the losses cannot bring together,
    /// [`Error::NotFinite`] if the teacher's samples are not finite.
    pub fn new(teacher: &Flow, student: &Flow, config: &DistillConfig, seed: u64, batch: usize) -> Result<Self> {
        config.check()?;
        let (own, theirs) = (student.architecture(), teacher.architecture());
        if own.event != theirs.event || own.context != theirs.context {
            return Err(Error::alignment(
                "distillation",
                format!(
                    "the teacher models {:?} with {} conditioning values, the student {:?} with {}",
                    theirs.event, theirs.context, own.event, own.context
                ),
                "use a teacher trained on the same columns",
            ));
        }
        if (config.lkd > 0.0 || config.skd > 0.0 || config.teacher_samples > 0.0)
            && student.latent_events() != teacher.latent_events()
        {
            let problem = format!(
                "the student's latents have the shapes {:?}, the teacher's {:?}",
                student.latent_events(),
                teacher.latent_events()
            );
            let remedy = "give both flows the same number of levels, or use ilkd with pairs of the same shape";
            return Err(Error::alignment("distillation", problem, remedy));
        }
        let teacher = teacher.clone().constant();
        let mut notes = Vec::new();
        let ends = match config.lkd > 0.0 || config.skd > 0.0 {
            true => align_ends(student, &teacher, config, &mut notes)?,
            false => Vec::new(),
        };
        let mut pairs = Vec::new();
        if config.ilkd > 0.0
            || config.norm_control > 0.0
            || (config.skd > 0.0 && config.skd_form == SkdForm::Trajectory)
        {
            let (aligned, repairs) = align(student, &teacher, config)?;
            pairs = aligned;
            notes.extend(repairs);
        }
        notes.dedup();
        let events = own.step_events()?;
        let projector = |pair: &Pair| Projector::new(events[pair.student - 1][2], &student.device());
        let projectors = match config.projection {
            Projection::None => Vec::new(),
            Projection::Linear => pairs.iter().map(projector).collect(),
        };
        let identity = format!("{}-{:016x}", serde_json::to_string(config).unwrap_or_default(), teacher.fingerprint());
        let mut made = Self {
            teacher,
            config: config.clone(),
            student_taps: Taps::new(pairs.iter().map(|pair| pair.student)),
            teacher_taps: Taps::new(pairs.iter().map(|pair| pair.teacher)),
            pairs,
            ends,
            projectors,
            pools: Vec::new(),
            dequantizer: None,
            seed,
            notes,
            identity,
        };
        let temperatures = if own.context == 0 && config.pool > 0 { made.temperatures() } else { Vec::new() };
        for temperature in temperatures {
            let (pool, dropped) = Pool::new(&made.teacher, config, temperature, made.noise_rows(batch), seed)?;
            if dropped > 0 {
                made.notes.push(format!(
                    "{dropped} of the teacher's samples were not finite or past {}: left out",
                    config.outlier
                ));
            }
            made.pools.push((temperature, pool));
        }
        Ok(made)
    }

    /// Draw the noise of pictures from the teacher's dequantiser, for `dequantization = "teacher"`: it is drawn once, before either flow.
    ///
    /// # Errors
    /// [`Error::Alignment`] for one of pictures of another shape.
    pub fn with_dequantizer(mut self, dequantizer: &VariationalDequantizer) -> Result<Self> {
        let (own, theirs) = (self.teacher.architecture().event, dequantizer.event());
        if own != theirs {
            let problem = format!("the dequantiser is for pictures of {theirs:?}, the teacher for {own:?}");
            return Err(Error::alignment("distillation", problem, "use the teacher's own dequantiser"));
        }
        self.identity += &format!("-noise-{:016x}", dequantizer.fingerprint());
        self.dequantizer = Some(dequantizer.clone().frozen());
        Ok(self)
    }

    /// The teacher's dequantiser, where both flows see its noise; the student's model keeps it.
    pub fn dequantizer(&self) -> Option<&VariationalDequantizer> {
        self.dequantizer.as_ref()
    }

    /// The batch as teacher and student see it.
    fn seen(&self, batch: &Batch) -> Result<Option<Batch>> {
        match (&self.dequantizer, self.config.dequantization) {
            (Some(dequantizer), _) => dequantizer.apply(batch).map(Some),
            (None, SharedNoise::Uniform) => Ok(None),
            (None, SharedNoise::Teacher) => Err(Error::config(
                "distill.dequantization",
                "the teacher has no dequantiser to draw the noise",
                "use uniform, or a teacher trained with variational dequantization",
            )),
        }
    }

    /// What was aligned, repaired or left out, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The aligned pairs of ILKD.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The teacher.
    pub fn teacher(&self) -> &Flow {
        &self.teacher
    }

    fn noise_rows(&self, batch: usize) -> usize {
        if self.config.noise_batch == 0 { batch } else { self.config.noise_batch }
    }

    /// Rows of noise beside a batch: with a context, one for each of its rows.
    pub(super) fn rows_of(&self, batch: &Batch) -> usize {
        let rows = batch.x.dims()[0];
        if batch.context.is_some() { rows } else { self.noise_rows(rows) }
    }

    /// The temperatures at which the teacher is sampled.
    fn temperatures(&self) -> Vec<f64> {
        let (config, terms) = (&self.config, &self.config.terms);
        let inverse = config.skd > 0.0 && config.skd_form == SkdForm::Inverse;
        let all = [(inverse, &terms.skd), (config.teacher_samples > 0.0, &terms.teacher_samples)];
        let mut all: Vec<f64> =
            all.into_iter().filter(|(draws, _)| *draws).map(|(_, term)| config.temperature_of(term)).collect();
        all.dedup();
        all
    }

    /// The teacher's samples of a step.
    fn draw_at(&self, temperature: f64, batch: &Batch, step: u64) -> Result<Draw> {
        match self.pools.iter().find(|(own, _)| *own == temperature) {
            Some((_, pool)) => Ok(pool.at(step).clone()),
            None => {
                let (rows, context) = (self.rows_of(batch), batch.context.as_ref());
                draw(&self.teacher, &self.config, temperature, rows, (self.seed, step), context)
            }
        }
    }
}

/// A loss that grows by weighted terms.
struct Sum {
    total: Option<Tensor<1>>,
    terms: Vec<(&'static str, Tensor<1>)>,
}

impl Sum {
    /// Add a term. What weighs nothing is told and stays out of the loss: nothing times NaN is NaN.
    fn add(&mut self, name: &'static str, weight: f64, term: Tensor<1>) {
        self.terms.push((name, term.clone()));
        if weight > 0.0 {
            let term = term * weight;
            self.total = Some(match self.total.take() {
                Some(total) => total + term,
                None => term,
            });
        }
    }

    /// The loss; zero on the weights of `flow` where no term weighs anything at this step.
    fn finish(self, flow: &Flow) -> Loss {
        let zero = || match (flow.joined(), flow.params().into_iter().find(|(_, param)| param.is_trainable())) {
            (Some(weights), _) => weights.clone().sum() * 0.0,
            (None, Some((_, param))) => param.flat().clone().sum() * 0.0,
            (None, None) => Tensor::zeros([1], &flow.device()),
        };
        Loss { total: self.total.unwrap_or_else(zero), terms: self.terms }
    }
}

impl Objective for Distillation {
    fn loss(&self, flow: &Flow, batch: &Batch, step: u64, total: u64) -> Result<Loss> {
        let config = &self.config;
        let (given, seen) = (batch, self.seen(batch)?);
        let batch = seen.as_ref().unwrap_or(given);
        let weights = config.weights_at(step, total);
        let context = batch.context.as_ref();
        let scale = match (config.scale, flow.architecture().is_picture()) {
            (Scale::PerDimension, false) => flow.architecture().dimensions() as f64 * std::f64::consts::LN_2,
            (Scale::PerDimension, true) | (Scale::Mean, _) => 1.0,
        };
        let (latents, log_det, trace) = flow.forward_tapped(batch.x.clone(), context, &self.student_taps.0)?;
        let nll = batch.loss_of(flow, -(flow.latent_log_prob(&latents) + log_det).mean());
        let mut sum = Sum { total: None, terms: Vec::new() };
        sum.add("nll", weights.nll, nll);
        let form = (weights.skd > 0.0).then_some(config.skd_form);
        let trajectory = form == Some(SkdForm::Trajectory);
        if weights.lkd > 0.0 || weights.ilkd > 0.0 || weights.norm_control > 0.0 || trajectory {
            let (target, _, states) = self.teacher.forward_tapped(batch.x.clone(), context, &self.teacher_taps.0)?;
            if weights.lkd > 0.0 {
                sum.add("lkd", weights.lkd * scale, self.lkd(&latents, &target));
            }
            if weights.ilkd > 0.0 {
                sum.add("ilkd", weights.ilkd * scale, self.ilkd(&trace, &states));
            }
            if weights.norm_control > 0.0 {
                sum.add("norm", weights.norm_control, self.norm_control(&trace, &states));
            }
            if trajectory {
                let term = self.skd_trajectory(flow, &batch.x, [&trace, &states], context)?;
                sum.add("skd", weights.skd * scale, term);
            }
        }
        let mut drawn = None;
        let skd = match form {
            Some(SkdForm::Cycle) => self.skd_cycle(flow, batch, step)?,
            Some(SkdForm::Inverse) => {
                let temperature = config.temperature_of(&config.terms.skd);
                let (_, draw) = drawn.insert((temperature, self.draw_at(temperature, batch, step)?));
                self.skd_inverse(flow, draw)?
            }
            Some(SkdForm::Trajectory) | None => None,
        };
        if let Some(term) = skd {
            sum.add("skd", weights.skd * scale, term);
        }
        if weights.teacher_samples > 0.0 {
            let temperature = config.temperature_of(&config.terms.teacher_samples);
            let draw = match drawn {
                Some((own, draw)) if own == temperature => draw,
                _ => self.draw_at(temperature, batch, step)?,
            };
            let term = -flow.log_prob(draw.samples.clone(), draw.context.as_ref())?.mean();
            // The teacher's samples come without noise, hence without its density.
            sum.add("teacher_samples", weights.teacher_samples, given.loss_of(flow, term));
        }
        Ok(sum.finish(flow))
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn calibrate(&self, flow: &mut Flow, batch: &Batch, momentum: f64) -> Result<()> {
        let seen = self.seen(batch)?;
        let batch = seen.as_ref().unwrap_or(batch);
        flow.calibrate(&batch.x, batch.context.as_ref(), momentum)
    }

    fn validate(&self, flow: &Flow, batches: &mut dyn Iterator<Item = Batch>) -> Result<f64> {
        nll_of(flow, batches.map(|batch| Ok(self.seen(&batch)?.unwrap_or(batch))))
    }
}
