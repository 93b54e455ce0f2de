//! Scale and shift every plane.

use super::{Layer, Purpose};
use crate::places::{Places, Slots, hull};
use crate::work::{Tape, Work};
use flowstill_kernels::elementwise::{sum_and_dot, widest};
use std::ops::Range;

/// `z = (x + shift) exp(log_scale)`: activation normalisation, and the affine layer.
#[derive(Debug)]
pub(crate) struct Affine {
    channels: usize,
    shift_at: usize,
    log_scale_at: usize,
    shift: Vec<f32>,
    scale: Vec<f32>,
    log_det: f64,
}

impl Affine {
    pub(crate) fn new(path: &str, channels: usize, places: &Places) -> Option<Self> {
        Some(Self {
            channels,
            shift_at: places.find(&format!("{path}.shift"), channels)?,
            log_scale_at: places.find(&format!("{path}.log_scale"), channels)?,
            shift: vec![0.0; channels],
            scale: vec![1.0; channels],
            log_det: 0.0,
        })
    }
}

impl Layer for Affine {
    fn load(&mut self, values: &[f32], _purpose: Purpose) {
        let log_scale = &values[self.log_scale_at..][..self.channels];
        self.shift.copy_from_slice(&values[self.shift_at..][..self.channels]);
        self.scale.iter_mut().zip(log_scale).for_each(|(scale, log)| *scale = log.exp());
        self.log_det = log_scale.iter().map(|log| f64::from(*log)).sum();
    }

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let lanes = work.lanes();
        let kept = tape.push(self.channels * lanes);
        let planes = work.state.chunks_exact_mut(lanes).zip(kept.chunks_exact_mut(lanes));
        for ((state, kept), (shift, scale)) in planes.zip(self.shift.iter().zip(&self.scale)) {
            widest(|| {
                for (state, kept) in state.iter_mut().zip(kept) {
                    *state = (*state + shift) * scale;
                    *kept = *state;
                }
            });
        }
        work.add_constant_log_det(self.log_det * work.positions() as f64);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        let lanes = work.lanes();
        for (state, (shift, scale)) in work.state.chunks_exact_mut(lanes).zip(self.shift.iter().zip(&self.scale)) {
            let back = scale.recip();
            widest(|| state.iter_mut().for_each(|state| *state = *state * back - shift));
        }
        work.add_constant_log_det(self.log_det * work.positions() as f64);
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, sums: &mut [f32]) {
        let lanes = work.lanes();
        let of_log_det = work.sum_g_log_det() * work.positions() as f32;
        let kept = tape.pop(self.channels * lanes);
        let planes = work.gradient.chunks_exact_mut(lanes).zip(kept.chunks_exact(lanes)).zip(&self.scale);
        for (channel, ((gradient, z), scale)) in planes.enumerate() {
            if !sums.is_empty() {
                let [g, gz] = sum_and_dot(gradient, z);
                sums[channel] += g * scale;
                sums[self.channels + channel] += gz + of_log_det;
            }
            widest(|| gradient.iter_mut().for_each(|gradient| *gradient *= scale));
        }
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, sums: &mut [f32]) {
        let lanes = work.lanes();
        let of_log_det = work.sum_g_log_det() * work.positions() as f32;
        let kept = tape.pop(self.channels * lanes);
        let planes = work.gradient.chunks_exact_mut(lanes).zip(kept.chunks_exact(lanes)).zip(&self.scale);
        for (channel, ((gradient, z), scale)) in planes.enumerate() {
            let back = scale.recip();
            if !sums.is_empty() {
                let [g, gz] = sum_and_dot(gradient, z);
                sums[channel] -= g;
                sums[self.channels + channel] += of_log_det - gz * back;
            }
            widest(|| gradient.iter_mut().for_each(|gradient| *gradient *= back));
        }
    }

    fn sums(&self) -> usize {
        2 * self.channels
    }

    fn home(&self) -> Range<usize> {
        hull([self.shift_at, self.log_scale_at].map(|at| at..at + self.channels))
    }

    fn finish(&self, _values: &[f32], sums: &[f32], gradient: &mut Slots<'_>) {
        add(gradient.at(self.shift_at, self.channels), &sums[..self.channels]);
        add(gradient.at(self.log_scale_at, self.channels), &sums[self.channels..]);
    }

    fn planes(&self) -> usize {
        self.channels
    }
}

