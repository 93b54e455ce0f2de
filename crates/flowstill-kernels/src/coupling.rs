//! Transform some channels affinely by shifts and bounded log-scales, with the log-det and the gradients.
//!
//! ```text
//! s = bound * tanh(raw_s / bound)      forward: z = (x + t) exp(s)      inverse: x = z exp(-s) - t      log_det = sum of s, both ways
//! ```
//!
//! A state is `[samples, positions, channels]`; `raw` is `[samples, positions, 2 * moved]`, at every position all shifts `t`, then all `raw_s`. Channels that
//! are not moved are copied.

use crate::elementwise::widest;
use crate::functions::{exp, tanh};
use crate::scratch::with_scratch;
use rayon::prelude::*;

/// Values below which a task is not worth handing to another thread.
const FEW: usize = 8192;

/// Which way a state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Data to latent.
    Forward,
    /// Latent to data.
    Inverse,
}

/// One coupling on one batch.
#[derive(Clone, Debug)]
pub struct Affine {
    /// Samples.
    pub samples: usize,
    /// Positions of a sample.
    pub positions: usize,
    /// Channels of the state.
    pub channels: usize,
    /// The channels that move, in the order of `raw`.
    pub moved: Vec<usize>,
    /// The largest `|s|`, at most 80.
    pub bound: f32,
    /// Which way.
    pub direction: Direction,
}

impl Affine {
    /// The moved state, with room for `samples` values more, and, per sample, the sum of `s`.
    ///
    /// # Panics
    /// If a length does not agree with the fields.
    pub fn apply(&self, state: &[f32], raw: &[f32]) -> (Vec<f32>, Vec<f32>) {
        self.check(state, raw);
        let mut out = Vec::with_capacity(state.len() + self.samples);
        out.extend_from_slice(state);
        let mut log_det = vec![0.0; self.samples];
        if state.is_empty() {
            return (out, log_det);
        }
        let [task, row, raw_row] = self.task();
        let parts =
            out.par_chunks_mut(task * row).zip(log_det.par_chunks_mut(task)).zip(raw.par_chunks(task * raw_row));
        parts.for_each(|((out, log_det), raw)| {
            let samples = out.chunks_exact_mut(row).zip(log_det).zip(raw.chunks_exact(raw_row));
            samples.for_each(|((out, log_det), raw)| *log_det = self.apply_sample(out, raw));
        });
        (out, log_det)
    }

    /// The gradients of the state and of `raw`, given those of the moved state and of the log-det.
    ///
    /// # Panics
    /// If a length does not agree with the fields.
    pub fn backward(&self, state: &[f32], raw: &[f32], gradient: &[f32], of_log_det: &[f32]) -> (Vec<f32>, Vec<f32>) {
        self.check(state, raw);
        assert_eq!([gradient.len(), of_log_det.len()], [state.len(), self.samples], "gradients of {self:?}");
        let (mut to_state, mut to_raw) = (gradient.to_vec(), vec![0.0; raw.len()]);
        if state.is_empty() || raw.is_empty() {
            return (to_state, to_raw);
        }
        let [task, row, raw_row] = self.task();
        let parts = to_state.par_chunks_mut(task * row).zip(to_raw.par_chunks_mut(task * raw_row)).enumerate();
        parts.for_each(|(index, (to_state, to_raw))| {
            let samples = to_state.chunks_exact_mut(row).zip(to_raw.chunks_exact_mut(raw_row));
            for (sample, (to_state, to_raw)) in (index * task..).zip(samples) {
                let (state, raw) = (&state[sample * row..][..row], &raw[sample * raw_row..][..raw_row]);
                self.backward_sample(state, raw, of_log_det[sample], to_state, to_raw);
            }
        });
        (to_state, to_raw)
    }

    fn check(&self, state: &[f32], raw: &[f32]) {
        let positions = self.samples * self.positions;
        assert_eq!(state.len(), positions * self.channels, "state of {self:?}");
        assert_eq!(raw.len(), positions * 2 * self.moved.len(), "raw parameters of {self:?}");
        assert!(self.moved.iter().all(|c| *c < self.channels), "channels of {self:?}");
        assert!(self.bound > 0.0 && self.bound <= 80.0, "bound of {self:?}");
    }

    /// Samples of one task, values of a sample, raw values of a sample.
    fn task(&self) -> [usize; 3] {
        let row = self.positions * self.channels;
        [(FEW / row.max(1)).max(1), row, (self.positions * 2 * self.moved.len()).max(1)]
    }

    /// All `tanh(raw_s / bound)` of a sample side by side, then all `exp(s)` (or, inverse, `exp(-s)`); their order is that of positions, then `moved`.
    fn scales(&self, raw: &[f32], slope: &mut [f32], scale: &mut [f32]) {
        let m = self.moved.len();
        let (bound, rate) = (self.bound, self.bound.recip());
        let signed = if self.direction == Direction::Forward { bound } else { -bound };
        for (slope, raw) in slope.chunks_exact_mut(m).zip(raw.chunks_exact(2 * m)) {
            slope.copy_from_slice(&raw[m..]);
        }
        widest(|| {
            for (slope, scale) in slope.iter_mut().zip(scale) {
                *slope = tanh(*slope * rate);
                *scale = exp(*slope * signed);
            }
        });
    }

    fn apply_sample(&self, state: &mut [f32], raw: &[f32]) -> f32 {
        let (m, c) = (self.moved.len(), self.channels);
        let mut total = 0.0f64;
        with_scratch([self.positions * m; 2], |[slope, scale]| {
            self.scales(raw, slope, scale);
            for (position, state) in state.chunks_exact_mut(c).enumerate() {
                let (shift, scale) = (&raw[position * 2 * m..][..m], &scale[position * m..][..m]);
                for ((channel, shift), scale) in self.moved.iter().zip(shift).zip(scale) {
                    let value = &mut state[*channel];
                    *value = match self.direction {
                        Direction::Forward => (*value + shift) * scale,
                        Direction::Inverse => *value * scale - shift,
                    };
                }
                total += f64::from(slope[position * m..][..m].iter().sum::<f32>());
            }
        });
        (total * f64::from(self.bound)) as f32
    }

