//! Run a whole flow in both directions, and derive densities and samples from that.

use super::architecture::reordering_after;
use super::{Architecture, Latents, Trace};
use crate::base::{Base, Noise};
use crate::bijectors::{Bijector, Context, Reordering, build_all};
use crate::param::{Param, Parameters};
use crate::shape::zero_log_det;
use crate::{Error, Result, random};
use burn::tensor::{DType, Device, Tensor};
use rand::RngCore;

/// The steps between two changes of shape.
#[derive(Clone, Debug)]
pub struct Level {
    steps: Vec<Box<dyn Bijector>>,
}

crate::parameters!(Level { steps });

impl Level {
    /// The steps, data side first.
    pub fn steps(&self) -> &[Box<dyn Bijector>] {
        &self.steps
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
}

crate::parameters!(Flow { levels, base });

impl Flow {
    /// Build with fresh weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Shape`] name the setting that does not fit.
    pub fn new(architecture: &Architecture, seed: u64, device: &Device) -> Result<Self> {
        architecture.check()?;
        let mut rng = random::stream(seed, "weights", 0);
        let mut levels = Vec::new();
        for level in &architecture.levels {
            levels.push(Level { steps: build_all(level, &mut rng, device)? });
        }
        let base = Base::new(&architecture.base, architecture.event, &mut rng, device)?;
        Ok(Self { architecture: architecture.clone(), levels, base })
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

    /// The device that holds the weights; the default CPU device for a flow without any.
    pub fn device(&self) -> Device {
        self.params().first().map_or_else(Device::default, |(_, param)| param.flat().device().without_autodiff())
    }

    /// The number of values an optimiser moves.
    pub fn parameter_count(&self) -> usize {
        self.params().iter().filter(|(_, p)| p.is_trainable()).map(|(_, p)| p.len()).sum()
    }

    /// The order of the channels after the first `steps` steps, relative to the data.
    pub fn reordering_after(&self, steps: usize) -> Reordering {
        reordering_after(&self.levels[0].steps, steps)
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
        self.run_forward(x, context, None)
    }

    /// The same with the state after every step.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn forward_traced(&self, x: Tensor<4>, context: Context<'_>) -> Result<(Latents, Tensor<1>, Trace)> {
        let mut trace = Trace { states: Vec::new() };
        let (latents, log_det) = self.run_forward(x, context, Some(&mut trace))?;
        Ok((latents, log_det, trace))
    }

    fn run_forward(
        &self,
        x: Tensor<4>,
        context: Context<'_>,
        mut trace: Option<&mut Trace>,
    ) -> Result<(Latents, Tensor<1>)> {
        self.check(x.dims(), context)?;
        let mut total = zero_log_det(&x);
        let mut state = x;
        for level in &self.levels {
            let mut states = Vec::new();
            for step in &level.steps {
                let (next, log_det) = step.forward(state, context);
                total = total + log_det;
                state = next;
                if trace.is_some() {
                    states.push(state.clone());
                }
            }
            if let Some(trace) = trace.as_mut() {
                trace.states.push(states);
            }
        }
        Ok((Latents::single(state), total))
    }

    /// Latents to data, with `log |det dz/dx|` at the result, `[batch]`, in nats.
    ///
    /// # Errors
    /// [`Error::Shape`] if a level or `context` does not fit.
    pub fn inverse(&self, latents: &Latents, context: Context<'_>) -> Result<(Tensor<4>, Tensor<1>)> {
        let [z] = latents.levels.as_slice() else {
            return Err(Error::shape("latents", "1 level", format!("{} levels", latents.levels.len())));
        };
        self.check(z.dims(), context)?;
        let start = (z.clone(), zero_log_det(z));
        Ok(self.levels.iter().rev().flat_map(|level| level.steps.iter().rev()).fold(start, |(state, total), step| {
            let (state, log_det) = step.inverse(state, context);
            (state, total + log_det)
        }))
    }

    /// Undo the steps of a range (counted from 0) alone, without the log-det; shapes are the caller's care.
    pub(crate) fn inverse_steps(
        &self,
        range: std::ops::Range<usize>,
        state: Tensor<4>,
        context: Context<'_>,
    ) -> Tensor<4> {
        let steps: Vec<_> = self.levels.iter().flat_map(|level| &level.steps).collect();
        steps[range].iter().rev().fold(state, |state, step| step.inverse(state, context).0)
    }

