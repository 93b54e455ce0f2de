//! Mix the likelihood with what the teacher knows: LKD, ILKD, SKD, and the likelihood of the teacher's samples.

use super::alignment::{Pair, align, align_ends};
use super::pool::{Draw, Pool, draw, row_indices, rows_within, select_noise};
use super::projector::Projector;
use super::{DistillConfig, Projection, SharedNoise, SkdForm};
use crate::flows::{Flow, Latents};
use crate::pictures::VariationalDequantizer;
use crate::train::{Batch, Loss, Objective, nll_of};
use crate::{Error, Result};
use burn::tensor::Tensor;

/// The loss of a student beside a frozen teacher.
///
/// The teacher is kept without autodiff; nothing here can change it. A student that is a copy of its teacher has every distillation term
/// exactly 0.
#[derive(Clone, Debug)]
pub struct Distillation {
    teacher: Flow,
    config: DistillConfig,
    pairs: Vec<Pair>,
    /// The steps of either flow whose states the pairs look at.
    student_taps: Taps,
    teacher_taps: Taps,
    ends: Pair,
    projectors: Vec<Projector>,
    pool: Option<Pool>,
    /// The teacher's, frozen: no parameter of the training.
    dequantizer: Option<VariationalDequantizer>,
    seed: u64,
    notes: Vec<String>,
    identity: String,
}

crate::parameters!(Distillation { projectors });

/// Steps whose states are kept, each once, in rising order.
#[derive(Clone, Debug)]
struct Taps(Vec<usize>);