    /// `to_state` comes in as the gradient of the moved state.
    fn backward_sample(&self, state: &[f32], raw: &[f32], of_log_det: f32, to_state: &mut [f32], to_raw: &mut [f32]) {
        let (m, c) = (self.moved.len(), self.channels);
        with_scratch([self.positions * m; 2], |[slope, scale]| {
            self.scales(raw, slope, scale);
            for (position, (state, to_state)) in state.chunks_exact(c).zip(to_state.chunks_exact_mut(c)).enumerate() {
                let shift = &raw[position * 2 * m..][..m];
                let (to_shift, to_scale) = to_raw[position * 2 * m..][..2 * m].split_at_mut(m);
                for (i, channel) in self.moved.iter().enumerate() {
                    let (slope, scale) = (slope[position * m + i], scale[position * m + i]);
                    let (value, gradient) = (state[*channel], &mut to_state[*channel]);
                    // How much the moved value grows with s, times its gradient.
                    let with_s;
                    (to_shift[i], with_s) = match self.direction {
                        Direction::Forward => (*gradient * scale, *gradient * (value + shift[i]) * scale),
                        Direction::Inverse => (-*gradient, -*gradient * value * scale),
                    };
                    to_scale[i] = (with_s + of_log_det) * (1.0 - slope * slope);
                    *gradient *= scale;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 101) % 199) as f32 / 60.0 - 1.6).collect()
    }

    /// By the definition, in f64.
    fn plain(a: &Affine, state: &[f64], raw: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut out, mut log_det, m) = (state.to_vec(), vec![0.0; a.samples], a.moved.len());
        for position in 0..a.samples * a.positions {
            for (i, channel) in a.moved.iter().enumerate() {
                let value = &mut out[position * a.channels + channel];
                let bound = f64::from(a.bound);
                let (t, s) = (raw[position * 2 * m + i], (raw[position * 2 * m + m + i] / bound).tanh() * bound);
                *value = match a.direction {
                    Direction::Forward => (*value + t) * s.exp(),
                    Direction::Inverse => *value * (-s).exp() - t,
                };
                log_det[position / a.positions] += s;
            }
        }
        (out, log_det)
    }

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().map(|v| f64::from(*v)).collect()
    }

    fn close(ours: &[f32], expect: &[f64], tolerance: f64) {
        assert_eq!(ours.len(), expect.len());
        for (a, b) in ours.iter().zip(expect) {
            assert!((f64::from(*a) - b).abs() <= tolerance * b.abs().max(1.0), "{a} and {b}");
        }
    }

    fn cases() -> impl Iterator<Item = Affine> {
        let shapes = [(0, 3, 2), (1, 1, 1), (3, 5, 4), (2, 100, 12), (1000, 1, 3), (1, 7, 2)];
        shapes.into_iter().flat_map(|(samples, positions, channels)| {
            let all = [
                vec![channels - 1],
                (channels / 2..channels).collect(),
                (0..channels).rev().step_by(2).collect(),
                vec![],
            ];
            all.into_iter().flat_map(move |moved| {
                [Direction::Forward, Direction::Inverse].map(|direction| Affine {
                    samples,
                    positions,
                    channels,
                    moved: moved.clone(),
                    bound: 2.0,
                    direction,
                })
            })
        })
    }

    #[test]
    fn values_agree_with_the_definition_and_come_back() {
        for a in cases() {
            let positions = a.samples * a.positions;
            let (state, raw) = (noise(positions * a.channels, 1), noise(positions * 2 * a.moved.len(), 2));
            let (out, log_det) = a.apply(&state, &raw);
            let (expect, expect_log_det) = plain(&a, &wide(&state), &wide(&raw));
            close(&out, &expect, 1e-6);
            close(&log_det, &expect_log_det, 1e-5);
            let direction = if a.direction == Direction::Forward { Direction::Inverse } else { Direction::Forward };
            let (back, _) = Affine { direction, ..a }.apply(&out, &raw);
            close(&back, &wide(&state), 1e-5);
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        for a in cases().filter(|a| a.samples * a.positions < 50) {
            let positions = a.samples * a.positions;
            let (state, raw) = (noise(positions * a.channels, 1), noise(positions * 2 * a.moved.len(), 2));
            let (g, of_log_det) = (noise(state.len(), 3), noise(a.samples, 4));
            let loss = |state: &[f64], raw: &[f64]| {
                let (out, log_det) = plain(&a, state, raw);
                let dot = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum::<f64>();
                dot(&out, &g) + dot(&log_det, &of_log_det)
            };
            let slopes = |values: &[f64], loss: &dyn Fn(&[f64]) -> f64| {
                let slope = |i: usize| {
                    let at = |step: f64| {
                        let mut moved = values.to_vec();
                        moved[i] += step;
                        loss(&moved)
                    };
                    (at(1e-5) - at(-1e-5)) / 2e-5
                };
                (0..values.len()).map(slope).collect::<Vec<f64>>()
            };
            let (wide_state, wide_raw) = (wide(&state), wide(&raw));
            let (to_state, to_raw) = a.backward(&state, &raw, &g, &of_log_det);
            close(&to_state, &slopes(&wide_state, &|state| loss(state, &wide_raw)), 1e-5);
            close(&to_raw, &slopes(&wide_raw, &|raw| loss(&wide_state, raw)), 1e-5);
        }
    }
}
