//! Invert a masked autoregressive net at the cost of about one pass: every hidden unit is computed once, when what it depends on is known.
//!
//! A hidden unit of degree `k` depends on the features 1 to `k` alone. So once feature `k` is known, the units of degree `k` are computed, layer
//! by layer, from the known ones; then the raw parameters of feature `k + 1`, and from them the feature. All in all every weight that a mask lets
//! through is used once, about half of a dense pass, where the plain way runs a whole pass for every feature.
//!
//! Rows are cut into tiles; a tile's values lie unit by unit (`[unit, row]`), so that the arithmetic is wide across rows.

use crate::functions::tanh;
use crate::univariate::Map;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

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
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Tanh => tanh(x),
            Self::Silu => x / (1.0 + (-x).exp()),
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
    /// Hidden layers, from the input on.
    hidden: Vec<Hidden>,
    /// The raw parameters of each feature.
    raw: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Hidden {
    width: usize,
    /// For each degree from 0 the first unit that has it, and its block.
    blocks: Vec<(usize, Block)>,
}

/// Outputs that become known together: weights `[outputs in groups of GROUP][known inputs][GROUP]`, padded with zeros.
#[derive(Clone, Debug)]
struct Block {
    outputs: usize,
    known: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Outputs at a time; with two vectors of rows they fill the registers. Rows come in multiples of LANES, two of the widest vectors.
const GROUP: usize = 4;
const LANES: usize = 32;

/// Rows of a tile.
const TILE: usize = 64;

impl Block {
    fn new(layer: &Layer<'_>, chosen: &[usize], known: usize) -> Self {
        let outputs = layer.degrees.len();
        let mut weights = Vec::with_capacity(chosen.len().div_ceil(GROUP) * GROUP * known);
        for group in chosen.chunks(GROUP) {
            for input in 0..known {
                let row = &layer.weight[input * outputs..][..outputs];
                weights.extend((0..GROUP).map(|u| group.get(u).map_or(0.0, |unit| row[*unit])));
            }
        }
        Self { outputs: chosen.len(), known, weights, bias: chosen.iter().map(|unit| layer.bias[*unit]).collect() }
    }

    /// `out[unit, row] = bias + sum over known inputs`; `input` is `[known.., rows]`, `rows` a multiple of LANES.
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, input: &[f32], rows: usize, out: &mut [f32]) {
        let pair = 2 * S::F32_LANES;
        for (group, out) in out[..self.outputs * rows].chunks_mut(GROUP * rows).enumerate() {
            let weights = &self.weights[group * GROUP * self.known..][..GROUP * self.known];
            let bias = |u: usize| simd.splat_f32s(self.bias.get(group * GROUP + u).copied().unwrap_or(0.0));
            for first in (0..rows).step_by(pair) {
                let mut sums: [[S::f32s; 2]; GROUP] = std::array::from_fn(|u| [bias(u), bias(u)]);
                for (weights, values) in weights.chunks_exact(GROUP).zip(input.chunks_exact(rows)) {
                    let (values, _) = S::as_simd_f32s(&values[first..first + pair]);
                    let (low, high) = (values[0], values[1]);
                    for u in 0..GROUP {
                        let weight = simd.splat_f32s(weights[u]);
                        sums[u] = [
                            simd.mul_add_e_f32s(weight, low, sums[u][0]),
                            simd.mul_add_e_f32s(weight, high, sums[u][1]),
                        ];
                    }
                }
                for (out, sums) in out.chunks_exact_mut(rows).zip(&sums) {
                    let (out, _) = S::as_mut_simd_f32s(&mut out[first..first + pair]);
                    (out[0], out[1]) = (sums[0], sums[1]);
                }
            }
        }
    }
}

