//! Run a perceptron, plain or of residual blocks, masked or not, over planes.

use super::Purpose;
use super::activate::{Activate, Activated};
use super::dense::Dense;
use crate::architecture::Activation;
use crate::offsets::{Slots, hull};
use crate::work::Work;
use flowstill_kernels::dense::End;
use flowstill_kernels::elementwise;
use std::ops::Range;

/// Layers with a nonlinearity between them.
///
/// A call works in one block of planes: the input; for a residual net the stream; what each nonlinearity kept; at the end the raw output.
#[derive(Debug)]
pub(super) struct Net {
    layers: Vec<Dense>,
    activate: Activate,
    residual: bool,
}

impl Net {
    pub(super) fn new(layers: Vec<Dense>, activation: Activation, residual: bool) -> Self {
        Self { layers, activate: Activate(activation), residual }
    }

    pub(super) fn inputs(&self) -> usize {
        self.layers[0].inputs()
    }

    pub(super) fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    pub(super) fn load(&mut self, values: &[f32], purpose: Purpose) {
        self.layers.iter_mut().for_each(|layer| layer.load(values, purpose));
    }

    /// Planes of the block.
    pub(super) fn planes(&self) -> usize {
        let hidden = &self.layers[..self.layers.len() - 1];
        let activated = |layer: &Dense| layer.outputs() * self.activate.keeps();
        let activations: usize = match self.residual {
            // The first layer makes the stream; two layers of a block are each preceded by a nonlinearity.
            true => hidden.first().map_or(0, Dense::outputs) + hidden.iter().skip(1).map(activated).sum::<usize>(),
            false => hidden.iter().map(activated).sum(),
        };
        self.inputs() + activations + self.outputs()
    }

    /// Fill the block behind its input, which stands there already. The raw output is its end.
    pub(super) fn forward(&self, block: &mut [f32], lanes: usize) {
        let (last, hidden) = self.layers.split_last().expect("a net has a last layer");
        let (mut done, mut rest) = block.split_at_mut(self.inputs() * lanes);
        if let (true, Some((first, inner))) = (self.residual, hidden.split_first()) {
            let (stream, mut rest) = rest.split_at_mut(first.outputs() * lanes);
            first.forward(done, lanes, false, End::Plain, stream, false);
            for pair in inner.chunks_exact(2) {
                let (outer, tail) = self.activate.apply(stream, rest);
                let (activated, tail) = self.activate.layer(&pair[0], outer, lanes, tail, false);
                pair[1].forward(activated, lanes, true, End::Plain, stream, false);
                rest = tail;
            }
            return last.forward(stream, lanes, false, End::Plain, rest, false);
        }
        for layer in hidden {
            let (activated, tail) = self.activate.layer(layer, done, lanes, rest, false);
            (done, rest) = (activated, tail);
        }
        last.forward(done, lanes, false, End::Plain, rest, false);
    }

    /// Values of the accumulators.
    pub(super) fn accumulators(&self) -> usize {
        self.layers.iter().map(Dense::accumulators).sum()
    }

