//! Run a whole flow in both directions, and derive densities and samples from that.

use super::segment::Segments;
use super::{Architecture, Latents, Memory, Trace};
use crate::base::{Base, BaseConfig, Noise};
use crate::bijectors::{Bijector, Context, Reordering, Split, build_all};
use crate::flows::program::{self, Lease, Loaded, Programs};
use crate::param::{Param, Parameters, join};
use crate::shape::zero_log_det;
use crate::{Error, Result, random};
use burn::tensor::{DType, Device, Tensor};
use flowstill_runtime::{Purpose, Refused};
use rand::RngCore;
use std::sync::Arc;

/// Latents of every level, the log-det, and the tapped states.
type Run = (Vec<Tensor<4>>, Tensor<1>, Vec<Tensor<4>>);

/// The steps between two changes of shape.
#[derive(Clone, Debug)]
pub struct Level {
    steps: Vec<Box<dyn Bijector>>,
    split: Option<Split>,
}

crate::parameters!(Level { steps, split });

impl Level {
    /// Steps, data side first, and the split that ends every level but the last.
    pub fn new(steps: Vec<Box<dyn Bijector>>, split: Option<Split>) -> Self {
        Self { steps, split }
    }

    /// The steps, data side first.
    pub fn steps(&self) -> &[Box<dyn Bijector>] {
        &self.steps
    }

    /// What lets half of the channels leave after the last step; none on the last level.
    pub fn split(&self) -> Option<&Split> {
        self.split.as_ref()
    }
}

/// A normalizing flow: bijectors from data to latents and a base density.
///
/// `log p(x | context) = base.log_prob(z) + log |det dz/dx|`, in nats, of the data as this flow sees them; a
/// [`Model`](crate::model::Model) adds the preprocessing, for densities in the data's own units.
#[derive(Clone, Debug)]
pub struct Flow {
    architecture: Architecture,
    levels: Vec<Level>,
    base: Base,
    /// The shape of each level's latents.
    latent_events: Vec<[usize; 3]>,
    memory: Memory,
    programs: Programs,
    segments: Segments,
    /// While it is trained: all trainable values as one leaf of a tape, beside the leaves that the parameters are. Programs stand on this one.
    joined: Option<Tensor<1>>,
    loaded: Loaded,
}

impl Parameters for Flow {
    fn collect<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a Param)>) {
        self.levels.collect(&join(path, "levels"), out);
        self.base.collect(&join(path, "base"), out);
    }

    fn collect_mut<'a>(&'a mut self, path: &str, out: &mut Vec<(String, &'a mut Param)>) {
        // Whoever asks for this will change something.
        self.loaded = Loaded::default();
        self.levels.collect_mut(&join(path, "levels"), out);
        self.base.collect_mut(&join(path, "base"), out);
    }
}

impl Flow {
    /// Build with fresh weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Shape`] name the setting that does not fit.
    pub fn new(architecture: &Architecture, seed: u64, device: &Device) -> Result<Self> {
        Self::drawn(architecture, "weights", seed, device)
    }

    /// The same for a student: its weights come from a stream of their own, so that it does not start as a part of a teacher of the same seed.
    ///
    /// # Errors
    /// As [`Flow::new`].
    pub fn student(architecture: &Architecture, seed: u64, device: &Device) -> Result<Self> {
        Self::drawn(architecture, "weights of a student", seed, device)
    }

    fn drawn(architecture: &Architecture, purpose: &str, seed: u64, device: &Device) -> Result<Self> {
        architecture.check()?;
        let mut rng = random::stream(seed, purpose, 0);
        let mut levels = Vec::new();
        for (index, level) in architecture.levels.iter().enumerate() {
            let steps = build_all(level, &mut rng, device)?;
            let split = architecture.splits.get(index).map(|split| Split::new(split, &mut rng, device)).transpose()?;
            levels.push(Level { steps, split });
        }
        Self::assemble(architecture.clone(), levels, &mut rng, device)
    }