/// `z = (x - mean) exp(log_gamma) / sqrt(variance + 1e-5) + beta`, by stored statistics.
#[derive(Debug)]
pub(crate) struct BatchNorm {
    channels: usize,
    /// Of mean, variance, log_gamma, beta.
    at: [usize; 4],
    mean: Vec<f32>,
    scale: Vec<f32>,
    beta: Vec<f32>,
    log_det: f64,
}

impl BatchNorm {
    pub(crate) fn new(path: &str, channels: usize, places: &Places) -> Option<Self> {
        let find = |name: &str| places.find(&format!("{path}.{name}"), channels);
        Some(Self {
            channels,
            at: [find("mean")?, find("variance")?, find("log_gamma")?, find("beta")?],
            mean: vec![0.0; channels],
            scale: vec![1.0; channels],
            beta: vec![0.0; channels],
            log_det: 0.0,
        })
    }
}

impl Layer for BatchNorm {
    fn load(&mut self, values: &[f32], _purpose: Purpose) {
        let [mean, variance, log_gamma, beta] = self.at.map(|at| &values[at..][..self.channels]);
        self.mean.copy_from_slice(mean);
        self.beta.copy_from_slice(beta);
        self.log_det = 0.0;
        for ((scale, variance), log_gamma) in self.scale.iter_mut().zip(variance).zip(log_gamma) {
            let log_scale = log_gamma - 0.5 * (variance + 1e-5).ln();
            *scale = log_scale.exp();
            self.log_det += f64::from(log_scale);
        }
    }

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let lanes = work.lanes();
        let kept = tape.push(self.channels * lanes);
        for (channel, (state, kept)) in work.state.chunks_exact_mut(lanes).zip(kept.chunks_exact_mut(lanes)).enumerate()
        {
            let (mean, scale, beta) = (self.mean[channel], self.scale[channel], self.beta[channel]);
            widest(|| {
                for (state, kept) in state.iter_mut().zip(kept) {
                    *kept = (*state - mean) * scale;
                    *state = *kept + beta;
                }
            });
        }
        work.add_constant_log_det(self.log_det * work.positions() as f64);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        let lanes = work.lanes();
        for (channel, state) in work.state.chunks_exact_mut(lanes).enumerate() {
            let (mean, back, beta) = (self.mean[channel], self.scale[channel].recip(), self.beta[channel]);
            widest(|| state.iter_mut().for_each(|state| *state = (*state - beta) * back + mean));
        }
        work.add_constant_log_det(self.log_det * work.positions() as f64);
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, sums: &mut [f32]) {
        let lanes = work.lanes();
        let of_log_det = work.sum_g_log_det() * work.positions() as f32;
        let kept = tape.pop(self.channels * lanes);
        let planes = work.gradient.chunks_exact_mut(lanes).zip(kept.chunks_exact(lanes)).zip(&self.scale);
        for (channel, ((gradient, normed), scale)) in planes.enumerate() {
            if !sums.is_empty() {
                let [g, gn] = sum_and_dot(gradient, normed);
                sums[channel] += gn + of_log_det;
                sums[self.channels + channel] += g;
            }
            widest(|| gradient.iter_mut().for_each(|gradient| *gradient *= scale));
        }
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, sums: &mut [f32]) {
        let lanes = work.lanes();
        let of_log_det = work.sum_g_log_det() * work.positions() as f32;
        let kept = tape.pop(self.channels * lanes);
        let planes = work.gradient.chunks_exact_mut(lanes).zip(kept.chunks_exact(lanes)).zip(&self.scale);
        for (channel, ((gradient, normed), scale)) in planes.enumerate() {
            let back = scale.recip();
            if !sums.is_empty() {
                let [g, gn] = sum_and_dot(gradient, normed);
                sums[channel] += of_log_det - gn * back;
                sums[self.channels + channel] -= g * back;
            }
            widest(|| gradient.iter_mut().for_each(|gradient| *gradient *= back));
        }
    }

    fn sums(&self) -> usize {
        2 * self.channels
    }

    fn home(&self) -> Range<usize> {
        hull([self.at[2], self.at[3]].map(|at| at..at + self.channels))
    }

    fn finish(&self, _values: &[f32], sums: &[f32], gradient: &mut Slots<'_>) {
        add(gradient.at(self.at[2], self.channels), &sums[..self.channels]);
        add(gradient.at(self.at[3], self.channels), &sums[self.channels..]);
    }

    fn planes(&self) -> usize {
        self.channels
    }
}

pub(super) fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}
