//! Lead gradients back through the inverse of a masked autoregressive map at the cost of about one pass back: every hidden unit's is computed once.
//!
//! With `z_d = t(x_d; raw_d)`, `raw_d` of the features before `d`, the gradient `y` of `z` solves a triangular system, the last feature first:
//!
//! ```text
//! y_d = (g_d + sum over units of what they send to x_d) / (dz_d/dx_d)      g_raw_d = b_d - y_d dz_d/draw_d
//! ```
//!
//! Once `y_d` is known, so is the gradient of `raw_d`, and with it those of the hidden units of degree `d - 1`, layer by layer from the last to the first; and
//! from them `y_{d-1}`. It is [`Inverse`](super::Inverse) walked backwards, with the same runs. What all units hold at the end is also what the gradients of the
//! weights are made of.

use super::block::Block;
use super::{Activation, Layer, RUN};
use crate::dense::{End, LANES, Packed, Start};
use crate::{activations, elementwise};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// A net arranged for the way back through its inverse.
#[derive(Clone, Debug)]
pub struct Adjoint {
    features: usize,
    params: usize,
    activation: Activation,
    residual: bool,
    /// Planes before each hidden layer's, and at last all of them.
    starts: Vec<usize>,
    /// Units of each hidden layer whose degree is so high that no feature sees them, from this one on.
    unseen: Vec<usize>,
    /// The last features first.
    runs: Vec<Run>,
}

/// Neighbouring degrees, as in the inverse.
#[derive(Clone, Debug)]
struct Run {
    degrees: Range<usize>,
    features: Part,
    hidden: Vec<Part>,
}

/// One layer's units of a run, and what they get from the layer behind.
#[derive(Clone, Debug)]
struct Part {
    /// Where the units begin in their layer.
    first: usize,
    /// From the units behind the run, which begin here in the layer behind.
    known_from: usize,
    known: Packed,
    /// For every degree of the run, from what became known within it: where its units begin in the part, where its inputs begin, and their weights.
    within: Vec<(usize, usize, Block)>,
}

/// What the way back starts from and what it fills, as planes.
#[derive(Debug)]
pub struct Planes<'a> {
    /// Lanes of a plane, a multiple of [`LANES`].
    pub lanes: usize,
    /// `dz/dx` of every feature by itself, `[features]`.
    pub slope: &'a [f32],
    /// `dz/draw`, `[features][params]`.
    pub steepness: &'a [f32],
    /// Of every nonlinearity, in order: what it made; of silu what it was given.
    pub activated: &'a [&'a [f32]],
    /// First the gradient of every feature but for what the net sends, then `y`, `[features]`.
    pub y: &'a mut [f32],
    /// First `b`, then the gradient of the raw values, `[features][params]`.
    pub raw: &'a mut [f32],
    /// Afterwards the gradients of what every hidden layer gives before its nonlinearity (in a residual net, of the stream and of the inner layers, in turn).
    pub hidden: &'a mut [f32],
}

