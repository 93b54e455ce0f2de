//! Move every plane by parameters that a masked network computes from the planes before it.

use super::dense::Dense;
use super::net::Net;
use super::univariate::columns;
use super::{Layer, Purpose};
use crate::architecture::{Activation, MaskedAutoregressiveConfig as Config};
use crate::masks::hidden_degrees;
use crate::offsets::{Offsets, Slots};
use crate::work::{Tape, Work};
use flowstill_kernels::made::{self, Planes};
use flowstill_kernels::planes::map::widest;
use flowstill_kernels::univariate::Map;
use std::ops::Range;

/// A masked autoregressive layer.
#[derive(Debug)]
pub(crate) struct Autoregressive {
    channels: usize,
    context: usize,
    map: Map,
    net: Net,
    inverse: Option<made::Inverse>,
    /// For the way back through the inverse.
    adjoint: Option<made::Adjoint>,
    source: Source,
}

/// Where the stored layers lie, for the inverse, which arranges them in its own way.
#[derive(Debug)]
struct Source {
    /// Weights, biases and degrees of the outputs of each layer.
    layers: Vec<(usize, usize, Vec<usize>)>,
    context_at: usize,
    activation: made::Activation,
    residual: bool,
    /// What the context adds to: outputs of the first layer.
    first_width: usize,
    context_weight: Vec<f32>,
}

impl Autoregressive {
    pub(crate) fn new(path: &str, config: &Config, offsets: &Offsets) -> Option<Self> {
        let (channels, context, map) = (config.channels, config.context, config.transform.kernel());
        let made = &config.made;
        let outputs = channels * map.params();
        let first_width = made.hidden.first().copied().unwrap_or(outputs);
        let context_at = match context {
            0 => 0,
            _ => offsets.find(&format!("{path}.net.context"), context * first_width)?,
        };
        // Degrees of the inputs of each layer, counted from 1; conditioning values come first and are seen by all.
        let mut before: Vec<usize> = (1..=channels).collect();
        let (mut layers, mut stored) = (Vec::new(), Vec::new());
        for index in 0..=made.hidden.len() {
            let last = index == made.hidden.len();
            let width = if last { outputs } else { made.hidden[index] };
            let weight_at = offsets.find(&format!("{path}.net.layers.{index}.weight"), before.len() * width)?;
            let bias_at = offsets.find(&format!("{path}.net.layers.{index}.bias"), width)?;
            let order = if last { columns(map, channels) } else { (0..width).collect() };
            let degrees = match last {
                false => hidden_degrees(width, channels, context > 0),
                true => (0..outputs).map(|n| n / map.params() + 1).collect(),
            };
            let still = if index == 0 { context } else { 0 };
            // A hidden unit sees its own degree, an output only those below.
            let seen = |degree: &usize| {
                let end = before.partition_point(|own| if last { own < degree } else { own <= degree });
                still + end
            };
            let limits = degrees.iter().map(seen).collect();
            let rows = (0..still).map(|k| context_at + k * width);
            let rows = rows.chain((0..before.len()).map(|k| weight_at + k * width)).collect();
            let mut of_columns = vec![0; width];
            order.iter().zip(&degrees).for_each(|(column, degree)| of_columns[*column] = *degree);
            stored.push((weight_at, bias_at, of_columns));
            layers.push(Dense::new(rows, order, bias_at, Some(limits), still));
            before = degrees;
        }
        let source = Source {
            layers: stored,
            context_at,
            activation: match made.activation {
                Activation::Relu => made::Activation::Relu,
                Activation::Tanh => made::Activation::Tanh,
                Activation::Silu => made::Activation::Silu,
            },
            residual: made.residual,
            first_width,
            context_weight: Vec::new(),
        };
        let net = Net::new(layers, made.activation, made.residual);
        Some(Self { channels, context, map, net, inverse: None, adjoint: None, source })
    }

    fn block(&self, lanes: usize) -> usize {
        self.net.planes() * lanes
    }

    /// What the map makes of a gradient of its latents and of its slopes: the part of its own value, and of its raw values.
    fn pull(&self, block: &[f32], lanes: usize, g_z: &[f32], g_slopes: &[f32], g_x: &mut [f32], g_raw: &mut [f32]) {
        let params = self.map.params() * lanes;
        let x = &block[self.context * lanes..][..self.channels * lanes];
        let raw = &block[block.len() - self.net.outputs() * lanes..];
        let from = x.chunks_exact(lanes).zip(raw.chunks_exact(params)).zip(g_z.chunks_exact(lanes));
        let to = g_x.chunks_exact_mut(lanes).zip(g_raw.chunks_exact_mut(params));
        for (((x, raw), g_z), (g_x, g_raw)) in from.zip(to) {
            widest::backward(self.map, x, raw, g_z, g_slopes, g_x, g_raw);
        }
    }
}

