//! Multiply block by block, everything that follows a product done while it lies in registers.

use super::packed::{Packed, UNITS};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Products below which a second thread is not worth its call.
const SHARE: usize = 1 << 18;

/// What a sum begins with.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// One value for each output.
    Bias(&'a [f32]),
    /// What stands in the output already.
    Output,
    /// What stands in the output already, and one value for each output.
    OutputAndBias(&'a [f32]),
}

/// What a sum goes through before it is written.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// Nothing.
    Plain,
    /// `max(0, x)`; NaN stays NaN, so that a spoilt step is seen.
    Relu,
    /// Zero where this, of the shape of the output, is not above zero: the derivative of [`End::Relu`], given what came out of it.
    Gate(&'a [f32]),
}

impl Packed {
    /// `out = end(start + W input)`; `input` is `[inputs, lanes]`, `out` is `[outputs, lanes]`, `lanes` a multiple of [`LANES`](super::LANES).
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn apply(&self, input: &[f32], lanes: usize, start: Start<'_>, end: End<'_>, out: &mut [f32]) {
        self.check(input, lanes, start, end, out);
        Arch::new().dispatch(Apply { packed: self, groups: 0..self.spans.len(), input, lanes, start, end, out });
    }

    /// The same, the outputs shared between the threads of rayon's current pool where that is worth it.
    ///
    /// # Panics
    /// As [`Packed::apply`].
    pub fn apply_shared(&self, input: &[f32], lanes: usize, start: Start<'_>, end: End<'_>, out: &mut [f32]) {
        self.check(input, lanes, start, end, out);
        let workers = rayon::current_num_threads().min(self.weights.len() * lanes / SHARE + 1);
        if workers < 2 || self.spans.len() < workers {
            return Arch::new().dispatch(Apply {
                packed: self,
                groups: 0..self.spans.len(),
                input,
                lanes,
                start,
                end,
                out,
            });
        }
        let each = self.spans.len().div_ceil(workers);
        let parts = out.chunks_mut(each * UNITS * lanes).enumerate().collect::<Vec<_>>();
        parts.into_par_iter().for_each(|(part, out)| {
            let groups = part * each..((part + 1) * each).min(self.spans.len());
            let outputs = groups.start * UNITS..(groups.end * UNITS).min(self.outputs);
            let start = match start {
                Start::Bias(bias) => Start::Bias(&bias[outputs.clone()]),
                Start::OutputAndBias(bias) => Start::OutputAndBias(&bias[outputs.clone()]),
                other => other,
            };
            let end = match end {
                End::Gate(gate) => End::Gate(&gate[outputs.start * lanes..outputs.end * lanes]),
                other => other,
            };
            Arch::new().dispatch(Apply { packed: self, groups, input, lanes, start, end, out });
        });
    }

    /// The same inside of a function that was dispatched already.
    ///
    /// # Panics
    /// As [`Packed::apply`].
    #[inline(always)]
    pub fn apply_with<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        lanes: usize,
        start: Start<'_>,
        end: End<'_>,
        out: &mut [f32],
    ) {
        self.check(input, lanes, start, end, out);
        Apply { packed: self, groups: 0..self.spans.len(), input, lanes, start, end, out }.with_simd(simd);
    }

    fn check(&self, input: &[f32], lanes: usize, start: Start<'_>, end: End<'_>, out: &[f32]) {
        assert!(lanes > 0 && lanes.is_multiple_of(super::LANES), "{lanes} lanes");
        assert_eq!(input.len(), self.inputs * lanes, "input planes");
        assert_eq!(out.len(), self.outputs * lanes, "output planes");
        if let Start::Bias(bias) | Start::OutputAndBias(bias) = start {
            assert_eq!(bias.len(), self.outputs, "biases");
        }
        if let End::Gate(gate) = end {
            assert_eq!(gate.len(), out.len(), "gates");
        }
    }
}

struct Apply<'a> {
    packed: &'a Packed,
    /// What of the outputs is computed; biases, gates and the output are those of these alone.
    groups: Range<usize>,
    input: &'a [f32],
    lanes: usize,
    start: Start<'a>,
    end: End<'a>,
    out: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // Lanes outside: a block of all inputs stays in the first-level cache, the weights pass by from the second.
        let many = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
        let vectors = self.lanes / S::F32_LANES;
        let mut at = 0;
        while at < vectors {
            let left = vectors - at;
            let first = at * S::F32_LANES;
            at += match (many, left) {
                (4, 4..) => self.block::<S, 4>(simd, first),
                (_, 2..) => self.block::<S, 2>(simd, first),
                _ => self.block::<S, 1>(simd, first),
            };
        }
    }
}