impl Adjoint {
    /// Arrange the weights of a net, given as to [`Inverse::new`](super::Inverse::new), with so many raw values for each feature.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn new(features: usize, layers: &[Layer<'_>], residual: bool, activation: Activation, params: usize) -> Self {
        let (last, inner) = layers.split_last().expect("a net has a last layer");
        assert_eq!(last.degrees.len(), features * params, "outputs");
        // For every layer from the features on: how many units have a degree below each.
        let mut below: Vec<Vec<usize>> = vec![(0..=features + 1).map(|degree| degree.min(features)).collect()];
        for layer in inner {
            assert!(layer.degrees.is_sorted(), "degrees of a layer");
            below.push((0..=features + 1).map(|degree| layer.degrees.partition_point(|own| *own < degree)).collect());
        }
        below.push((0..=features + 1).map(|degree| degree.min(features) * params).collect());
        for (layer, units) in layers.iter().zip(&below) {
            assert_eq!(layer.weight.len(), units[features + 1] * layer.degrees.len(), "weights of a layer");
        }
        // Raw values feature by feature.
        let order: Vec<usize> = (1..=features)
            .flat_map(|feature| (0..last.degrees.len()).filter(move |at| last.degrees[*at] == feature))
            .collect();
        assert_eq!(order.len(), features * params, "raw values of the features");
        let weight = |from: usize, unit: usize, to: usize| {
            let outputs = layers[from].degrees.len();
            layers[from].weight[unit * outputs + if from == inner.len() { order[to] } else { to }]
        };
        // The units of layer `from` (0: the features) and what they get from the layer behind. A feature is not seen by its own degree of hidden units, which
        // are those that see the features before it; all others are seen by their own degree.
        let part = |from: usize, degrees: &Range<usize>| {
            let (own, behind) = (&below[from], &below[from + 1]);
            let (first, end) = (own[degrees.start], own[degrees.end]);
            let (known_from, all) = (behind[degrees.end], behind[features + 1]);
            let mut known = Packed::new(end - first, all - known_from, |_| 0..all - known_from);
            known.fill(|unit, input| weight(from, first + unit, known_from + input));
            let within = degrees.clone().map(|degree| {
                let (begin, stop) = (own[degree], own[degree + 1]);
                let seen = behind[if from == 0 { degree + 1 } else { degree }];
                let block =
                    Block::new(stop - begin, known_from - seen, |unit, input| weight(from, begin + unit, seen + input));
                (begin - first, seen, block)
            });
            Part { first, known_from, within: within.collect(), known }
        };
        let widths: Vec<usize> = inner.iter().map(|layer| layer.degrees.len()).collect();
        let densest = widths.iter().copied().max().unwrap_or(0).max(features * params);
        let length = (RUN * features).div_ceil(densest.max(1)).clamp(1, features.max(1));
        let runs = (0..features).step_by(length).rev().map(|start| {
            let degrees = start..(start + length).min(features);
            let hidden = (1..=inner.len()).map(|layer| part(layer, &degrees)).collect();
            Run { features: part(0, &degrees), hidden, degrees }
        });
        let runs = runs.collect();
        let mut starts = vec![0];
        widths.iter().for_each(|width| starts.push(starts[starts.len() - 1] + width));
        let unseen = below[1..=inner.len()].iter().map(|units| units[features]).collect();
        Self { features, params, activation, residual, starts, unseen, runs }
    }

    /// Planes of [`Planes::hidden`].
    pub fn hidden(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Go back through the net, from the last feature to the first.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn run(&self, planes: Planes<'_>) {
        let (features, lanes) = (self.features, planes.lanes);
        assert!(lanes.is_multiple_of(LANES), "{lanes} lanes");
        assert_eq!([planes.slope.len(), planes.y.len()], [features * lanes; 2], "planes of the features");
        let raw = features * self.params * lanes;
        assert_eq!([planes.steepness.len(), planes.raw.len()], [raw; 2], "planes of the raw values");
        assert_eq!(planes.hidden.len(), self.hidden() * lanes, "planes of the hidden units");
        let layers = self.starts.len() - 1;
        let bends = if self.residual { layers.saturating_sub(1) } else { layers };
        assert_eq!(planes.activated.len(), bends, "nonlinearities");
        for (activated, ends) in planes.activated.iter().zip(self.starts.windows(2)) {
            assert_eq!(activated.len(), (ends[1] - ends[0]) * lanes, "planes of a nonlinearity");
        }
        Arch::new().dispatch(Way { adjoint: self, planes });
    }
}

/// One tile's work, for the instruction set found while the program runs.
struct Way<'a> {
    adjoint: &'a Adjoint,
    planes: Planes<'a>,
}

impl WithSimd for Way<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = self.planes.lanes;
        for (ends, unseen) in self.adjoint.starts.windows(2).zip(&self.adjoint.unseen) {
            self.planes.hidden[(ends[0] + unseen) * lanes..ends[1] * lanes].fill(0.0);
        }
        for run in &self.adjoint.runs {
            self.begin_with_known(simd, run);
            for degree in (0..run.degrees.len()).rev() {
                self.feature(simd, run, degree);
                for layer in (0..run.hidden.len()).rev() {
                    self.units(simd, run, layer, degree);
                }
            }
        }
    }
}