impl Taps {
    fn new(steps: impl Iterator<Item = usize>) -> Self {
        let mut all: Vec<usize> = steps.collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Where the state of a step stands.
    fn at(&self, step: usize) -> usize {
        self.0.partition_point(|own| *own < step)
    }
}

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
            false => Pair { student: own.steps(), teacher: theirs.steps(), student_order: None, teacher_order: None },
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
            pool: None,
            dequantizer: None,
            seed,
            notes,
            identity,
        };
        if made.needs_draws() && own.context == 0 && config.pool > 0 {
            let (pool, dropped) = Pool::new(&made.teacher, config, config.pool, made.noise_rows(batch), seed)?;
            if dropped > 0 {
                made.notes.push(format!(
                    "{dropped} of the teacher's samples were not finite or past {}: left out",
                    config.outlier
                ));
            }
            made.pool = Some(pool);
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

    fn needs_draws(&self) -> bool {
        self.config.teacher_samples > 0.0 || (self.config.skd > 0.0 && self.config.skd_form == SkdForm::Inverse)
    }

    /// The mean distance over all dimensions of the latents, those that left at a split included.
    fn lkd(&self, student: &Latents, teacher: &Latents) -> Tensor<1> {
        self.over_levels(student, teacher, |top, s, t| {
            let (s, t) = if top { self.ends.in_common_order(s, t) } else { (s, t) };
            self.config.distance.mean(s, t)
        })
    }

    /// The mean over the levels of latents, each counted by its dimensions; the flag says which level is the last.
    fn over_levels(
        &self,
        student: &Latents,
        teacher: &Latents,
        term: impl Fn(bool, Tensor<4>, Tensor<4>) -> Tensor<1>,
    ) -> Tensor<1> {
        let (all, levels) = (student.dimensions() as f64, student.levels.len());
        let each = student.levels.iter().zip(&teacher.levels).enumerate().map(|(index, (s, t))| {
            let own = s.dims()[1..].iter().product::<usize>() as f64;
            let distance = term(index + 1 == levels, s.clone(), t.clone());
            if levels == 1 { distance } else { distance * (own / all) }
        });
        each.reduce(|sum, next| sum + next).expect("latents have a level")
    }

    /// The mean distance of the aligned states.
    fn ilkd(&self, student: &[Tensor<4>], teacher: &[Tensor<4>]) -> Tensor<1> {
        self.mean_over_pairs(student, teacher, |s, t| self.config.distance.mean(s, t))
    }

    /// How far the student's states are from the teacher's in mean squared size.
    fn norm_control(&self, student: &[Tensor<4>], teacher: &[Tensor<4>]) -> Tensor<1> {
        self.mean_over_pairs(student, teacher, |s, t| (s.square().mean() / t.square().mean() - 1.0).square())
    }

    fn mean_over_pairs(
        &self,
        student: &[Tensor<4>],
        teacher: &[Tensor<4>],
        term: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
    ) -> Tensor<1> {
        let each = self.pairs.iter().enumerate().map(|(index, pair)| {
            let (s, t) = pair.in_common_order(
                student[self.student_taps.at(pair.student)].clone(),
                teacher[self.teacher_taps.at(pair.teacher)].clone(),
            );
            let s = self.projectors.get(index).map_or(s.clone(), |projector| projector.forward(s));
            term(s, t)
        });
        Tensor::cat(each.collect(), 0).mean()
    }

    /// The distance of what the two inverses make of the same noise.
    fn skd_inverse(&self, student: &Flow, draw: &Draw) -> Result<Option<Tensor<1>>> {
        let device = student.device();
        let context = draw.context.as_ref();
        let mut noise = draw.noise.clone();
        let mut target = draw.samples.clone();
        let mut samples = self.student_samples(student, &noise, context)?;
        // A row that the student throws far out would drown the others, or spoil the gradient; it waits until the student is better.
        let good = rows_within(&samples, 10.0 * self.config.outlier);
        if good.is_empty() {
            return Ok(None);
        }
        if good.len() < noise.batch() {
            noise = select_noise(&noise, &good, &device);
            target = target.select(0, row_indices(&good, &device));
            let context = context.map(|c| c.clone().select(0, row_indices(&good, &device)));
            samples = self.student_samples(student, &noise, context.as_ref())?;
        }
        Ok(Some(self.config.distance.mean(samples, target)))
    }

    fn student_samples(
        &self,
        student: &Flow,
        noise: &crate::base::Noise,
        context: Option<&Tensor<2>>,
    ) -> Result<Tensor<4>> {
        let mut own = noise.clone();
        own.normal = own.normal.into_iter().map(|level| self.ends.to_student(level)).collect();
        Ok(student.inverse(&student.latents_from_noise(&own, self.config.temperature), context)?.0)
    }

    /// The distance between the noise and what the teacher makes of the student's sample from it.
    fn skd_cycle(&self, student: &Flow, batch: &Batch, step: u64) -> Result<Option<Tensor<1>>> {
        let rows = if batch.context.is_some() { batch.x.dims()[0] } else { self.noise_rows(batch.x.dims()[0]) };
        let mut rng = crate::random::stream(self.seed, "cycle noise", step);
        let mut noise = crate::base::Noise::draw(rows, self.teacher.latent_events(), &mut rng, &student.device());
        let mut context = batch.context.clone();
        let mut samples = self.student_samples(student, &noise, context.as_ref())?;
        let good = rows_within(&samples, self.config.outlier);
        if good.is_empty() {
            return Ok(None);
        }
        if good.len() < rows {
            let device = student.device();
            noise = select_noise(&noise, &good, &device);
            context = context.map(|c| c.select(0, row_indices(&good, &device)));
            samples = self.student_samples(student, &noise, context.as_ref())?;
        }
        let (latents, _) = self.teacher.forward(samples, context.as_ref())?;
        let wanted = self.teacher.latents_from_noise(&noise, self.config.temperature);
        Ok(Some(self.over_levels(&latents, &wanted, |_, s, t| self.config.distance.mean_beyond_rounding(s, t))))
    }

    /// The mean distance between the teacher's states and what the student's blocks, inverted at the teacher's next state, make of them.
    fn skd_trajectory(
        &self,
        student: &Flow,
        x: &Tensor<4>,
        teacher: &[Tensor<4>],
        context: Option<&Tensor<2>>,
    ) -> Result<Tensor<1>> {
        let mut terms = Vec::new();
        let (mut from, mut before) = (0, x.clone());
        for pair in &self.pairs {
            let start = pair.to_student(teacher[self.teacher_taps.at(pair.teacher)].clone());
            if let Some(ended) = student.architecture().level_ends().iter().position(|end| *end == from) {
                // A level begins with what the last one kept.
                before = before.narrow(3, 0, student.architecture().splits[ended].kept());
            }
            let back = student.inverse_steps(from..pair.student, start.clone(), context)?;
            terms.push(self.config.distance.mean_beyond_rounding(back, before));
            (from, before) = (pair.student, start);
        }
        Ok(Tensor::cat(terms, 0).mean())
    }
}