impl Apply<'_> {
    /// All outputs of `V` vectors of lanes.
    #[inline(always)]
    fn block<S: Simd, const V: usize>(&mut self, simd: S, first: usize) -> usize {
        let lanes = self.lanes;
        let before: usize = self.packed.spans[..self.groups.start].iter().map(Range::len).sum();
        let mut weights = &self.packed.weights[before * UNITS..];
        for (group, span) in self.packed.spans[self.groups.clone()].iter().enumerate() {
            let (own, rest) = weights.split_at(span.len() * UNITS);
            weights = rest;
            let begin = group * UNITS;
            let planes = &self.input[span.start * lanes..span.end * lanes];
            let here = UNITS.min(self.packed.outputs - self.groups.start * UNITS - begin);
            let sums = self.begin::<S, V>(simd, begin, here, first);
            let sums = sum_up::<S, V>(simd, sums, own, planes, lanes, first);
            self.finish::<S, V>(simd, begin, here, first, &sums);
        }
        V
    }

    #[inline(always)]
    fn begin<S: Simd, const V: usize>(
        &self,
        simd: S,
        begin: usize,
        here: usize,
        first: usize,
    ) -> [[S::f32s; V]; UNITS] {
        // Loops of known lengths, here and in `finish`, or the sums would not stay in registers.
        let mut sums = [[simd.splat_f32s(0.0); V]; UNITS];
        if let Start::Bias(bias) | Start::OutputAndBias(bias) = self.start {
            let bias = &bias[begin..begin + here];
            for (u, sums) in sums.iter_mut().enumerate() {
                if u < here {
                    *sums = [simd.splat_f32s(bias[u]); V];
                }
            }
        }
        if let Start::Output | Start::OutputAndBias(_) = self.start {
            for (u, sums) in sums.iter_mut().enumerate() {
                if u < here {
                    let at = (begin + u) * self.lanes + first;
                    let (before, _) = S::as_simd_f32s(&self.out[at..at + V * S::F32_LANES]);
                    for (sum, before) in sums.iter_mut().zip(&before[..V]) {
                        *sum = simd.add_f32s(*sum, *before);
                    }
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn finish<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        begin: usize,
        here: usize,
        first: usize,
        sums: &[[S::f32s; V]; UNITS],
    ) {
        let zero = simd.splat_f32s(0.0);
        for (u, sums) in sums.iter().enumerate() {
            if u >= here {
                continue;
            }
            let at = (begin + u) * self.lanes + first;
            let span = at..at + V * S::F32_LANES;
            let (out, _) = S::as_mut_simd_f32s(&mut self.out[span.clone()]);
            let out = &mut out[..V];
            match self.end {
                End::Plain => out.copy_from_slice(sums),
                End::Relu => {
                    for (out, sum) in out.iter_mut().zip(sums) {
                        *out = simd.select_f32s(simd.less_than_f32s(*sum, zero), zero, *sum);
                    }
                }
                End::Gate(gate) => {
                    let (gate, _) = S::as_simd_f32s(&gate[span]);
                    for ((out, sum), gate) in out.iter_mut().zip(sums).zip(&gate[..V]) {
                        *out = simd.select_f32s(simd.less_than_f32s(zero, *gate), *sum, zero);
                    }
                }
            }
        }
    }
}

/// Add what a group of outputs gets from every plane. A function of its own with loops of known lengths, or the sums would not stay in registers.
#[inline(always)]
fn sum_up<S: Simd, const V: usize>(
    simd: S,
    start: [[S::f32s; V]; UNITS],
    weights: &[f32],
    planes: &[f32],
    lanes: usize,
    first: usize,
) -> [[S::f32s; V]; UNITS] {
    let mut sums: [[S::f32s; V]; UNITS] = std::array::from_fn(|u| std::array::from_fn(|v| start[u][v]));
    let (weights, _) = weights.as_chunks::<UNITS>();
    for (weights, plane) in weights.iter().zip(planes.chunks_exact(lanes)) {
        let (values, _) = S::as_simd_f32s(&plane[first..first + V * S::F32_LANES]);
        let values: [S::f32s; V] = std::array::from_fn(|v| values[v]);
        sums = std::array::from_fn(|u| {
            let weight = simd.splat_f32s(weights[u]);
            std::array::from_fn(|v| simd.mul_add_e_f32s(weight, values[v], sums[u][v]))
        });
    }
    sums
}
