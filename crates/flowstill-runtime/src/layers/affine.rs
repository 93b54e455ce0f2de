//! Scale and shift every plane: activation normalisation, the affine layer, and batch normalisation by stored statistics.

use super::{Layer, Purpose};
use crate::offsets::{Offsets, Slots, hull};
use crate::work::{Tape, Work};
use flowstill_kernels::elementwise::{sum_and_dot, widest};
use std::ops::Range;

/// `z = (x + before) scale + after`, of which one of the shifts and the logarithm of the scale are learned.
#[derive(Debug)]
pub(crate) struct Affine {
    channels: usize,
    form: Form,
    before: Vec<f32>,
    scale: Vec<f32>,
    after: Vec<f32>,
    log_det: f64,
}

/// Where the stored tensors lie.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `z = (x + shift) exp(log_scale)`: activation normalisation, and the affine layer.
    Plain { shift: usize, log_scale: usize },
    /// `z = (x - mean) exp(log_gamma) / sqrt(variance + 1e-5) + beta`.
    Normalised { mean: usize, variance: usize, log_gamma: usize, beta: usize },
}

impl Affine {
    pub(crate) fn new(path: &str, channels: usize, offsets: &Offsets) -> Option<Self> {
        let find = |name: &str| offsets.find(&format!("{path}.{name}"), channels);
        Some(Self::of(channels, Form::Plain { shift: find("shift")?, log_scale: find("log_scale")? }))
    }

    /// Batch normalisation.
    pub(crate) fn normalised(path: &str, channels: usize, offsets: &Offsets) -> Option<Self> {
        let find = |name: &str| offsets.find(&format!("{path}.{name}"), channels);
        let [mean, variance] = [find("mean")?, find("variance")?];
        let [log_gamma, beta] = [find("log_gamma")?, find("beta")?];
        Some(Self::of(channels, Form::Normalised { mean, variance, log_gamma, beta }))
    }

    fn of(channels: usize, form: Form) -> Self {
        let [before, after] = [0, 1].map(|_| vec![0.0; channels]);
        Self { channels, form, before, scale: vec![1.0; channels], after, log_det: 0.0 }
    }

    /// Where the learned shift and the learned logarithm of the scale lie.
    fn learned(&self) -> [usize; 2] {
        match self.form {
            Form::Plain { shift, log_scale } => [shift, log_scale],
            Form::Normalised { log_gamma, beta, .. } => [beta, log_gamma],
        }
    }

    /// How far the latents of a channel move with its learned shift.
    fn slope(&self, channel: usize) -> f32 {
        match self.form {
            Form::Plain { .. } => self.scale[channel],
            Form::Normalised { .. } => 1.0,
        }
    }
}

impl Layer for Affine {
    fn load(&mut self, values: &[f32], _purpose: Purpose) {
        let own = |at: usize| &values[at..][..self.channels];
        match self.form {
            Form::Plain { shift, log_scale } => {
                self.before.copy_from_slice(own(shift));
                self.scale.iter_mut().zip(own(log_scale)).for_each(|(scale, log)| *scale = log.exp());
                self.log_det = own(log_scale).iter().map(|log| f64::from(*log)).sum();
            }
            Form::Normalised { mean, variance, log_gamma, beta } => {
                self.before.iter_mut().zip(own(mean)).for_each(|(before, mean)| *before = -mean);
                self.after.copy_from_slice(own(beta));
                self.log_det = 0.0;
                for ((scale, variance), log_gamma) in self.scale.iter_mut().zip(own(variance)).zip(own(log_gamma)) {
                    let log_scale = log_gamma - 0.5 * (variance + 1e-5).ln();
                    *scale = log_scale.exp();
                    self.log_det += f64::from(log_scale);
                }
            }
        }
    }

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let lanes = work.lanes();
        let kept = tape.push(self.channels * lanes);
        let planes = work.state.chunks_exact_mut(lanes).zip(kept.chunks_exact_mut(lanes)).enumerate();
        for (channel, (state, kept)) in planes {
            let (before, scale, after) = (self.before[channel], self.scale[channel], self.after[channel]);
            widest(|| {
                for (state, kept) in state.iter_mut().zip(kept) {
                    *kept = (*state + before) * scale;
                    *state = *kept + after;
                }
            });
        }
        work.add_constant_log_det(self.log_det * work.positions() as f64);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        let lanes = work.lanes();
        for (channel, state) in work.state.chunks_exact_mut(lanes).enumerate() {
            let (before, back, after) = (self.before[channel], self.scale[channel].recip(), self.after[channel]);
            widest(|| state.iter_mut().for_each(|state| *state = (*state - after) * back - before));
        }
        work.add_constant_log_det(self.log_det * work.positions() as f64);
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let lanes = work.lanes();
        let of_log_det = work.sum_g_log_det() * work.positions() as f32;
        let kept = tape.pop(self.channels * lanes);
        let planes = work.gradient.chunks_exact_mut(lanes).zip(kept.chunks_exact(lanes));
        for (channel, (gradient, scaled)) in planes.enumerate() {
            let scale = self.scale[channel];
            if !accumulators.is_empty() {
                let [g, gz] = sum_and_dot(gradient, scaled);
                accumulators[channel] += g * self.slope(channel);
                accumulators[self.channels + channel] += gz + of_log_det;
            }
            widest(|| gradient.iter_mut().for_each(|gradient| *gradient *= scale));
        }
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let lanes = work.lanes();
        let of_log_det = work.sum_g_log_det() * work.positions() as f32;
        let kept = tape.pop(self.channels * lanes);
        let planes = work.gradient.chunks_exact_mut(lanes).zip(kept.chunks_exact(lanes));
        for (channel, (gradient, scaled)) in planes.enumerate() {
            let back = self.scale[channel].recip();
            if !accumulators.is_empty() {
                let [g, gz] = sum_and_dot(gradient, scaled);
                accumulators[channel] -= g * back * self.slope(channel);
                accumulators[self.channels + channel] += of_log_det - gz * back;
            }
            widest(|| gradient.iter_mut().for_each(|gradient| *gradient *= back));
        }
    }

    fn accumulators(&self) -> usize {
        2 * self.channels
    }

    fn home(&self) -> Range<usize> {
        hull(self.learned().map(|at| at..at + self.channels))
    }

    fn finish(&self, _values: &[f32], accumulators: &[f32], gradient: &mut Slots<'_>) {
        for (at, accumulators) in self.learned().into_iter().zip(accumulators.chunks_exact(self.channels)) {
            add(gradient.at(at, self.channels), accumulators);
        }
    }

    fn planes(&self) -> usize {
        self.channels
    }
}

pub(super) fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}