    /// Of layers that the architecture, which was checked, describes.
    pub(super) fn assemble(
        architecture: Architecture,
        levels: Vec<Level>,
        rng: &mut impl RngCore,
        device: &Device,
    ) -> Result<Self> {
        let latent_events = architecture.latent_events()?;
        let top = *latent_events.last().expect("a checked architecture has a level");
        let base = Base::new(&architecture.base, top, rng, device)?;
        let (memory, programs) = (Memory::default(), Programs::default());
        Ok(Self {
            architecture,
            levels,
            base,
            latent_events,
            memory,
            programs,
            segments: Segments::default(),
            joined: None,
            loaded: Loaded::default(),
        })
    }

    /// What rebuilds this flow, weights aside.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The levels, data side first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The base density.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// A copy that keeps this much between a forward and a backward pass. On the CPU alone; elsewhere everything is stored.
    pub fn with_memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// A copy that runs as a composition of its bijectors, one after the other, also where it could run as one compiled program: the reference to
    /// which programs are held.
    pub fn composed(mut self) -> Self {
        self.programs = Programs::none();
        // One that ran before would run again.
        self.loaded = Loaded::default();
        self
    }

    /// Whether the flow, as f32 on the CPU, runs as one compiled program.
    pub fn is_compiled(&self) -> bool {
        self.refused().is_none()
    }

    /// Why the flow has no compiled program and runs as a composition of tensor operations everywhere, if it has none.
    pub fn refused(&self) -> Option<&Refused> {
        self.programs.refused(self)
    }

    /// Whether [`Flow::composed`] made it.
    pub(super) fn is_composed(&self) -> bool {
        self.programs.is_none()
    }

    pub(super) fn with_programs(mut self, programs: Programs) -> Self {
        self.programs = programs;
        self
    }

    pub(super) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// A step that is going to be changed.
    pub(crate) fn step_mut(&mut self, level: usize, place: usize) -> &mut Box<dyn Bijector> {
        self.loaded = Loaded::default();
        &mut self.levels[level].steps[place]
    }

    /// Let programs stand on one leaf, the beginning of `weights`, whose values are those of the parameters.
    pub(crate) fn join(&mut self, weights: &Tensor<1>) {
        let count = self.parameter_count();
        let own = if count == weights.dims()[0] { weights.clone() } else { weights.clone().narrow(0, 0, count) };
        self.joined = self.is_compiled().then(|| own.without_autodiff().autodiff().require_grad());
    }

    /// The program with the present weights, once it was needed.
    pub(crate) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The program with the present weights, in f32 on the CPU.
    pub(crate) fn lease(&self, purpose: Purpose) -> Option<Arc<Lease>> {
        let plain = |(_, param): &(String, &Param)| param.flat().dtype() == DType::F32;
        let here = self.device() == crate::device::cpu() && self.params().iter().all(plain);
        if here { self.loaded.get(self, &self.programs, purpose) } else { None }
    }

    /// The leaf that programs stand on.
    pub(crate) fn joined(&self) -> Option<&Tensor<1>> {
        self.joined.as_ref()
    }

    /// What is kept between a forward and a backward pass.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// The device that holds the weights; the CPU for a flow without any.
    pub fn device(&self) -> Device {
        crate::param::device_of(self)
    }

    /// The number of values an optimiser moves.
    pub fn parameter_count(&self) -> usize {
        crate::param::trainable_count(self)
    }

    /// The shape (height, width, channels) of the latents of every level.
    pub fn latent_events(&self) -> &[[usize; 3]] {
        &self.latent_events
    }

    /// The order of the channels after the first `steps` steps (over all levels), relative to the data; what was permuted on an earlier level
    /// counts as mixed.
    pub fn reordering_after(&self, steps: usize) -> Reordering {
        let (mut left, mut order) = (steps, Reordering::Kept);
        for level in &self.levels {
            let here =
                level.steps.iter().take(left).fold(Reordering::Kept, |before, step| before.then(step.reordering()));
            order = match (order, left) {
                (Reordering::Kept, _) => here,
                (order, 0) => order,
                _ => Reordering::Mixed,
            };
            left = left.saturating_sub(level.steps.len());
        }
        order
    }

