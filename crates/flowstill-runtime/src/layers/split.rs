//! Let half of the planes leave between two levels, standardised by what stays.

use super::convnet::ConvNet;
use super::univariate::columns;
use super::{Layer, Purpose};
use crate::architecture::{SplitConfig as Config, SplitPrior};
use crate::offsets::{Offsets, Slots};
use crate::work::{Tape, Work};
use flowstill_kernels::planes::map::widest;
use flowstill_kernels::univariate::Map;
use std::ops::Range;

/// What leaves is `(x + t) exp(s)` with `t` and `s` from what stays, or `x` itself.
///
/// As a layer it maps all planes to all planes, the first `kept` unchanged; the program then takes the rest out of the state.
#[derive(Debug)]
pub(crate) struct Split {
    kept: usize,
    leaving: usize,
    context: usize,
    prior: Option<(ConvNet, Map)>,
}

impl Split {
    pub(crate) fn new(path: &str, config: &Config, offsets: &Offsets) -> Option<Self> {
        let (kept, leaving) = (config.kept(), config.leaving());
        let prior = match config.prior {
            SplitPrior::Standard => None,
            SplitPrior::Learned { scale } => {
                let map = Map::Affine(scale.kernel());
                let columns = columns(map, leaving);
                let path = format!("{path}.prior.conv");
                Some((ConvNet::new(&path, kept + config.context, None, columns, offsets)?, map))
            }
        };
        Some(Self { kept, leaving, context: config.context, prior })
    }

    /// Planes of the block: what leaves, then the network's.
    fn block(&self) -> usize {
        self.prior.as_ref().map_or(0, |(net, _)| self.leaving + net.planes())
    }

    fn apply(&self, work: &mut Work, tape: &mut Tape, forward: bool) {
        let Some((net, map)) = &self.prior else { return };
        let lanes = work.lanes();
        let block = tape.push(self.block() * lanes);
        let (from, block) = block.split_at_mut(self.leaving * lanes);
        block[..self.kept * lanes].copy_from_slice(&work.state[..self.kept * lanes]);
        work.spread_context(&mut block[self.kept * lanes..][..self.context * lanes]);
        net.forward(work, block);
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        let own = map.params() * lanes;
        let raw = block[block.len() - self.leaving * own..].chunks_exact(own);
        let leaving = work.state[self.kept * lanes..].chunks_exact_mut(lanes);
        for ((to, from), raw) in leaving.zip(from.chunks_exact_mut(lanes)).zip(raw) {
            from.copy_from_slice(to);
            match forward {
                true => widest::forward(*map, from, raw, to, &mut slopes),
                false => widest::inverse(*map, from, raw, to, &mut slopes),
            }
        }
        work.add_log_det(&slopes);
        work.give(slopes);
    }
}

impl Split {
    /// The gradient of `forward`, or of `inverse`, whose leaving planes are those of the state then.
    fn back(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32], forward: bool) {
        let Some((net, map)) = &self.prior else { return };
        let lanes = work.lanes();
        let block = tape.pop(self.block() * lanes);
        let (from, block) = block.split_at_mut(self.leaving * lanes);
        let mut g_slopes = work.take(lanes);
        work.spread_g_log_det(&mut g_slopes);
        let own = map.params() * lanes;
        let mut g_raw = work.take(self.leaving * own);
        let mut g_x = work.take(lanes);
        let raw = block[block.len() - self.leaving * own..].chunks_exact(own);
        let gradient = work.gradient[self.kept * lanes..].chunks_exact_mut(lanes);
        let ends = match forward {
            true => from.chunks_exact(lanes),
            false => work.state[self.kept * lanes..].chunks_exact(lanes),
        };
        for (((gradient, end), raw), g_raw) in gradient.zip(ends).zip(raw).zip(g_raw.chunks_exact_mut(own)) {
            match forward {
                true => widest::backward(*map, end, raw, gradient, &g_slopes, &mut g_x, g_raw),
                false => widest::backward_inverse(*map, end, raw, gradient, &g_slopes, &mut g_x, g_raw),
            }
            gradient.copy_from_slice(&g_x);
        }
        let mut g_input = work.take((self.kept + self.context) * lanes);
        g_input.fill(0.0);
        net.backward(work, block, &g_raw, &mut g_input, accumulators);
        let size = self.kept * lanes;
        work.add_g_context(&g_input[size..]);
        flowstill_kernels::elementwise::add(&mut work.gradient[..size], &g_input[..size]);
        for values in [g_x, g_raw, g_slopes, g_input] {
            work.give(values);
        }
    }
}

impl Layer for Split {
    fn load(&mut self, values: &[f32], purpose: Purpose) {
        if let Some((net, _)) = &mut self.prior {
            net.load(values, purpose);
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
        self.prior.as_ref().map_or(0, |(net, _)| net.accumulators())
    }

    fn home(&self) -> Range<usize> {
        self.prior.as_ref().map_or(0..0, |(net, _)| net.home())
    }

    fn finish(&self, values: &[f32], accumulators: &[f32], gradient: &mut Slots<'_>) {
        if let Some((net, _)) = &self.prior {
            net.finish(values, accumulators, gradient);
        }
    }

    fn planes(&self) -> usize {
        self.block()
    }
}
