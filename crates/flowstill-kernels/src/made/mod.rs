//! Invert a masked autoregressive net at the cost of about one pass: every hidden unit is computed once, when what it depends on is known.
//!
//! A hidden unit of degree `k` depends on the features 1 to `k` alone. So once feature `k` is known, the units of degree `k` are computed, layer
//! by layer, from the known ones; then the raw parameters of feature `k + 1`, and from them the feature. All in all every weight that a mask lets
//! through is used once, about half of a dense pass, where the plain way runs a whole pass for every feature.
//!
//! Units lie as planes, `[unit, lanes]`, a lane being a row, so that the arithmetic is wide across rows. What a run of neighbouring degrees gets from all
//! that was known before the run is one matrix product; only what they get from each other is added up degree by degree.

mod adjoint;
mod block;

pub use adjoint::{Adjoint, Planes};

use crate::activations;
use crate::dense::{End, LANES, Packed, Start};
use crate::planes::map::widest;
use crate::univariate::Map;
use block::Block;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// The nonlinearity between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// `x sigmoid(x)`.
    Silu,
}

impl Activation {
    #[inline(always)]
    fn apply(self, values: &mut [f32]) {
        match self {
            Self::Relu => activations::relu(values),
            Self::Tanh => activations::tanh_of(values),
            Self::Silu => activations::silu(values),
        }
    }
}

/// One layer as it is stored: `weight` is `[inputs, outputs]`, row-major, whatever stands under its mask; `degrees` are those of the outputs.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// `[inputs, outputs]`.
    pub weight: &'a [f32],
    /// `[outputs]`.
    pub bias: &'a [f32],
    /// Degrees of the outputs: rising in hidden layers; in the last layer the feature (from 1) that an output belongs to.
    pub degrees: &'a [usize],
}

/// A net with the map of its values, arranged for the inverse.
#[derive(Clone, Debug)]
pub struct Inverse {
    features: usize,
    map: Map,
    activation: Activation,
    residual: bool,
    /// Units of each hidden layer.
    widths: Vec<usize>,
    runs: Vec<Run>,
}

/// Neighbouring degrees; degree `d` is that of the units which depend on the features before `d` (from 0).
#[derive(Clone, Debug)]
struct Run {
    degrees: Range<usize>,
    /// The hidden layers.
    hidden: Vec<Part>,
    /// The raw values of the run's features; a degree's outputs are one feature's raw values.
    raw: Part,
}

/// One layer's units of a run.
#[derive(Clone, Debug)]
struct Part {
    /// Where the units begin in their layer.
    first: usize,
    /// From everything that was known before the run.
    known: Packed,
    bias: Vec<f32>,
    /// For every degree of the run, from what became known within it: where its units begin in the part, where its inputs begin, and their weights.
    within: Vec<(usize, usize, Block)>,
}

/// Units that a run has at least, if degrees suffice: enough to keep the matrix products busy.
const RUN: usize = 24;

/// Rows of a tile.
const TILE: usize = 64;

/// A layer while it is arranged: which inputs and which units are known from which degree on.
struct Schedule<'a> {
    layer: &'a Layer<'a>,
    /// Outputs in the order in which they become known.
    order: Vec<usize>,
    /// `units[d]` outputs have a degree below `d`; `inputs[d]` inputs are known before degree `d`, `inputs[d + 1]` at it.
    units: Vec<usize>,
    inputs: Vec<usize>,
}

impl Schedule<'_> {
    fn part(&self, degrees: &Range<usize>, own_degree_is_seen: bool) -> Part {
        let outputs = self.layer.degrees.len();
        let weight = |unit: usize, input: usize| self.layer.weight[input * outputs + self.order[unit]];
        let (first, end) = (self.units[degrees.start], self.units[degrees.end]);
        let before = self.inputs[degrees.start];
        let mut known = Packed::new(end - first, before, |_| 0..before);
        known.fill(|unit, input| weight(first + unit, input));
        let within = degrees.clone().map(|degree| {
            let (begin, stop) = (self.units[degree], self.units[degree + 1]);
            let seen = self.inputs[if own_degree_is_seen { degree + 1 } else { degree }];
            let block = Block::new(stop - begin, seen - before, |unit, input| weight(begin + unit, before + input));
            (begin - first, before, block)
        });
        let bias = (first..end).map(|unit| self.layer.bias[self.order[unit]]).collect();
        Part { first, known, bias, within: within.collect() }
    }
}

