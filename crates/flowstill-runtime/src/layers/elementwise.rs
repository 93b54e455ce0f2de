//! Map every value by one fixed monotone function.

use super::{Layer, Purpose};
use crate::architecture::ElementwiseMap;
use crate::work::{Tape, Work};
use flowstill_kernels::planes::bounded::{self, Interval};

/// Sigmoid, logit, tanh, atanh: two pairs, one of each pair undoing the other.
#[derive(Debug)]
pub(crate) struct Elementwise {
    interval: Interval,
    /// Whether data lie on the whole line and latents in the interval.
    into: bool,
    channels: usize,
}

impl Elementwise {
    pub(crate) fn new(map: ElementwiseMap, channels: usize) -> Self {
        let (interval, into) = match map {
            ElementwiseMap::Sigmoid => (Interval::Unit, true),
            ElementwiseMap::Logit => (Interval::Unit, false),
            ElementwiseMap::Tanh => (Interval::Symmetric, true),
            ElementwiseMap::Atanh => (Interval::Symmetric, false),
        };
        Self { interval, into, channels }
    }

    /// Data to latents, or latents to data, if that is the way `into` the interval; the log-determinant is that of data to latents both times.
    fn apply(&self, work: &mut Work, into: bool) {
        let lanes = work.lanes();
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        for state in work.state.chunks_exact_mut(lanes).take(self.channels) {
            match into {
                true => bounded::into(self.interval, state, &mut slopes),
                false => bounded::out_of(self.interval, state, &mut slopes),
            }
        }
        // The kernels tell the slope into the interval.
        if !self.into {
            slopes.iter_mut().for_each(|slope| *slope = -*slope);
        }
        work.add_log_det(&slopes);
        work.give(slopes);
    }

    /// The gradient of [`Elementwise::apply`] at `from`, what it was given.
    fn back(&self, work: &mut Work, from: &[f32], into: bool, exact: bool) {
        let lanes = work.lanes();
        let mut g_slopes = work.take(lanes);
        work.spread_g_log_det(&mut g_slopes);
        if !self.into {
            g_slopes.iter_mut().for_each(|slope| *slope = -*slope);
        }
        for (gradient, from) in work.gradient.chunks_exact_mut(lanes).zip(from.chunks_exact(lanes)) {
            match into {
                true => bounded::into_back(self.interval, from, &g_slopes, gradient),
                false => bounded::out_of_back(self.interval, from, exact, &g_slopes, gradient),
            }
        }
        work.give(g_slopes);
    }
}

impl Layer for Elementwise {
    fn load(&mut self, _values: &[f32], _purpose: Purpose) {}

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let size = self.channels * work.lanes();
        tape.push(size).copy_from_slice(&work.state[..size]);
        self.apply(work, self.into);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        self.apply(work, !self.into);
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, _sums: &mut [f32]) {
        let from = tape.pop(self.channels * work.lanes());
        self.back(work, from, self.into, true);
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, _sums: &mut [f32]) {
        tape.pop(self.channels * work.lanes());
        let state = std::mem::take(&mut work.state);
        // What the inverse was given has been rounded on its way there and back.
        self.back(work, &state, !self.into, false);
        work.state = state;
    }

    fn planes(&self) -> usize {
        self.channels
    }
}
