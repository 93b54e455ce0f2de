//! Move some planes by parameters that a network computes from the others.

use super::convnet::ConvNet;
use super::dense::Dense;
use super::net::Net;
use super::univariate::columns;
use super::{Layer, Purpose};
use crate::architecture::{Activation, ConditionerConfig, CouplingConfig as Config};
use crate::places::{Places, Slots};
use crate::work::{Tape, Work};
use flowstill_kernels::planes::map::widest;
use flowstill_kernels::univariate::Map;
use std::ops::Range;

/// A coupling over channels.
#[derive(Debug)]
pub(crate) struct Coupling {
    kept: Vec<usize>,
    moved: Vec<usize>,
    context: usize,
    map: Map,
    net: Conditions,
}

#[derive(Debug)]
enum Conditions {
    Rows(Net),
    Conv(Box<ConvNet>),
}

impl Coupling {
    pub(crate) fn new(path: &str, config: &Config, places: &Places) -> Option<Self> {
        if config.mask.is_spatial() {
            return None;
        }
        let (kept, moved) = config.mask.halves(config.channels);
        let map = config.transform.kernel();
        let inputs = kept.len() + config.context;
        let columns = columns(map, moved.len());
        let path = format!("{path}.net");
        let rows = |widths: &[usize], activation: Activation, residual: bool| {
            let mut layers = Vec::new();
            let mut before = inputs;
            for index in 0..=widths.len() {
                let width = widths.get(index).copied().unwrap_or(columns.len());
                let weight_at = places.find(&format!("{path}.layers.{index}.weight"), before * width)?;
                let bias_at = places.find(&format!("{path}.layers.{index}.bias"), width)?;
                let order = if index == widths.len() { columns.clone() } else { (0..width).collect() };
                let rows = (0..before).map(|k| weight_at + k * width).collect();
                layers.push(Dense::new(rows, order, bias_at, None, 0));
                before = width;
            }
            Some(Conditions::Rows(Net::new(layers, activation, residual)))
        };
        let net = match &config.conditioner {
            ConditionerConfig::Mlp { hidden, activation } => rows(hidden, *activation, false)?,
            ConditionerConfig::Residual { hidden, blocks, activation } => {
                rows(&vec![*hidden; 1 + 2 * blocks], *activation, true)?
            }
            ConditionerConfig::Conv { hidden, activation: Activation::Relu } => {
                let net = ConvNet::new(&format!("{path}.conv"), inputs, Some(*hidden), columns, places)?;
                Conditions::Conv(Box::new(net))
            }
            ConditionerConfig::ZeroConv => {
                let net = ConvNet::new(&format!("{path}.conv"), inputs, None, columns, places)?;
                Conditions::Conv(Box::new(net))
            }
            ConditionerConfig::Conv { .. } => return None,
        };
        Some(Self { kept, moved, context: config.context, map, net })
    }

    fn block(&self) -> usize {
        self.moved.len() + self.net_planes()
    }

    fn net_planes(&self) -> usize {
        match &self.net {
            Conditions::Rows(net) => net.planes(),
            Conditions::Conv(net) => net.planes(),
        }
    }

    /// Copy the planes that condition, and the context, to where the network reads them; run it; its raw output is the end of `block`.
    fn condition(&self, work: &mut Work, block: &mut [f32], lanes: usize) {
        for (to, &from) in block.chunks_exact_mut(lanes).zip(&self.kept) {
            to.copy_from_slice(&work.state[from * lanes..][..lanes]);
        }
        work.spread_context(&mut block[self.kept.len() * lanes..][..self.context * lanes]);
        match &self.net {
            Conditions::Rows(net) => net.forward(block, lanes),
            Conditions::Conv(net) => net.forward(work, block),
        }
    }

    fn raw<'a>(&self, block: &'a [f32], lanes: usize) -> std::slice::ChunksExact<'a, f32> {
        let own = self.map.params() * lanes;
        block[block.len() - self.moved.len() * own..].chunks_exact(own)
    }
}

