//! Mix the planes of every lane by a matrix, stored whole or as its LU factors.

use super::affine::add;
use super::dense::add_plane_sums;
use super::{Layer, Purpose};
use crate::matrix::inverse_and_log_det;
use crate::offsets::{Offsets, Slots, hull};
use crate::work::{Tape, Work};
use flowstill_kernels::dense::{End, Packed, Start, add_weight_gradient};
use std::ops::Range;

/// `z = W x + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    channels: usize,
    bias_at: usize,
    form: Form,
    /// Row-major.
    weight: Vec<f32>,
    /// Row-major, for a purpose that needs it.
    inverse: Vec<f64>,
    bias: Vec<f32>,
    log_det: f64,
    forward: Packed,
    backward: Packed,
    undo: Packed,
    undo_back: Packed,
}

#[derive(Debug)]
enum Form {
    Whole {
        weight_at: usize,
    },
    /// `W = P L (U + diag(sign exp(log_s)))`, L with a diagonal of ones.
    Factors {
        permutation_at: usize,
        sign_at: usize,
        lower_at: usize,
        upper_at: usize,
        log_s_at: usize,
    },
}

impl Linear {
    pub(crate) fn whole(path: &str, channels: usize, offsets: &Offsets) -> Option<Self> {
        let form = Form::Whole { weight_at: offsets.find(&format!("{path}.weight"), channels * channels)? };
        Self::new(path, channels, offsets, form)
    }

    pub(crate) fn factors(path: &str, channels: usize, offsets: &Offsets) -> Option<Self> {
        let find = |name: &str, length: usize| offsets.find(&format!("{path}.{name}"), length);
        let square = channels * channels;
        let form = Form::Factors {
            permutation_at: find("permutation", square)?,
            sign_at: find("sign", channels)?,
            lower_at: find("lower", square)?,
            upper_at: find("upper", square)?,
            log_s_at: find("log_s", channels)?,
        };
        Self::new(path, channels, offsets, form)
    }

    fn new(path: &str, channels: usize, offsets: &Offsets, form: Form) -> Option<Self> {
        let packed = || Packed::new(channels, channels, |_| 0..channels);
        Some(Self {
            channels,
            bias_at: offsets.find(&format!("{path}.bias"), channels)?,
            form,
            weight: vec![0.0; channels * channels],
            inverse: Vec::new(),
            bias: vec![0.0; channels],
            log_det: 0.0,
            forward: packed(),
            backward: packed(),
            undo: packed(),
            undo_back: packed(),
        })
    }

    /// `L` and `U + diag(s)`, row-major, and `P` as the row of `W` that each row of `L U` becomes.
    fn factor_values(&self, values: &[f32]) -> Option<(Vec<f32>, Vec<f32>, Vec<usize>)> {
        let Form::Factors { permutation_at, sign_at, lower_at, upper_at, log_s_at } = self.form else { return None };
        let n = self.channels;
        let (mut lower, mut upper) = (vec![0.0; n * n], vec![0.0; n * n]);
        for i in 0..n {
            for j in 0..n {
                let at = i * n + j;
                match i.cmp(&j) {
                    std::cmp::Ordering::Greater => lower[at] = values[lower_at + at],
                    std::cmp::Ordering::Less => upper[at] = values[upper_at + at],
                    std::cmp::Ordering::Equal => {
                        lower[at] = 1.0;
                        upper[at] = values[sign_at + i] * values[log_s_at + i].exp();
                    }
                }
            }
        }
        let permutation = &values[permutation_at..][..n * n];
        let row = |i: usize| (0..n).find(|r| permutation[r * n + i] != 0.0).unwrap_or(i);
        Some((lower, upper, (0..n).map(row).collect()))
    }

    /// Add the gradients of the weights, of the bias and of the log-determinant, unless they are not wanted.
    fn add_up(&self, work: &Work, gradient: &[f32], kept: &[f32], accumulators: &mut [f32]) {
        let (n, lanes) = (self.channels, work.lanes());
        if !accumulators.is_empty() {
            let (weights, rest) = accumulators.split_at_mut(n * n);
            let (biases, log_det) = rest.split_at_mut(n);
            add_weight_gradient(gradient, kept, lanes, |_| n, weights);
            add_plane_sums(gradient, lanes, biases);
            log_det[0] += work.sum_g_log_det() * work.positions() as f32;
        }
    }
}