    /// From the gradient of the raw output to that of the input (without the conditioning values that have none), added to `to`, and those of the weights;
    /// the block is as `forward` left it. Conditioning values that stand still get theirs in `work`, if that is wanted.
    pub(super) fn backward(
        &self,
        work: &mut Work,
        block: &[f32],
        lanes: usize,
        raw: &[f32],
        to: &mut [f32],
        mut accumulators: &mut [f32],
    ) {
        let (last, hidden) = self.layers.split_last().expect("a net has a last layer");
        let (input, rest) = block.split_at(self.inputs() * lanes);
        let body = &rest[..rest.len() - self.outputs() * lanes];
        let last_accumulators = last.split_off(&mut accumulators);
        if hidden.is_empty() {
            last.add_up(raw, input, lanes, last_accumulators);
            last.backward_still(work, raw, lanes);
            return last.backward(raw, lanes, true, End::Plain, to);
        }
        let width = |layer: &Dense| layer.outputs() * lanes;
        let mut gradient = work.take(width(&hidden[hidden.len() - 1]));
        if self.residual {
            let (first, inner) = hidden.split_first().expect("not empty");
            let (stream, mut body) = body.split_at(width(first));
            last.add_up(raw, stream, lanes, last_accumulators);
            last.backward(raw, lanes, false, End::Plain, &mut gradient);
            let mut within = work.take(width(first));
            for pair in inner.chunks_exact(2).rev() {
                let (outer, activated);
                (body, activated) = self.activate.kept_last(body, width(&pair[0]));
                (body, outer) = self.activate.kept_last(body, width(first));
                pair[1].add_up(&gradient, activated.after, lanes, pair[1].split_off(&mut accumulators));
                pair[1].backward(&gradient, lanes, false, End::Plain, &mut within);
                self.activate.activation_backward(&activated, &mut within);
                pair[0].add_up(&within, outer.after, lanes, pair[0].split_off(&mut accumulators));
                let mut back = work.take(gradient.len());
                pair[0].backward(&within, lanes, false, End::Plain, &mut back);
                self.activate.activation_backward(&outer, &mut back);
                elementwise::add(&mut gradient, &back);
                work.give(back);
            }
            work.give(within);
            first.add_up(&gradient, input, lanes, accumulators);
            first.backward(&gradient, lanes, true, End::Plain, to);
        } else {
            let mut body = body;
            let mut activated;
            (body, activated) = self.activate.kept_last(body, gradient.len());
            last.add_up(raw, activated.after, lanes, last_accumulators);
            self.activate.backward(last, raw, lanes, &activated, &mut gradient);
            for layer in hidden.iter().rev() {
                let own = layer.split_off(&mut accumulators);
                if body.is_empty() {
                    layer.add_up(&gradient, input, lanes, own);
                    layer.backward(&gradient, lanes, true, End::Plain, to);
                } else {
                    (body, activated) = self.activate.kept_last(body, layer.inputs() * lanes);
                    layer.add_up(&gradient, activated.after, lanes, own);
                    let mut before = work.take(layer.inputs() * lanes);
                    self.activate.backward(layer, &gradient, lanes, &activated, &mut before);
                    std::mem::swap(&mut gradient, &mut before);
                    work.give(before);
                }
            }
        }
        hidden[0].backward_still(work, &gradient, lanes);
        work.give(gradient);
    }

    /// What every nonlinearity kept, in order, and the stream of a residual net.
    pub(super) fn kept<'a>(&self, block: &'a [f32], lanes: usize) -> (Vec<Activated<'a>>, &'a [f32]) {
        let hidden = &self.layers[..self.layers.len() - 1];
        let (stream, skipped) = match (self.residual, hidden.first()) {
            (true, Some(first)) => (first.outputs() * lanes, 1),
            _ => (0, 0),
        };
        let (stream, mut rest) = block[self.inputs() * lanes..].split_at(stream);
        let all_activated = hidden.iter().skip(skipped).map(|layer| {
            let activated;
            (activated, rest) = self.activate.kept_first(rest, layer.outputs() * lanes);
            activated
        });
        (all_activated.collect(), stream)
    }

    pub(super) fn activate(&self) -> Activate {
        self.activate
    }

    /// Add up the gradients of the weights where those of what every layer gives are known: `hidden`, layer by layer, and `raw`.
    pub(super) fn add_up(
        &self,
        work: &mut Work,
        block: &[f32],
        lanes: usize,
        [hidden, raw]: [&[f32]; 2],
        mut accumulators: &mut [f32],
    ) {
        let (all_activated, stream) = self.kept(block, lanes);
        let (input, last) = (&block[..self.inputs() * lanes], self.layers.len() - 1);
        let mut rest = hidden;
        for (index, layer) in self.layers.iter().enumerate() {
            let gradient;
            (gradient, rest) = if index == last { (raw, rest) } else { rest.split_at(layer.outputs() * lanes) };
            let from = match index {
                0 => input,
                _ if index == last && self.residual => stream,
                _ => all_activated[index - 1].after,
            };
            let (own, others) = accumulators.split_at_mut(layer.accumulators().min(accumulators.len()));
            layer.add_up(gradient, from, lanes, own);
            accumulators = others;
            if index == 0 {
                layer.backward_still(work, gradient, lanes);
            }
        }
    }

    /// Where the stored weights lie.
    pub(super) fn home(&self) -> Range<usize> {
        hull(self.layers.iter().map(Dense::home))
    }

    /// Add the accumulators to the gradient of the stored weights.
    pub(super) fn finish(&self, mut accumulators: &[f32], gradient: &mut Slots<'_>) {
        for layer in &self.layers {
            let (own, rest) = accumulators.split_at(layer.accumulators());
            layer.finish(own, gradient);
            accumulators = rest;
        }
    }
}
