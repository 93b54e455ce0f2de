//! Keep one layer of weights in the order of its products, forth and back, and lead its gradients home.

use super::Purpose;
use super::affine::add;
use crate::offsets::{Slots, hull};
use crate::work::Work;
use flowstill_kernels::dense::{End, Packed, Start, add_weight_gradient};
use flowstill_kernels::elementwise::sum;
use std::ops::Range;

/// From stored weights, `weight[input][output]` and a bias, to products of planes.
///
/// Outputs may stand in another order than the stored columns. An output sees the inputs below its limit, and limits never fall.
#[derive(Debug)]
pub(super) struct Dense {
    /// Where the weights of each input begin.
    rows: Vec<usize>,
    /// The stored column of each output.
    columns: Vec<usize>,
    /// Where the stored bias begins.
    bias_at: usize,
    limits: Vec<usize>,
    /// The first inputs, which have no part in [`Dense::backward`]: conditioning values, seen by all outputs.
    still: usize,
    forward: Packed,
    backward: Packed,
    /// To those first inputs, for a call that does want theirs.
    backward_still: Packed,
    bias: Vec<f32>,
}

impl Dense {
    pub(super) fn new(
        rows: Vec<usize>,
        columns: Vec<usize>,
        bias_at: usize,
        limits: Option<Vec<usize>>,
        still: usize,
    ) -> Self {
        let (inputs, outputs) = (rows.len(), columns.len());
        let limits = limits.unwrap_or_else(|| vec![inputs; outputs]);
        debug_assert!(limits.is_sorted() && limits.len() == outputs);
        let forward = Packed::new(outputs, inputs, |n| 0..limits[n]);
        let backward =
            Packed::new(inputs - still, outputs, |k| limits.partition_point(|limit| *limit <= k + still)..outputs);
        let backward_still = Packed::new(still, outputs, |_| 0..outputs);
        Self { rows, bias: vec![0.0; outputs], columns, bias_at, limits, still, forward, backward, backward_still }
    }

    pub(super) fn inputs(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn outputs(&self) -> usize {
        self.columns.len()
    }

    /// The bias of each output.
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    pub(super) fn load(&mut self, values: &[f32], purpose: Purpose) {
        let Self { rows, columns, limits, still, .. } = self;
        let weight = |n: usize, k: usize| if k < limits[n] { values[rows[k] + columns[n]] } else { 0.0 };
        self.forward.fill(weight);
        if purpose.backward {
            self.backward.fill(|k, n| weight(n, k + *still));
            self.backward_still.fill(|k, n| weight(n, k));
        }
        self.bias.iter_mut().zip(&self.columns).for_each(|(bias, column)| *bias = values[self.bias_at + column]);
    }

    /// `out = end(W input + bias)`, added to `out` if it `joins`; by all threads, if this one is `alone`.
    pub(super) fn forward(&self, input: &[f32], lanes: usize, joins: bool, end: End<'_>, out: &mut [f32], alone: bool) {
        let start = if joins { Start::OutputAndBias(&self.bias) } else { Start::Bias(&self.bias) };
        match alone {
            true => self.forward.apply_shared(input, lanes, start, end, out),
            false => self.forward.apply(input, lanes, start, end, out),
        }
    }

    /// The same without the bias.
    pub(super) fn forward_plain(&self, input: &[f32], lanes: usize, out: &mut [f32], alone: bool) {
        match alone {
            true => self.forward.apply_shared(input, lanes, Start::Zero, End::Plain, out),
            false => self.forward.apply(input, lanes, Start::Zero, End::Plain, out),
        }
    }

    /// From the gradient of the output to that of the inputs that have one.
    pub(super) fn backward(&self, gradient: &[f32], lanes: usize, joins: bool, end: End<'_>, out: &mut [f32]) {
        let start = if joins { Start::Output } else { Start::Zero };
        self.backward.apply(gradient, lanes, start, end, out);
    }

    /// Add the gradient of the conditioning values that stand still to those of the tile, if anybody wants it.
    pub(super) fn backward_still(&self, work: &mut Work, gradient: &[f32], lanes: usize) {
        if self.still > 0 && work.wants_context {
            let mut planes = work.take(self.still * lanes);
            self.backward_still.apply(gradient, lanes, Start::Zero, End::Plain, &mut planes);
            work.add_g_context(&planes);
            work.give(planes);
        }
    }

    /// Values of the accumulators: weights, `[inputs, outputs]`, then biases.
    pub(super) fn accumulators(&self) -> usize {
        self.outputs() * (self.inputs() + 1)
    }

    /// Cut off the end of the accumulators of several layers, which is this one's; nothing of nothing.
    pub(super) fn split_off<'a>(&self, accumulators: &mut &'a mut [f32]) -> &'a mut [f32] {
        let at = accumulators.len().saturating_sub(self.accumulators());
        let (rest, own) = std::mem::take(accumulators).split_at_mut(at);
        *accumulators = rest;
        own
    }

    /// Add the gradients of the weights; nothing where there is no room for them.
    pub(super) fn add_up(&self, gradient: &[f32], input: &[f32], lanes: usize, accumulators: &mut [f32]) {
        if accumulators.is_empty() {
            return;
        }
        let (weights, biases) = accumulators.split_at_mut(self.outputs() * self.inputs());
        add_weight_gradient(gradient, input, lanes, |n| self.limits[n], weights);
        add_plane_sums(gradient, lanes, biases);
    }

    /// The same without biases.
    pub(super) fn add_up_weights(&self, gradient: &[f32], input: &[f32], lanes: usize, accumulators: &mut [f32]) {
        if accumulators.is_empty() {
            return;
        }
        let weights = &mut accumulators[..self.outputs() * self.inputs()];
        add_weight_gradient(gradient, input, lanes, |n| self.limits[n], weights);
    }

    /// Where the stored weights lie.
    pub(super) fn home(&self) -> Range<usize> {
        let end = self.columns.iter().max().map_or(0, |last| last + 1);
        hull(self.rows.iter().chain([&self.bias_at]).map(|row| *row..row + end))
    }

    /// Add the accumulators to the gradient of the stored weights.
    pub(super) fn finish(&self, accumulators: &[f32], gradient: &mut Slots<'_>) {
        let end = self.columns.iter().max().map_or(0, |last| last + 1);
        let (weights, biases) = accumulators.split_at(self.outputs() * self.inputs());
        let straight = self.columns.iter().enumerate().all(|(n, column)| n == *column);
        for (k, (accumulators, row)) in weights.chunks_exact(self.outputs().max(1)).zip(&self.rows).enumerate() {
            // The outputs that see this input come last.
            let first = self.limits.partition_point(|limit| *limit <= k);
            let gradient = gradient.at(*row, end);
            if straight {
                add(&mut gradient[first..], &accumulators[first..]);
            } else {
                for (sum, column) in accumulators[first..].iter().zip(&self.columns[first..]) {
                    gradient[*column] += sum;
                }
            }
        }
        let gradient = gradient.at(self.bias_at, end);
        for (bias, column) in biases.iter().zip(&self.columns) {
            gradient[*column] += bias;
        }
    }
}

/// Add the sum of each plane.
pub(super) fn add_plane_sums(planes: &[f32], lanes: usize, accumulators: &mut [f32]) {
    planes.chunks_exact(lanes).zip(accumulators).for_each(|(plane, to)| *to += sum(plane));
}