impl Coupling {
    /// The gradient of `forward`, or of `inverse`, whose moved planes are those of the state then.
    fn back(&self, work: &mut Work, tape: &mut Tape, sums: &mut [f32], forward: bool) {
        let (lanes, params) = (work.lanes(), self.map.params());
        let block = tape.pop(self.block() * lanes);
        let (moved, block) = block.split_at_mut(self.moved.len() * lanes);
        let mut g_slopes = work.take(lanes);
        work.spread_g_log_det(&mut g_slopes);
        let mut g_raw = work.take(self.moved.len() * params * lanes);
        let mut g_moved = work.take(lanes);
        let from = self.moved.iter().zip(moved.chunks_exact(lanes)).zip(self.raw(block, lanes));
        for (((&channel, x), raw), g_raw) in from.zip(g_raw.chunks_exact_mut(params * lanes)) {
            let own = channel * lanes..(channel + 1) * lanes;
            let (z, gradient) = (&work.state, &mut work.gradient[own.clone()]);
            match forward {
                true => widest::backward(self.map, x, raw, gradient, &g_slopes, &mut g_moved, g_raw),
                false => {
                    let z = &z[own];
                    widest::backward_inverse(self.map, z, raw, gradient, &g_slopes, &mut g_moved, g_raw);
                }
            }
            gradient.copy_from_slice(&g_moved);
        }
        work.give(g_moved);
        work.give(g_slopes);
        let mut g_input = work.take((self.kept.len() + self.context) * lanes);
        g_input.fill(0.0);
        match &self.net {
            Conditions::Rows(net) => net.backward(work, block, lanes, &g_raw, &mut g_input, sums),
            Conditions::Conv(net) => net.backward(work, block, &g_raw, &mut g_input, sums),
        }
        for (from, &to) in g_input.chunks_exact(lanes).zip(&self.kept) {
            flowstill_kernels::elementwise::add(&mut work.gradient[to * lanes..][..lanes], from);
        }
        work.give(g_input);
        work.give(g_raw);
    }
}

impl Layer for Coupling {
    fn load(&mut self, values: &[f32], purpose: Purpose) {
        match &mut self.net {
            Conditions::Rows(net) => net.load(values, purpose),
            Conditions::Conv(net) => net.load(values, purpose),
        }
    }

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let lanes = work.lanes();
        let block = tape.push(self.block() * lanes);
        let (moved, block) = block.split_at_mut(self.moved.len() * lanes);
        self.condition(work, block, lanes);
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        for ((&channel, x), raw) in self.moved.iter().zip(moved.chunks_exact_mut(lanes)).zip(self.raw(block, lanes)) {
            let z = &mut work.state[channel * lanes..][..lanes];
            x.copy_from_slice(z);
            widest::forward(self.map, x, raw, z, &mut slopes);
        }
        work.add_log_det(&slopes);
        work.give(slopes);
    }

    fn inverse(&self, work: &mut Work, tape: &mut Tape) {
        let lanes = work.lanes();
        let block = tape.push(self.block() * lanes);
        let (moved, block) = block.split_at_mut(self.moved.len() * lanes);
        self.condition(work, block, lanes);
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        for ((&channel, z), raw) in self.moved.iter().zip(moved.chunks_exact_mut(lanes)).zip(self.raw(block, lanes)) {
            let x = &mut work.state[channel * lanes..][..lanes];
            z.copy_from_slice(x);
            widest::inverse(self.map, z, raw, x, &mut slopes);
        }
        work.add_log_det(&slopes);
        work.give(slopes);
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, sums: &mut [f32]) {
        self.back(work, tape, sums, true);
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, sums: &mut [f32]) {
        self.back(work, tape, sums, false);
    }

    fn sums(&self) -> usize {
        match &self.net {
            Conditions::Rows(net) => net.sums(),
            Conditions::Conv(net) => net.sums(),
        }
    }

    fn home(&self) -> Range<usize> {
        match &self.net {
            Conditions::Rows(net) => net.home(),
            Conditions::Conv(net) => net.home(),
        }
    }

    fn finish(&self, values: &[f32], sums: &[f32], gradient: &mut Slots<'_>) {
        match &self.net {
            Conditions::Rows(net) => net.finish(sums, gradient),
            Conditions::Conv(net) => net.finish(values, sums, gradient),
        }
    }

    fn planes(&self) -> usize {
        self.block()
    }
}