impl Inverse {
    /// Arrange the weights of a net over `features` features; `layers` are the hidden ones and the last.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn new(features: usize, layers: &[Layer<'_>], residual: bool, activation: Activation, map: Map) -> Self {
        let (last, inner) = layers.split_last().expect("a net has a last layer");
        assert_eq!(last.degrees.len(), features * map.params(), "outputs");
        let mut known_before: Vec<usize> = (0..=features).collect();
        let mut hidden = Vec::new();
        for layer in inner {
            assert_eq!(layer.weight.len(), known_before[features] * layer.degrees.len(), "weights of a layer");
            assert!(layer.degrees.is_sorted() && layer.bias.len() == layer.degrees.len(), "degrees of a layer");
            let blocks = (0..=features).map(|degree| {
                let first = layer.degrees.partition_point(|own| *own < degree);
                let end = layer.degrees.partition_point(|own| *own <= degree);
                (first, Block::new(layer, &(first..end).collect::<Vec<_>>(), known_before[degree]))
            });
            hidden.push(Hidden { width: layer.degrees.len(), blocks: blocks.collect() });
            known_before = (0..=features).map(|degree| layer.degrees.partition_point(|own| *own <= degree)).collect();
        }
        assert_eq!(last.weight.len(), known_before[features] * last.degrees.len(), "weights of the last layer");
        let raw = (1..=features).map(|feature| {
            let chosen: Vec<usize> = (0..last.degrees.len()).filter(|at| last.degrees[*at] == feature).collect();
            assert_eq!(chosen.len(), map.params(), "raw values of a feature");
            Block::new(last, &chosen, known_before[feature - 1])
        });
        Self { features, map, activation, residual, raw: raw.collect(), hidden }
    }

    /// Latents to data: `z` is `[rows, features]`, `shift` nothing or `[rows, width]`, what a context adds to the first layer; answers `x` and
    /// `log dz/dx` of each value, both `[rows, features]`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn run(&self, z: &[f32], shift: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
        let features = self.features;
        let rows = z.len() / features.max(1);
        let width = self.hidden.first().map_or(features * self.map.params(), |layer| layer.width);
        assert_eq!(z.len(), rows * features, "whole rows");
        assert!(shift.is_none_or(|shift| shift.len() == rows * width), "a shift for every row");
        let (mut x, mut slopes) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        // Fewer rows than would keep every thread busy are cut finer, down to one group of lanes.
        let tile = rows.div_ceil(rayon::current_num_threads()).next_multiple_of(LANES).clamp(LANES, TILE);
        let parts = z.par_chunks(tile * features).zip(x.par_chunks_mut(tile * features));
        let parts = parts.zip(slopes.par_chunks_mut(tile * features)).enumerate();
        parts.for_each_init(Scratch::default, |scratch, (index, ((z, x), slopes))| {
            let own = z.len() / features;
            let shift = shift.map(|shift| &shift[index * tile * width..][..own * width]);
            let padded = own.next_multiple_of(LANES);
            let work = Tile { inverse: self, scratch, z, shift, rows: padded, x, slopes };
            pulp::Arch::new().dispatch(work);
        });
        (x, slopes)
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn tile<S: Simd>(
        &self,
        simd: S,
        scratch: &mut Scratch,
        z: &[f32],
        shift: Option<&[f32]>,
        rows: usize,
        x: &mut [f32],
        slopes: &mut [f32],
    ) {
        let features = self.features;
        let widths: usize = self.hidden.iter().map(|layer| layer.width).sum();
        let widest_block =
            self.hidden.iter().flat_map(|layer| &layer.blocks).map(|(_, block)| block.outputs).max().unwrap_or(0);
        let first_width = self.hidden.first().map_or(self.raw.len() * self.map.params(), |layer| layer.width);
        let Scratch { known, units, stream, shifts, fresh, lane_z, lane_slope } = scratch;
        known.resize(features * rows, 0.0);
        units.resize(widths * rows, 0.0);
        stream.resize(first_width * rows, 0.0);
        fresh.resize(widest_block.max(self.map.params()).next_multiple_of(GROUP) * rows, 0.0);
        lane_z.resize(rows, 0.0);
        lane_slope.resize(rows, 0.0);
        if let Some(shift) = shift {
            shifts.resize(first_width * rows, 0.0);
            for (row, shift) in shift.chunks_exact(first_width).enumerate() {
                shift.iter().enumerate().for_each(|(unit, value)| shifts[unit * rows + row] = *value);
            }
        }
        for feature in 0..features {
            self.units_of_degree(simd, feature, known, units, stream, shift.map(|_| &**shifts), fresh, rows);
            let inputs = match self.hidden.last() {
                Some(layer) => &units[(widths - layer.width) * rows..],
                None => &known[..],
            };
            let params = self.map.params();
            self.raw[feature].apply(simd, inputs, rows, fresh);
            if let (true, Some(_)) = (self.hidden.is_empty(), shift) {
                self.add_raw_shift(feature, shifts, fresh, rows);
            }
            for (row, z) in z.chunks_exact(features).enumerate() {
                lane_z[row] = z[feature];
            }
            lane_slope.fill(0.0);
            self.map.inverse(lane_z, &fresh[..params * rows], &mut known[feature * rows..][..rows], lane_slope);
            for (row, (x, slopes)) in x.chunks_exact_mut(features).zip(slopes.chunks_exact_mut(features)).enumerate() {
                x[feature] = known[feature * rows + row];
                slopes[feature] = lane_slope[row];
            }
        }
    }

    /// The hidden units that depend on the features before `degree` (from 0) and on no later one, layer by layer.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn units_of_degree<S: Simd>(
        &self,
        simd: S,
        degree: usize,
        known: &[f32],
        units: &mut [f32],
        stream: &mut [f32],
        shifts: Option<&[f32]>,
        fresh: &mut [f32],
        rows: usize,
    ) {
        let mut before = 0;
        for (index, layer) in self.hidden.iter().enumerate() {
            let (first, block) = &layer.blocks[degree];
            let start = before + if index == 0 { 0 } else { self.hidden[index - 1].width };
            if block.outputs > 0 {
                let (done, rest) = units.split_at_mut(start * rows);
                let inputs = if index == 0 { known } else { &done[before * rows..] };
                block.apply(simd, inputs, rows, fresh);
                let fresh = &mut fresh[..block.outputs * rows];
                let span = first * rows..(first + block.outputs) * rows;
                if let (0, Some(shifts)) = (index, shifts) {
                    fresh.iter_mut().zip(&shifts[span.clone()]).for_each(|(value, shift)| *value += shift);
                }
                let joins = self.residual && index.is_multiple_of(2);
                if joins {
                    if index > 0 {
                        fresh.iter_mut().zip(&stream[span.clone()]).for_each(|(value, before)| *value += before);
                    }
                    stream[span.clone()].copy_from_slice(fresh);
                }
                // As in Neural Spline Flows, nothing bends between the last block and the last layer.
                let bends = !(self.residual && index + 1 == self.hidden.len());
                let out = &mut rest[span];
                match bends {
                    true => out.iter_mut().zip(&*fresh).for_each(|(out, value)| *out = self.activation.apply(*value)),
                    false => out.copy_from_slice(fresh),
                }
            }
            before = start;
        }
    }

    /// Without hidden layers the context speaks to the raw values themselves.
    fn add_raw_shift(&self, feature: usize, shifts: &[f32], fresh: &mut [f32], rows: usize) {
        let (features, params) = (self.features, self.map.params());
        for p in 0..params {
            let unit = match self.map {
                Map::Spline { .. } => feature * params + p,
                Map::Affine(_) | Map::Additive => p * features + feature,
            };
            fresh[p * rows..(p + 1) * rows].iter_mut().zip(&shifts[unit * rows..]).for_each(|(raw, add)| *raw += add);
        }
    }
}

/// One tile's work, for the instruction set found while the program runs.
struct Tile<'a> {
    inverse: &'a Inverse,
    scratch: &'a mut Scratch,
    z: &'a [f32],
    shift: Option<&'a [f32]>,
    rows: usize,
    x: &'a mut [f32],
    slopes: &'a mut [f32],
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tile { inverse, scratch, z, shift, rows, x, slopes } = self;
        inverse.tile(simd, scratch, z, shift, rows, x, slopes);
    }
}

/// What a thread keeps from tile to tile.
#[derive(Default)]
struct Scratch {
    known: Vec<f32>,
    units: Vec<f32>,
    stream: Vec<f32>,
    shifts: Vec<f32>,
    fresh: Vec<f32>,
    lane_z: Vec<f32>,
    lane_slope: Vec<f32>,
}

#[cfg(test)]
#[path = "made_tests.rs"]
mod tests;