impl Layer for Autoregressive {
    fn load(&mut self, values: &[f32], purpose: Purpose) {
        if purpose.forward || purpose.backward {
            self.net.load(values, purpose);
        }
        if purpose.inverse {
            let mut inputs = self.channels;
            let mut layers = Vec::new();
            for (weight_at, bias_at, degrees) in &self.source.layers {
                let width = degrees.len();
                let (weight, bias) = (&values[*weight_at..][..inputs * width], &values[*bias_at..][..width]);
                layers.push(made::Layer { weight, bias, degrees });
                inputs = width;
            }
            let Source { activation, residual, context_at, first_width, .. } = self.source;
            self.inverse = Some(made::Inverse::new(self.channels, &layers, residual, activation, self.map));
            self.adjoint = purpose
                .backward
                .then(|| made::Adjoint::new(self.channels, &layers, residual, activation, self.map.params()));
            self.source.context_weight = values[context_at..][..self.context * first_width].to_vec();
        }
    }

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let (lanes, size) = (work.lanes(), self.channels * work.lanes());
        let block = tape.push(self.block(lanes));
        let (context, rest) = block.split_at_mut(self.context * lanes);
        work.spread_context(context);
        rest[..size].copy_from_slice(&work.state[..size]);
        self.net.forward(block, lanes);
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        let raw = &block[block.len() - self.net.outputs() * lanes..];
        let x = &block[self.context * lanes..][..size];
        let planes = x.chunks_exact(lanes).zip(raw.chunks_exact(self.map.params() * lanes));
        for ((x, raw), z) in planes.zip(work.state.chunks_exact_mut(lanes)) {
            widest::forward(self.map, x, raw, z, &mut slopes);
        }
        work.add_log_det(&slopes);
        work.give(slopes);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        let lanes = work.lanes();
        let Some(inverse) = &self.inverse else { return work.state.fill(f32::NAN) };
        let mut x = work.take(self.channels * lanes);
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        let mut shift = work.take(if self.context > 0 { self.source.first_width * lanes } else { 0 });
        if self.context > 0 {
            let mut context = work.take(self.context * lanes);
            work.spread_context(&mut context);
            shift.fill(0.0);
            for (values, weights) in
                context.chunks_exact(lanes).zip(self.source.context_weight.chunks_exact(self.source.first_width))
            {
                for (shift, weight) in shift.chunks_exact_mut(lanes).zip(weights) {
                    shift.iter_mut().zip(values).for_each(|(shift, value)| *shift += weight * value);
                }
            }
            work.give(context);
        }
        let shifts = (self.context > 0).then_some(shift.as_slice());
        inverse.run_planes(&work.state[..self.channels * lanes], shifts, lanes, &mut x, &mut slopes);
        std::mem::swap(&mut work.state, &mut x);
        work.add_log_det(&slopes);
        work.give(x);
        work.give(slopes);
        work.give(shift);
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let lanes = work.lanes();
        let block = tape.pop(self.block(lanes));
        let mut g_slopes = work.take(lanes);
        work.spread_g_log_det(&mut g_slopes);
        let mut g_raw = work.take(self.net.outputs() * lanes);
        let mut g_x = work.take(self.channels * lanes);
        self.pull(block, lanes, &work.gradient, &g_slopes, &mut g_x, &mut g_raw);
        self.net.backward(work, block, lanes, &g_raw, &mut g_x, accumulators);
        std::mem::swap(&mut work.gradient, &mut g_x);
        work.give(g_x);
        work.give(g_raw);
        work.give(g_slopes);
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let (lanes, size) = (work.lanes(), self.channels * work.lanes());
        let Some(adjoint) = &self.adjoint else { return work.gradient.fill(f32::NAN) };
        let block = tape.pop(self.block(lanes));
        let outputs = self.net.outputs() * lanes;
        let [mut g_raw, mut steepness, mut y, mut slope, mut hidden] =
            [outputs, outputs, size, size, adjoint.hidden() * lanes].map(|count| work.take(count));
        // The diagonal of J, and how each value moves with its raw ones.
        let mut g_slopes = work.take(lanes);
        g_slopes.fill(0.0);
        y.fill(1.0);
        self.pull(block, lanes, &y, &g_slopes, &mut slope, &mut steepness);
        // What the log-determinant adds, before the net; the net's part comes with the units'.
        work.spread_g_log_det(&mut g_slopes);
        let mut zeros = work.take(size);
        zeros.fill(0.0);
        self.pull(block, lanes, &zeros, &g_slopes, &mut y, &mut g_raw);
        flowstill_kernels::elementwise::add(&mut y, &work.gradient);
        // The units' gradients, of the log-determinant less those of y, are what the weights' are made of.
        let (kept, _) = self.net.kept(block, lanes);
        let activated: Vec<&[f32]> = kept.iter().map(|activated| activated.of_slope(self.net.activate())).collect();
        adjoint.run(Planes {
            lanes,
            slope: &slope,
            steepness: &steepness,
            activated: &activated,
            y: &mut y,
            raw: &mut g_raw,
            hidden: &mut hidden,
        });
        self.net.add_up(work, block, lanes, [&hidden, &g_raw], accumulators);
        std::mem::swap(&mut work.gradient, &mut y);
        for values in [g_raw, steepness, y, slope, hidden, zeros, g_slopes] {
            work.give(values);
        }
    }

    fn accumulators(&self) -> usize {
        self.net.accumulators()
    }

    fn home(&self) -> Range<usize> {
        self.net.home()
    }

    fn finish(&self, _values: &[f32], accumulators: &[f32], gradient: &mut Slots<'_>) {
        self.net.finish(accumulators, gradient);
    }

    fn planes(&self) -> usize {
        self.net.planes()
    }
}

#[cfg(test)]
#[path = "autoregressive_tests.rs"]
mod tests;