impl Inverse {
    /// Arrange the weights of a net over `features` features; `layers` are the hidden ones and the last.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn new(features: usize, layers: &[Layer<'_>], residual: bool, activation: Activation, map: Map) -> Self {
        let (last, inner) = layers.split_last().expect("a net has a last layer");
        let params = map.params();
        assert_eq!(last.degrees.len(), features * params, "outputs");
        // Before degree d the features below d are known.
        let mut inputs: Vec<usize> = (0..=features + 1).map(|degree| degree.min(features)).collect();
        let mut plans = Vec::new();
        for layer in inner {
            assert_eq!(layer.weight.len(), inputs[features] * layer.degrees.len(), "weights of a layer");
            assert!(layer.degrees.is_sorted() && layer.bias.len() == layer.degrees.len(), "degrees of a layer");
            let units: Vec<usize> =
                (0..=features + 1).map(|degree| layer.degrees.partition_point(|own| *own < degree)).collect();
            assert_eq!(units[features + 1], layer.degrees.len(), "degrees up to {features}");
            let order = (0..layer.degrees.len()).collect();
            plans.push(Schedule { layer, order, units: units.clone(), inputs });
            inputs = units;
        }
        assert_eq!(last.weight.len(), inputs[features] * last.degrees.len(), "weights of the last layer");
        assert_eq!(last.bias.len(), last.degrees.len(), "biases of the last layer");
        let mut order = Vec::new();
        for feature in 1..=features {
            let chosen = (0..last.degrees.len()).filter(|at| last.degrees[*at] == feature);
            order.extend(chosen);
            assert_eq!(order.len(), feature * params, "raw values of a feature");
        }
        let units = (0..=features + 1).map(|degree| degree.min(features) * params).collect();
        let raw = Schedule { layer: last, order, units, inputs };

        let widths: Vec<usize> = inner.iter().map(|layer| layer.degrees.len()).collect();
        let densest = widths.iter().copied().max().unwrap_or(0).max(features * params);
        let length = (RUN * features).div_ceil(densest.max(1)).clamp(1, features.max(1));
        let runs = (0..features).step_by(length).map(|start| {
            let degrees = start..(start + length).min(features);
            // A hidden layer sees its own degree of the layer before, but not the feature that is yet to come.
            let hidden = plans.iter().enumerate().map(|(index, plan)| plan.part(&degrees, index > 0));
            let hidden = hidden.collect();
            let raw = raw.part(&degrees, !plans.is_empty());
            Run { degrees, hidden, raw }
        });
        Self { features, map, activation, residual, runs: runs.collect(), widths }
    }

    /// Latents to data: `z` is `[rows, features]`, `shift` nothing or `[rows, width]`, what a context adds to the first layer; answers `x` and
    /// `log dz/dx` of each value, both `[rows, features]`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn run(&self, z: &[f32], shift: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
        let features = self.features;
        let rows = z.len() / features.max(1);
        let width = self.shift_width();
        assert_eq!(z.len(), rows * features, "whole rows");
        assert!(shift.is_none_or(|shift| shift.len() == rows * width), "a shift for every row");
        let (mut x, mut slopes) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        // Fewer rows than would keep every thread busy are cut finer, down to one group of lanes.
        let tile = rows.div_ceil(rayon::current_num_threads()).next_multiple_of(LANES).clamp(LANES, TILE);
        let parts = z.par_chunks(tile * features).zip(x.par_chunks_mut(tile * features));
        let parts = parts.zip(slopes.par_chunks_mut(tile * features)).enumerate();
        parts.for_each(|(index, ((z, x), slopes))| {
            let own = z.len() / features;
            let lanes = own.next_multiple_of(LANES);
            let shift = shift.map(|shift| turned(&shift[index * tile * width..][..own * width], width, lanes));
            let (mut to, mut of) = (vec![0.0; features * lanes], vec![0.0; features * lanes]);
            self.dispatch(&turned(z, features, lanes), shift.as_deref(), lanes, &mut to, Slopes::Each(&mut of));
            for (rows, planes) in [(x, &to), (slopes, &of)] {
                for (row, values) in rows.chunks_exact_mut(features).enumerate() {
                    values.iter_mut().enumerate().for_each(|(f, value)| *value = planes[f * lanes + row]);
                }
            }
        });
        (x, slopes)
    }

    /// The same of planes on the calling thread: `z` and `x` are `[features, lanes]`, `shift` is `[width, lanes]`; the sum of `log dz/dx` over the
    /// features is added to `log_slope`, `[lanes]`. Lanes are a multiple of [`LANES`].
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn run_planes(&self, z: &[f32], shift: Option<&[f32]>, lanes: usize, x: &mut [f32], log_slope: &mut [f32]) {
        assert!(lanes.is_multiple_of(LANES) && log_slope.len() == lanes, "{lanes} lanes");
        assert_eq!([z.len(), x.len()], [self.features * lanes; 2], "planes of the features");
        assert!(shift.is_none_or(|shift| shift.len() == self.shift_width() * lanes), "planes of the shift");
        self.dispatch(z, shift, lanes, x, Slopes::Sum(log_slope));
    }

    fn shift_width(&self) -> usize {
        self.widths.first().copied().unwrap_or(self.features * self.map.params())
    }

    fn dispatch(&self, z: &[f32], shift: Option<&[f32]>, lanes: usize, x: &mut [f32], slopes: Slopes<'_>) {
        SCRATCH.with_borrow_mut(|scratch| {
            Arch::new().dispatch(Tile { inverse: self, scratch, z, shift, lanes, x, slopes });
        });
    }
}