impl Layer for Linear {
    fn load(&mut self, values: &[f32], purpose: Purpose) {
        let n = self.channels;
        self.bias.copy_from_slice(&values[self.bias_at..][..n]);
        let factors = self.factor_values(values);
        match (&self.form, &factors) {
            (Form::Factors { log_s_at, .. }, Some((lower, upper, rows))) => {
                for (i, to) in rows.iter().enumerate() {
                    for j in 0..n {
                        let sum: f32 = (0..=i.min(j)).map(|k| lower[i * n + k] * upper[k * n + j]).sum();
                        self.weight[to * n + j] = sum;
                    }
                }
                self.log_det = values[*log_s_at..][..n].iter().map(|s| f64::from(*s)).sum();
            }
            (Form::Whole { weight_at }, _) => self.weight.copy_from_slice(&values[*weight_at..][..n * n]),
            (Form::Factors { .. }, None) => {}
        }
        let whole = matches!(self.form, Form::Whole { .. });
        if whole || purpose.inverse {
            // A matrix without an inverse spoils what is computed, and that is seen.
            let matrix: Vec<f64> = self.weight.iter().map(|w| f64::from(*w)).collect();
            let (inverse, log_det) =
                inverse_and_log_det(&matrix, n).unwrap_or_else(|| (vec![f64::NAN; n * n], f64::NAN));
            self.inverse = inverse;
            if whole {
                self.log_det = log_det;
            }
        }
        if purpose.forward {
            self.forward.fill(|i, j| self.weight[i * n + j]);
        }
        if purpose.backward {
            self.backward.fill(|j, i| self.weight[i * n + j]);
        }
        if purpose.inverse {
            self.undo.fill(|i, j| self.inverse[i * n + j] as f32);
            if purpose.backward {
                self.undo_back.fill(|j, i| self.inverse[i * n + j] as f32);
            }
        }
    }

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let lanes = work.lanes();
        let kept = tape.push(self.channels * lanes);
        kept.copy_from_slice(&work.state[..self.channels * lanes]);
        self.forward.apply(kept, lanes, Start::Bias(&self.bias), End::Plain, &mut work.state);
        work.add_constant_log_det(self.log_det * work.positions() as f64);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        let lanes = work.lanes();
        let mut out = work.take(self.channels * lanes);
        for (plane, bias) in work.state.chunks_exact_mut(lanes).zip(&self.bias) {
            plane.iter_mut().for_each(|value| *value -= bias);
        }
        self.undo.apply(&work.state, lanes, Start::Zero, End::Plain, &mut out);
        std::mem::swap(&mut work.state, &mut out);
        work.give(out);
        work.add_constant_log_det(self.log_det * work.positions() as f64);
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let (n, lanes) = (self.channels, work.lanes());
        let kept = tape.pop(n * lanes);
        self.add_up(work, &work.gradient, kept, accumulators);
        self.backward.apply(&work.gradient, lanes, Start::Zero, End::Plain, kept);
        work.gradient.copy_from_slice(kept);
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let (n, lanes) = (self.channels, work.lanes());
        let kept = tape.pop(n * lanes);
        let mut negative = work.take(n * lanes);
        self.undo_back.apply(&work.gradient, lanes, Start::Zero, End::Plain, &mut negative);
        work.gradient.copy_from_slice(&negative);
        negative.iter_mut().for_each(|value| *value = -*value);
        self.add_up(work, &negative, kept, accumulators);
        work.give(negative);
    }

    fn accumulators(&self) -> usize {
        self.channels * (self.channels + 1) + 1
    }

    fn home(&self) -> Range<usize> {
        let (n, square) = (self.channels, self.channels * self.channels);
        let bias = self.bias_at..self.bias_at + n;
        match self.form {
            Form::Whole { weight_at } => hull([bias, weight_at..weight_at + square]),
            Form::Factors { lower_at, upper_at, log_s_at, .. } => {
                hull([bias, lower_at..lower_at + square, upper_at..upper_at + square, log_s_at..log_s_at + n])
            }
        }
    }

    fn finish(&self, values: &[f32], accumulators: &[f32], gradient: &mut Slots<'_>) {
        let n = self.channels;
        let (weights, rest) = accumulators.split_at(n * n);
        add(gradient.at(self.bias_at, n), &rest[..n]);
        let of_log_det = rest[n];
        match self.form {
            Form::Whole { weight_at } => {
                let gradient = gradient.at(weight_at, n * n);
                for i in 0..n {
                    for j in 0..n {
                        let own = weights[j * n + i] + of_log_det * self.inverse[j * n + i] as f32;
                        gradient[i * n + j] += own;
                    }
                }
            }
            Form::Factors { lower_at, upper_at, log_s_at, .. } => {
                let Some((lower, upper, rows)) = self.factor_values(values) else { return };
                // With W' = L U: the gradient of L is G U^T, that of U is L^T G.
                let of = |i: usize, j: usize| weights[j * n + rows[i]];
                for i in 0..n {
                    for j in 0..i {
                        let sum: f32 = (j..n).map(|k| of(i, k) * upper[j * n + k]).sum();
                        gradient.at(lower_at, n * n)[i * n + j] += sum;
                    }
                    for j in i..n {
                        let sum: f32 = (i..n).map(|k| lower[k * n + i] * of(k, j)).sum();
                        match i == j {
                            true => gradient.at(log_s_at, n)[i] += sum * upper[i * n + i] + of_log_det,
                            false => gradient.at(upper_at, n * n)[i * n + j] += sum,
                        }
                    }
                }
            }
        }
    }

    fn planes(&self) -> usize {
        self.channels
    }
}
