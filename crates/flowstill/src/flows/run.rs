//! Run a whole flow in both directions, and derive densities and samples from that.

use super::{Flow, Latents, Level, Trace, program};
use crate::base::{Base, BaseConfig, Noise};
use crate::bijectors::Context;
use crate::shape::zero_log_det;
use crate::{Error, Result};
use burn::tensor::Tensor;
use rand::RngCore;

/// Latents of every level, the log-det, and the tapped states.
type Run = (Vec<Tensor<4>>, Tensor<1>, Vec<Tensor<4>>);

impl Flow {
    pub(super) fn check(&self, dims: [usize; 4], context: Context<'_>) -> Result<()> {
        let [batch, event @ ..] = dims;
        if event != self.architecture().event {
            let expected = format!("[batch, {:?}]", self.architecture().event);
            return Err(Error::shape("input of the flow", expected, format!("{dims:?}")));
        }
        let wanted = self.architecture().context;
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
        let steps = self.architecture().steps();
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
        let taps: Vec<usize> = (1..=self.architecture().steps()).collect();
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
        for (level, (z, event)) in latents.levels.iter().zip(self.latent_events()).enumerate() {
            let [own, shape @ ..] = z.dims();
            if own != batch || shape != *event {
                let what = format!("latents of level {}", level + 1);
                return Err(Error::shape(what, format!("[{batch}, {event:?}]"), format!("{:?}", z.dims())));
            }
        }
        let [h, w, c] = self.architecture().event;
        self.check([batch, h, w, c], context)
    }

    /// Log-density in nats, `[batch]`.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn log_prob(&self, x: Tensor<4>, context: Context<'_>) -> Result<Tensor<1>> {
        self.check(x.dims(), context)?;
        if self.base().config() == &BaseConfig::StandardNormal
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
        lower.iter().fold(self.base().log_prob(top), |sum, level| sum + Base::standard_log_prob(level))
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
        Noise::draw(count, self.latent_events(), rng, &self.device())
    }

    /// Shape shared noise into this flow's latents, every level at the same temperature.
    pub fn latents_from_noise(&self, noise: &Noise, temperature: f64) -> Latents {
        let (top, lower) = noise.normal.split_last().expect("noise has a level");
        let lower = lower.iter().map(|level| level.clone() * temperature);
        let top = self.base().shape_noise(top, &noise.uniform, temperature);
        Latents { levels: lower.chain([top]).collect() }
    }
}