    fn check(&self, dims: [usize; 4], context: Context<'_>) -> Result<()> {
        let [batch, event @ ..] = dims;
        if event != self.architecture.event {
            let expected = format!("[batch, {:?}]", self.architecture.event);
            return Err(Error::shape("input of the flow", expected, format!("{dims:?}")));
        }
        let wanted = self.architecture.context;
        match context.map(Tensor::dims) {
            None if wanted == 0 => Ok(()),
            Some(got) if wanted > 0 && got == [batch, wanted] => Ok(()),
            got => {
                let expected = if wanted == 0 { "none".to_string() } else { format!("[{batch}, {wanted}]") };
                Err(Error::shape(
                    "context of the flow",
                    expected,
                    got.map_or("none".into(), |dims| format!("{dims:?}")),
                ))
            }
        }
    }

    /// Data to latents, with `log |det dz/dx|`, `[batch]`, in nats.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` or `context` does not fit.
    pub fn forward(&self, x: Tensor<4>, context: Context<'_>) -> Result<(Latents, Tensor<1>)> {
        let (latents, log_det, _) = self.forward_tapped(x, context, &[])?;
        Ok((latents, log_det))
    }

    /// The same with the states after the steps `taps`, counted from 1 over all levels, in rising order.
    ///
    /// # Errors
    /// As [`Flow::forward`]; also for a tap that is no step.
    pub fn forward_tapped(
        &self,
        x: Tensor<4>,
        context: Context<'_>,
        taps: &[usize],
    ) -> Result<(Latents, Tensor<1>, Vec<Tensor<4>>)> {
        self.check(x.dims(), context)?;
        let steps = self.architecture.steps();
        if !taps.is_sorted_by(|a, b| a < b) || taps.iter().any(|tap| !(1..=steps).contains(tap)) {
            let expected = format!("steps 1 to {steps} in rising order");
            return Err(Error::shape("tapped steps", expected, format!("{taps:?}")));
        }
        if let Some((levels, log_det, tapped)) = program::forward(self, &self.programs, &x, context, taps) {
            return Ok((Latents { levels }, log_det, tapped));
        }
        let (levels, log_det, tapped) = self.run_plain(x, context, taps);
        Ok((Latents { levels }, log_det, tapped))
    }