impl Way<'_> {
    /// Begin the sums of a run with all that is known behind it.
    #[inline(always)]
    fn begin_with_known<S: Simd>(&mut self, simd: S, run: &Run) {
        let (lanes, starts) = (self.planes.lanes, &self.adjoint.starts);
        let Planes { y, raw, hidden, .. } = &mut self.planes;
        let part = &run.features;
        let behind = if run.hidden.is_empty() { &raw[..] } else { &hidden[..starts[1] * lanes] };
        let own = &mut y[part.first * lanes..][..part.known.outputs() * lanes];
        part.known.apply_with(simd, &behind[part.known_from * lanes..], lanes, Start::Output, End::Plain, own);
        for (layer, part) in run.hidden.iter().enumerate() {
            let (before, behind) = hidden.split_at_mut(starts[layer + 1] * lanes);
            let behind = match starts.get(layer + 2) {
                Some(end) => &behind[..(end - starts[layer + 1]) * lanes],
                None => &raw[..],
            };
            let own = &mut before[(starts[layer] + part.first) * lanes..][..part.known.outputs() * lanes];
            part.known.apply_with(simd, &behind[part.known_from * lanes..], lanes, Start::Zero, End::Plain, own);
        }
    }

    /// `y` of one feature of the run, and the gradient of its raw values.
    #[inline(always)]
    fn feature<S: Simd>(&mut self, simd: S, run: &Run, degree: usize) {
        let (lanes, params, starts) = (self.planes.lanes, self.adjoint.params, &self.adjoint.starts);
        let Planes { y, raw, hidden, slope, steepness, .. } = &mut self.planes;
        let (_, seen, block) = &run.features.within[degree];
        let feature = run.degrees.start + degree;
        let y = &mut y[feature * lanes..][..lanes];
        let behind = if run.hidden.is_empty() { &raw[..] } else { &hidden[..starts[1] * lanes] };
        block.add(simd, &behind[seen * lanes..], lanes, y);
        let slope = &slope[feature * lanes..][..lanes];
        y.iter_mut().zip(slope).for_each(|(y, slope)| *y /= slope);
        let own = feature * params * lanes..(feature + 1) * params * lanes;
        for (raw, steepness) in raw[own.clone()].chunks_exact_mut(lanes).zip(steepness[own].chunks_exact(lanes)) {
            for ((raw, steepness), y) in raw.iter_mut().zip(steepness).zip(&*y) {
                *raw -= steepness * y;
            }
        }
    }

    /// The hidden units of one degree of the run in one layer; the layers behind have theirs.
    #[inline(always)]
    fn units<S: Simd>(&mut self, simd: S, run: &Run, layer: usize, degree: usize) {
        let (lanes, starts) = (self.planes.lanes, &self.adjoint.starts);
        let Planes { raw, hidden, activated, .. } = &mut self.planes;
        let part = &run.hidden[layer];
        let (begin, seen, block) = &part.within[degree];
        let (before, all_behind) = hidden.split_at_mut(starts[layer + 1] * lanes);
        let last = layer + 2 == starts.len();
        let behind = if last { &raw[..] } else { &all_behind[..] };
        let first = part.first + begin;
        let span = first * lanes..(first + block.units) * lanes;
        let own = &mut before[starts[layer] * lanes..][span.clone()];
        block.add(simd, &behind[seen * lanes..], lanes, own);
        if self.adjoint.residual && last {
            // As in Neural Spline Flows, nothing bends between the last block and the last layer.
            return;
        }
        let activated = &activated[layer][span.clone()];
        match self.adjoint.activation {
            Activation::Relu => activations::relu_back(own, activated),
            Activation::Tanh => activations::tanh_back(own, activated),
            Activation::Silu => activations::silu_back(own, activated),
        }
        if self.adjoint.residual && layer.is_multiple_of(2) {
            // The stream goes on beside the block.
            let skipped = (starts[layer + 2] - starts[layer + 1]) * lanes;
            elementwise::add(own, &all_behind[skipped..][span]);
        }
    }
}
