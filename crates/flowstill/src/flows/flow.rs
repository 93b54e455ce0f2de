//! Hold a whole flow: its description, its levels, its base, and what it needs to run; copies of it for every purpose.

use super::programs::{Lease, Loaded, Programs};
use super::segment::Segments;
use super::{Architecture, Memory};
use crate::base::Base;
use crate::bijectors::{Bijector, Reordering, Split, build_all};
use crate::param::{Param, Parameters, join};
use crate::{Result, random};
use burn::tensor::{DType, Device, Tensor};
use flowstill_runtime::{Purpose, Refused};
use rand::RngCore;
use std::sync::Arc;

/// The steps between two changes of shape.
#[derive(Clone, Debug)]
pub struct Level {
    pub(super) steps: Vec<Box<dyn Bijector>>,
    pub(super) split: Option<Split>,
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
    pub(super) levels: Vec<Level>,
    base: Base,
    /// The shape of each level's latents.
    latent_events: Vec<[usize; 3]>,
    memory: Memory,
    pub(super) programs: Programs,
    segments: Segments,
    /// While it is trained: all trainable values as one leaf of a tape, beside the leaves that the parameters are. Programs stand on this one.
    joined: Option<Tensor<1>>,
    pub(super) loaded: Loaded,
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
    /// [`Error::Config`](crate::Error::Config) or [`Error::Shape`](crate::Error::Shape) name the setting that does not fit.
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

    /// A number that changes whenever a saved value does; tells that a teacher stayed as it was.
    pub fn fingerprint(&self) -> u64 {
        crate::param::fingerprint(self)
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
