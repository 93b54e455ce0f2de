//! Move some planes by parameters that a network computes from the others.

use super::board::{Board, blank_moving, blank_staying, restore_staying};
use super::convnet::ConvNet;
use super::dense::Dense;
use super::net::Net;
use super::univariate::columns;
use super::{Layer, Purpose};
use crate::architecture::{Activation, ConditionerConfig, CouplingConfig as Config, Mask};
use crate::offsets::{Offsets, Slots};
use crate::work::{Tape, Work};
use flowstill_kernels::planes::map::widest;
use flowstill_kernels::univariate::Map;
use std::ops::Range;

/// A coupling over channels, or over the positions of a checkerboard: then all channels condition, where positions stay, and all move, where they do not.
#[derive(Debug)]
pub(crate) struct Coupling {
    kept: Vec<usize>,
    moved: Vec<usize>,
    board: Option<Board>,
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
    pub(crate) fn new(path: &str, config: &Config, offsets: &Offsets) -> Option<Self> {
        let board = match config.mask {
            Mask::CheckerboardEven => Some(Board(0)),
            Mask::CheckerboardOdd => Some(Board(1)),
            _ => None,
        };
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
                let weight_at = offsets.find(&format!("{path}.layers.{index}.weight"), before * width)?;
                let bias_at = offsets.find(&format!("{path}.layers.{index}.bias"), width)?;
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
            ConditionerConfig::Conv { hidden, activation } => {
                let hidden = Some((*hidden, *activation));
                Conditions::Conv(Box::new(ConvNet::new(&format!("{path}.conv"), inputs, hidden, columns, offsets)?))
            }
            ConditionerConfig::ZeroConv => {
                Conditions::Conv(Box::new(ConvNet::new(&format!("{path}.conv"), inputs, None, columns, offsets)?))
            }
        };
        Some(Self { kept, moved, board, context: config.context, map, net })
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
    fn condition(&self, work: &mut Work, block: &mut [f32], lanes: usize, stays: Option<&[f32]>) {
        for (to, &from) in block.chunks_exact_mut(lanes).zip(&self.kept) {
            to.copy_from_slice(&work.state[from * lanes..][..lanes]);
            if let Some(stays) = stays {
                blank_moving(to, stays);
            }
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
    /// Move the planes; what they were before stands at the beginning of what is kept.
    fn apply(&self, work: &mut Work, tape: &mut Tape, forward: bool) {
        let lanes = work.lanes();
        let stays = self.board.map(|board| board.stays(work));
        let stays = stays.as_deref();
        let block = tape.push(self.block() * lanes);
        let (moved, block) = block.split_at_mut(self.moved.len() * lanes);
        self.condition(work, block, lanes, stays);
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        for ((&channel, from), raw) in self.moved.iter().zip(moved.chunks_exact_mut(lanes)).zip(self.raw(block, lanes))
        {
            let to = &mut work.state[channel * lanes..][..lanes];
            from.copy_from_slice(to);
            match forward {
                true => widest::forward(self.map, from, raw, to, &mut slopes),
                false => widest::inverse(self.map, from, raw, to, &mut slopes),
            }
            if let Some(stays) = stays {
                restore_staying(to, from, stays);
            }
        }
        if let Some(stays) = stays {
            blank_staying(&mut slopes, stays);
        }
        work.add_log_det(&slopes);
        work.give(slopes);
    }

    /// The gradient of `forward`, or of `inverse`, whose moved planes are those of the state then.
    fn back(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32], forward: bool) {
        let (lanes, params) = (work.lanes(), self.map.params());
        let stays = self.board.map(|board| board.stays(work));
        let stays = stays.as_deref();
        let block = tape.pop(self.block() * lanes);
        let (moved, block) = block.split_at_mut(self.moved.len() * lanes);
        let mut g_slopes = work.take(lanes);
        work.spread_g_log_det(&mut g_slopes);
        let mut g_raw = work.take(self.moved.len() * params * lanes);
        let mut g_moved = work.take(lanes);
        // What stays has no part in what the map does, nor in its slope.
        let mut of_map = work.take(if stays.is_some() { lanes } else { 0 });
        if let Some(stays) = stays {
            blank_staying(&mut g_slopes, stays);
        }
        let from = self.moved.iter().zip(moved.chunks_exact(lanes)).zip(self.raw(block, lanes));
        for (((&channel, x), raw), g_raw) in from.zip(g_raw.chunks_exact_mut(params * lanes)) {
            let own = channel * lanes..(channel + 1) * lanes;
            let (state, gradient) = (&work.state, &mut work.gradient[own.clone()]);
            let g_to = match stays {
                Some(stays) => {
                    of_map.copy_from_slice(gradient);
                    blank_staying(&mut of_map, stays);
                    &of_map
                }
                None => &*gradient,
            };
            match forward {
                true => widest::backward(self.map, x, raw, g_to, &g_slopes, &mut g_moved, g_raw),
                false => widest::backward_inverse(self.map, &state[own], raw, g_to, &g_slopes, &mut g_moved, g_raw),
            }
            if let Some(stays) = stays {
                restore_staying(&mut g_moved, gradient, stays);
            }
            gradient.copy_from_slice(&g_moved);
        }
        let mut g_input = work.take((self.kept.len() + self.context) * lanes);
        g_input.fill(0.0);
        match &self.net {
            Conditions::Rows(net) => net.backward(work, block, lanes, &g_raw, &mut g_input, accumulators),
            Conditions::Conv(net) => net.backward(work, block, &g_raw, &mut g_input, accumulators),
        }
        let (of_planes, of_context) = g_input.split_at_mut(self.kept.len() * lanes);
        for (from, &to) in of_planes.chunks_exact_mut(lanes).zip(&self.kept) {
            if let Some(stays) = stays {
                blank_moving(from, stays);
            }
            flowstill_kernels::elementwise::add(&mut work.gradient[to * lanes..][..lanes], from);
        }
        work.add_g_context(of_context);
        for values in [g_moved, g_slopes, of_map, g_input, g_raw] {
            work.give(values);
        }
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
        self.apply(work, tape, true);
    }

    fn inverse(&self, work: &mut Work, tape: &mut Tape) {
        self.apply(work, tape, false);
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        self.back(work, tape, accumulators, true);
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        self.back(work, tape, accumulators, false);
    }

    fn accumulators(&self) -> usize {
        match &self.net {
            Conditions::Rows(net) => net.accumulators(),
            Conditions::Conv(net) => net.accumulators(),
        }
    }

    fn home(&self) -> Range<usize> {
        match &self.net {
            Conditions::Rows(net) => net.home(),
            Conditions::Conv(net) => net.home(),
        }
    }

    fn finish(&self, values: &[f32], accumulators: &[f32], gradient: &mut Slots<'_>) {
        match &self.net {
            Conditions::Rows(net) => net.finish(accumulators, gradient),
            Conditions::Conv(net) => net.finish(values, accumulators, gradient),
        }
    }

    fn planes(&self) -> usize {
        self.block()
    }
}