/// Rows as planes.
fn turned(rows: &[f32], width: usize, lanes: usize) -> Vec<f32> {
    let mut planes = vec![0.0; width * lanes];
    for (row, values) in rows.chunks_exact(width.max(1)).enumerate() {
        values.iter().enumerate().for_each(|(plane, value)| planes[plane * lanes + row] = *value);
    }
    planes
}

/// Where the logarithms of the slopes go.
enum Slopes<'a> {
    /// `[features, lanes]`.
    Each(&'a mut [f32]),
    /// `[lanes]`, all features added.
    Sum(&'a mut [f32]),
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a thread keeps from tile to tile.
#[derive(Default)]
struct Scratch {
    /// Of each hidden layer: what its nonlinearity gave.
    units: Vec<Vec<f32>>,
    /// Of each hidden layer and of the raw values: the sums of the present run.
    sums: Vec<Vec<f32>>,
    /// The residual stream.
    stream: Vec<f32>,
}

/// One tile's work, for the instruction set found while the program runs.
struct Tile<'a> {
    inverse: &'a Inverse,
    scratch: &'a mut Scratch,
    z: &'a [f32],
    shift: Option<&'a [f32]>,
    lanes: usize,
    x: &'a mut [f32],
    slopes: Slopes<'a>,
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Inverse { widths, runs, .. } = self.inverse;
        // A net of fewer layers leaves the others their room.
        let layers = widths.len().max(self.scratch.units.len());
        self.scratch.units.resize_with(layers, Vec::new);
        self.scratch.sums.resize_with(layers + 1, Vec::new);
        for (units, width) in self.scratch.units.iter_mut().zip(widths) {
            units.resize(width * self.lanes, 0.0);
        }
        self.scratch.stream.resize(widths.first().map_or(0, |width| width * self.lanes), 0.0);
        for run in runs {
            self.begin_with_known(simd, run);
            for degree in 0..run.degrees.len() {
                self.units_of(simd, run, degree);
                self.feature(simd, run, degree);
            }
        }
    }
}