    /// The same with the state after every step.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn forward_traced(&self, x: Tensor<4>, context: Context<'_>) -> Result<(Latents, Tensor<1>, Trace)> {
        let taps: Vec<usize> = (1..=self.architecture.steps()).collect();
        let (latents, log_det, mut states) = self.forward_tapped(x, context, &taps)?;
        let cut = |level: &Level| states.drain(..level.steps.len()).collect();
        Ok((latents, log_det, Trace { states: self.levels.iter().map(cut).collect() }))
    }

    fn run_plain(&self, x: Tensor<4>, context: Context<'_>, taps: &[usize]) -> Run {
        let mut total = zero_log_det(&x);
        let (mut state, mut number) = (x, 0);
        let (mut latents, mut tapped) = (Vec::with_capacity(self.levels.len()), Vec::with_capacity(taps.len()));
        for level in &self.levels {
            for step in &level.steps {
                let (next, log_det) = step.forward(state, context);
                total = total + log_det;
                state = next;
                number += 1;
                if taps.contains(&number) {
                    tapped.push(state.clone());
                }
            }
            if let Some(split) = &level.split {
                let (kept, eps, log_det) = split.forward(state, context);
                total = total + log_det;
                latents.push(eps);
                state = kept;
            }
        }
        latents.push(state);
        (latents, total, tapped)
    }

    /// Latents to data, with `log |det dz/dx|` at the result, `[batch]`, in nats.
    ///
    /// # Errors
    /// [`Error::Shape`] if a level or `context` does not fit, [`Error::Config`] names a layer that has no inverse.
    pub fn inverse(&self, latents: &Latents, context: Context<'_>) -> Result<(Tensor<4>, Tensor<1>)> {
        self.check_latents(latents, context)?;
        self.check_inverse()?;
        if let Some(done) = program::inverse(self, &self.programs, &latents.levels, context) {
            return Ok(done);
        }
        Ok(self.undo_plain(&latents.levels, context))
    }

    fn undo_plain(&self, latents: &[Tensor<4>], context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let mut state = latents[self.levels.len() - 1].clone();
        let mut total = zero_log_det(&state);
        for (index, level) in self.levels.iter().enumerate().rev() {
            if let Some(split) = &level.split {
                let (joined, log_det) = split.inverse(state, latents[index].clone(), context);
                total = total + log_det;
                state = joined;
            }
            for step in level.steps.iter().rev() {
                let (before, log_det) = step.inverse(state, context);
                total = total + log_det;
                state = before;
            }
        }
        (state, total)
    }

    fn check_latents(&self, latents: &Latents, context: Context<'_>) -> Result<()> {
        if latents.levels.len() != self.levels.len() {
            let expected = format!("{} levels", self.levels.len());
            return Err(Error::shape("latents", expected, format!("{} levels", latents.levels.len())));
        }
        let batch = latents.batch();
        for (level, (z, event)) in latents.levels.iter().zip(&self.latent_events).enumerate() {
            let [own, shape @ ..] = z.dims();
            if own != batch || shape != *event {
                let what = format!("latents of level {}", level + 1);
                return Err(Error::shape(what, format!("[{batch}, {event:?}]"), format!("{:?}", z.dims())));
            }
        }
        let [h, w, c] = self.architecture.event;
        self.check([batch, h, w, c], context)
    }

    /// A number that changes whenever a saved value does; tells that a teacher stayed as it was.
    pub fn fingerprint(&self) -> u64 {
        crate::param::fingerprint(self)
    }

    /// Log-density in nats, `[batch]`.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn log_prob(&self, x: Tensor<4>, context: Context<'_>) -> Result<Tensor<1>> {
        self.check(x.dims(), context)?;
        if self.base.config() == &BaseConfig::StandardNormal
            && let Some(log_prob) = program::log_prob(self, &self.programs, &x, context)
        {
            return Ok(log_prob);
        }
        let (latents, log_det) = self.forward(x, context)?;
        Ok(self.latent_log_prob(&latents) + log_det)
    }

    /// Log-density of latents under the base, `[batch]`, in nats.
    pub fn latent_log_prob(&self, latents: &Latents) -> Tensor<1> {
        let (top, lower) = latents.levels.split_last().expect("latents have a level");
        lower.iter().fold(self.base.log_prob(top), |sum, level| sum + Base::standard_log_prob(level))
    }

    /// Draw `count` samples; with a context, one sample for each of its rows.
    ///
    /// # Errors
    /// As [`Flow::forward`]; also if `context` has not `count` rows.
    pub fn sample(
        &self,
        count: usize,
        temperature: f64,
        context: Context<'_>,
        rng: &mut impl RngCore,
    ) -> Result<Tensor<4>> {
        Ok(self.sample_and_log_prob(count, temperature, context, rng)?.0)
    }

    /// Draw samples and their log-densities (those of the flow itself, whatever the temperature).
    ///
    /// # Errors
    /// As [`Flow::sample`].
    pub fn sample_and_log_prob(
        &self,
        count: usize,
        temperature: f64,
        context: Context<'_>,
        rng: &mut impl RngCore,
    ) -> Result<(Tensor<4>, Tensor<1>)> {
        let noise = self.draw_noise(count, rng);
        let latents = self.latents_from_noise(&noise, temperature);
        let (x, log_det) = self.inverse(&latents, context)?;
        Ok((x, self.latent_log_prob(&latents) + log_det))
    }

    /// Noise for `count` samples, on this flow's device.
    pub fn draw_noise(&self, count: usize, rng: &mut impl RngCore) -> Noise {
        Noise::draw(count, &self.latent_events, rng, &self.device())
    }

    /// Shape shared noise into this flow's latents, every level at the same temperature.
    pub fn latents_from_noise(&self, noise: &Noise, temperature: f64) -> Latents {
        let (top, lower) = noise.normal.split_last().expect("noise has a level");
        let lower = lower.iter().map(|level| level.clone() * temperature);
        let top = self.base.shape_noise(top, &noise.uniform, temperature);
        Latents { levels: lower.chain([top]).collect() }
    }

    /// Set data-dependent parameters (ActNorm, first statistics of BatchNorm) from one batch; what was set before stays.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn initialize(&mut self, x: &Tensor<4>, context: Context<'_>) -> Result<()> {
        self.check(x.dims(), context)?;
        self.pass(x, context, |step, state| step.initialize(state, context))
    }

    /// Move the statistics of BatchNorm towards those of one batch.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn calibrate(&mut self, x: &Tensor<4>, context: Context<'_>, momentum: f64) -> Result<()> {
        self.check(x.dims(), context)?;
        match self.has_statistics() {
            true => self.pass(x, context, |step, state| step.calibrate(state, context, momentum)),
            false => Ok(()),
        }
    }

    /// Carry a batch forth, step by step; `visit` may change a step right before it.
    fn pass(
        &mut self,
        x: &Tensor<4>,
        context: Context<'_>,
        mut visit: impl FnMut(&mut Box<dyn Bijector>, &Tensor<4>),
    ) -> Result<()> {
        self.loaded = Loaded::default();
        let mut state = x.clone();
        for (level, configs) in self.levels.iter_mut().zip(&self.architecture.levels) {
            for (step, config) in level.steps.iter_mut().zip(configs) {
                visit(step, &state);
                let [_, event @ ..] = state.dims();
                let alone = Flow::of_steps(vec![step.boxed()], vec![config.clone()], event, self.architecture.context)?;
                state = alone.forward(state, context)?.0.levels.remove(0);
            }
            if let Some(split) = &level.split {
                state = split.forward(state, context).0;
            }
        }
        Ok(())
    }

    /// Whether [`Flow::calibrate`] changes anything.
    pub fn has_statistics(&self) -> bool {
        self.levels.iter().flat_map(|level| &level.steps).any(|step| step.has_statistics())
    }

    /// A copy in another number type; tests of the laws run in f64.
    pub fn cast(mut self, dtype: DType) -> Self {
        self.joined = None;
        self.params_mut().into_iter().for_each(|(_, param)| param.cast(dtype));
        self
    }

    /// A copy on another device.
    pub fn to_device(mut self, device: &Device) -> Self {
        self.joined = None;
        self.params_mut().into_iter().for_each(|(_, param)| param.to_device(device));
        self
    }

    /// A copy whose trainable tensors are leaves of an autodiff tape.
    pub fn tracked(mut self) -> Self {
        self.joined = None;
        let leaf = |param: &mut Param| param.set(param.flat().clone().without_autodiff().autodiff().require_grad());
        self.params_mut().into_iter().map(|(_, param)| param).filter(|param| param.is_trainable()).for_each(leaf);
        self
    }

    /// A copy that is a constant on an autodiff tape: no gradient reaches it, and it computes by the very operations that a tracked flow
    /// computes by (Burn fuses some, such as the softmax, only away from a tape), so that equal weights give equal bits.
    pub fn constant(mut self) -> Self {
        self.joined = None;
        let still = |param: &mut Param| param.set(param.flat().clone().without_autodiff().autodiff());
        self.params_mut().into_iter().for_each(|(_, param)| still(param));
        self
    }

    /// A copy that records nothing: the frozen teacher, and what runs after training.
    pub fn frozen(mut self) -> Self {
        self.joined = None;
        crate::param::freeze(&mut self);
        self
    }
}