    /// A number that changes whenever a saved value does; tells that a teacher stayed as it was.
    pub fn fingerprint(&self) -> u64 {
        let saved = self.params().into_iter().filter(|(_, param)| param.role() != crate::Role::Constant);
        saved.flat_map(|(_, param)| param.values()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, value| {
            (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    /// Log-density in nats, `[batch]`.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn log_prob(&self, x: Tensor<4>, context: Context<'_>) -> Result<Tensor<1>> {
        let (latents, log_det) = self.forward(x, context)?;
        Ok(self.latent_log_prob(&latents) + log_det)
    }

    /// Log-density of latents under the base, `[batch]`, in nats.
    pub fn latent_log_prob(&self, latents: &Latents) -> Tensor<1> {
        self.base.log_prob(&latents.levels[0])
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
        let noise = Noise::draw(count, self.architecture.event, rng, &self.device());
        let latents = self.latents_from_noise(&noise, temperature);
        let (x, log_det) = self.inverse(&latents, context)?;
        Ok((x, self.latent_log_prob(&latents) + log_det))
    }

    /// Shape shared noise into this flow's latents.
    pub fn latents_from_noise(&self, noise: &Noise, temperature: f64) -> Latents {
        Latents::single(self.base.shape_noise(noise, temperature))
    }

    /// Set data-dependent parameters (ActNorm, first statistics of BatchNorm) from one batch; what was set before stays.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn initialize(&mut self, x: &Tensor<4>, context: Context<'_>) -> Result<()> {
        self.check(x.dims(), context)?;
        self.pass(x, context, |step, state| step.initialize(state, context));
        Ok(())
    }

    /// Move the statistics of BatchNorm towards those of one batch.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn calibrate(&mut self, x: &Tensor<4>, context: Context<'_>, momentum: f64) -> Result<()> {
        self.check(x.dims(), context)?;
        if self.has_statistics() {
            self.pass(x, context, |step, state| step.calibrate(state, context, momentum));
        }
        Ok(())
    }

    fn pass(&mut self, x: &Tensor<4>, context: Context<'_>, mut visit: impl FnMut(&mut Box<dyn Bijector>, &Tensor<4>)) {
        let mut state = x.clone();
        for step in self.levels.iter_mut().flat_map(|level| &mut level.steps) {
            visit(step, &state);
            state = step.forward(state, context).0;
        }
    }

    /// Whether [`Flow::calibrate`] changes anything.
    pub fn has_statistics(&self) -> bool {
        self.levels.iter().flat_map(|level| &level.steps).any(|step| step.has_statistics())
    }

    /// A copy in another number type; tests of the laws run in f64.
    pub fn cast(mut self, dtype: DType) -> Self {
        self.params_mut().into_iter().for_each(|(_, param)| param.cast(dtype));
        self
    }

    /// A copy on another device.
    pub fn to_device(mut self, device: &Device) -> Self {
        self.params_mut().into_iter().for_each(|(_, param)| param.to_device(device));
        self
    }

    /// A copy whose trainable tensors are leaves of an autodiff tape.
    pub fn tracked(mut self) -> Self {
        let leaf = |param: &mut Param| param.set(param.flat().clone().without_autodiff().autodiff().require_grad());
        self.params_mut().into_iter().map(|(_, param)| param).filter(|param| param.is_trainable()).for_each(leaf);
        self
    }

    /// A copy that is a constant on an autodiff tape: no gradient reaches it, and it computes by the very operations that a tracked flow
    /// computes by (Burn fuses some, such as the softmax, only away from a tape), so that equal weights give equal bits.
    pub fn constant(mut self) -> Self {
        let still = |param: &mut Param| param.set(param.flat().clone().without_autodiff().autodiff());
        self.params_mut().into_iter().for_each(|(_, param)| still(param));
        self
    }

    /// A copy that records nothing: the frozen teacher, and what runs after training.
    pub fn frozen(mut self) -> Self {
        self.params_mut().into_iter().for_each(|(_, param)| param.set(param.flat().clone().without_autodiff()));
        self
    }
}