impl Objective for Distillation {
    fn loss(&self, flow: &Flow, batch: &Batch, step: u64, total: u64) -> Result<Loss> {
        let config = &self.config;
        let (given, seen) = (batch, self.seen(batch)?);
        let batch = seen.as_ref().unwrap_or(given);
        let ramp = config.ramp(step, total);
        let context = batch.context.as_ref();
        let weight_of_nll = 1.0 - ramp * (1.0 - config.nll());
        let (latents, log_det, trace) = flow.forward_tapped(batch.x.clone(), context, &self.student_taps.0)?;
        let nll = batch.loss_of(flow, -(flow.latent_log_prob(&latents) + log_det).mean());
        let mut sum = nll.clone() * weight_of_nll;
        let mut terms = vec![("nll", nll)];
        let mut add = |name, weight: f64, term: Tensor<1>| {
            sum = sum.clone() + term.clone() * (weight * ramp);
            terms.push((name, term));
        };
        let takes_skd = |form| config.skd > 0.0 && config.skd_form == form && step.is_multiple_of(config.skd_every);
        let trajectory = takes_skd(SkdForm::Trajectory);
        if config.lkd > 0.0 || config.ilkd > 0.0 || config.norm_control > 0.0 || trajectory {
            let (target, _, states) = self.teacher.forward_tapped(batch.x.clone(), context, &self.teacher_taps.0)?;
            if config.lkd > 0.0 {
                add("lkd", config.lkd, self.lkd(&latents, &target));
            }
            if config.ilkd > 0.0 {
                add("ilkd", config.ilkd, self.ilkd(&trace, &states));
            }
            if config.norm_control > 0.0 {
                add("norm", config.norm_control, self.norm_control(&trace, &states));
            }
            if trajectory {
                add("skd", config.skd, self.skd_trajectory(flow, &batch.x, &states, context)?);
            }
        }
        if takes_skd(SkdForm::Cycle)
            && let Some(term) = self.skd_cycle(flow, batch, step)?
        {
            add("skd", config.skd, term);
        }
        if self.needs_draws() {
            let fresh = match &self.pool {
                Some(_) => None,
                None => {
                    let rows = if context.is_some() { batch.x.dims()[0] } else { self.noise_rows(batch.x.dims()[0]) };
                    Some(draw(&self.teacher, config, rows, self.seed, step, context)?)
                }
            };
            let pooled = self.pool.as_ref().map(|pool| pool.at(step));
            if let Some(draw) = pooled.or(fresh.as_ref()) {
                if takes_skd(SkdForm::Inverse)
                    && let Some(term) = self.skd_inverse(flow, draw)?
                {
                    add("skd", config.skd, term);
                }
                if config.teacher_samples > 0.0 {
                    let term = -flow.log_prob(draw.samples.clone(), draw.context.as_ref())?.mean();
                    // The teacher's samples come without noise, hence without its density.
                    let term = given.loss_of(flow, term);
                    add("teacher_samples", config.teacher_samples, term);
                }
            }
        }
        Ok(Loss { total: sum, terms })
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