impl Tile<'_> {
    /// Begin the sums of a run with all that is known before it.
    #[inline(always)]
    fn begin_with_known<S: Simd>(&mut self, simd: S, run: &Run) {
        let lanes = self.lanes;
        for (index, part) in run.hidden.iter().chain([&run.raw]).enumerate() {
            let input = match index {
                0 => &self.x[..],
                index => &self.scratch.units[index - 1],
            };
            let sums = &mut self.scratch.sums[index];
            sums.resize(part.known.outputs() * lanes, 0.0);
            let input = &input[..part.known.inputs() * lanes];
            part.known.apply_with(simd, input, lanes, Start::Bias(&part.bias), End::Plain, sums);
            if let (0, Some(shift)) = (index, self.shift) {
                // The raw values are in another order than they are stored, if they are what the context speaks to.
                let params = self.inverse.map.params();
                let stored = |unit: usize| match (run.hidden.is_empty(), self.inverse.map) {
                    (true, Map::Affine(_) | Map::Additive) => unit % params * self.inverse.features + unit / params,
                    _ => unit,
                };
                for (unit, sums) in sums.chunks_exact_mut(lanes).enumerate() {
                    let shift = &shift[stored(part.first + unit) * lanes..][..lanes];
                    sums.iter_mut().zip(shift).for_each(|(sum, shift)| *sum += shift);
                }
            }
        }
    }

    /// The hidden units of one degree of the run, layer by layer.
    #[inline(always)]
    fn units_of<S: Simd>(&mut self, simd: S, run: &Run, degree: usize) {
        let lanes = self.lanes;
        let Scratch { units, sums, stream } = &mut *self.scratch;
        for (index, part) in run.hidden.iter().enumerate() {
            let (begin, before, block) = &part.within[degree];
            let (done, rest) = units.split_at_mut(index);
            let input = done.last().map_or(&self.x[..], |units| units);
            let sums = &mut sums[index][begin * lanes..(begin + block.units) * lanes];
            block.add(simd, &input[before * lanes..], lanes, sums);
            let span = (part.first + begin) * lanes..(part.first + begin + block.units) * lanes;
            if self.inverse.residual && index.is_multiple_of(2) {
                if index > 0 {
                    sums.iter_mut().zip(&stream[span.clone()]).for_each(|(sum, before)| *sum += before);
                }
                stream[span.clone()].copy_from_slice(sums);
            }
            let out = &mut rest[0][span];
            // As in Neural Spline Flows, nothing bends between the last block and the last layer.
            let bends = !(self.inverse.residual && index + 1 == run.hidden.len());
            match self.inverse.activation {
                Activation::Relu if bends => relu(simd, sums, out),
                activation => {
                    out.copy_from_slice(sums);
                    if bends {
                        activation.apply(out);
                    }
                }
            }
        }
    }

    /// The raw values of one feature, and the feature.
    #[inline(always)]
    fn feature<S: Simd>(&mut self, simd: S, run: &Run, degree: usize) {
        let lanes = self.lanes;
        let (begin, before, block) = &run.raw.within[degree];
        let layers = run.hidden.len();
        let raw = &mut self.scratch.sums[layers];
        let raw = &mut raw[begin * lanes..(begin + block.units) * lanes];
        let input = self.scratch.units[..layers].last().map_or(&self.x[..], |units| units);
        block.add(simd, &input[before * lanes..], lanes, raw);
        let feature = run.degrees.start + degree;
        let span = feature * lanes..(feature + 1) * lanes;
        let slopes = match &mut self.slopes {
            Slopes::Each(slopes) => &mut slopes[span.clone()],
            Slopes::Sum(slopes) => slopes,
        };
        // Compiled once, and called: the spline is long.
        widest::inverse(self.inverse.map, &self.z[span.clone()], raw, &mut self.x[span], slopes);
    }
}

/// `max(0, x)`; NaN stays NaN.
#[inline(always)]
fn relu<S: Simd>(simd: S, x: &[f32], out: &mut [f32]) {
    let zero = simd.splat_f32s(0.0);
    let (x, out) = (S::as_simd_f32s(x).0, S::as_mut_simd_f32s(out).0);
    for (x, out) in x.iter().zip(out) {
        *out = simd.select_f32s(simd.less_than_f32s(*x, zero), zero, *x);
    }
}

#[cfg(test)]
mod tests;
