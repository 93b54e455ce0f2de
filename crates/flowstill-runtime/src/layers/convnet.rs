//! Run the network of a Glow coupling, 3x3 - 1x1 - 3x3, or a single 3x3 convolution, over planes.

use super::Purpose;
use super::affine::add;
use super::dense::{Dense, add_plane_sums};
use crate::places::Places;
use crate::work::Work;
use flowstill_kernels::dense::End;
use flowstill_kernels::windows::{WINDOW, gather, scatter};

/// `relu((patches W1 + b1) e^s1)`, `relu((h W2 + b2) e^s2)`, `fold(h W3 e^3s3) + b3 e^3s3`.
///
/// A call works in one block of planes: the input, both hidden layers, the raw output.
#[derive(Debug)]
pub(super) struct ConvNet {
    inputs: usize,
    outputs: usize,
    hidden: Vec<Scaled>,
    last: Scaled,
}

/// Weights whose outputs are scaled by `exp(rate log_scale)`; the scale is multiplied into a copy of the weights.
#[derive(Debug)]
struct Scaled {
    dense: Dense,
    /// Where the stored weights begin, and how many there are.
    weight_at: usize,
    weights: usize,
    bias_at: usize,
    log_scale_at: usize,
    /// Outputs that have a scale of their own; columns repeat them.
    outputs: usize,
    rate: f32,
    /// Weights, then biases, with the scale in them.
    folded: Vec<f32>,
}

impl Scaled {
    fn new(
        [path, bias]: [&str; 2],
        inputs: usize,
        windows: [usize; 2],
        order: Vec<usize>,
        outputs: usize,
        rate: f32,
        places: &Places,
    ) -> Option<Self> {
        let [windows_in, windows_out] = windows;
        let (rows, columns) = (windows_in * inputs, windows_out * outputs);
        let weights = rows * columns;
        Some(Self {
            dense: Dense::new((0..rows).map(|row| row * columns).collect(), order, weights, None, 0),
            weight_at: places.find(&format!("{path}.weight"), weights)?,
            weights,
            bias_at: places.find(&format!("{path}.{bias}"), outputs)?,
            log_scale_at: places.find(&format!("{path}.log_scale"), outputs)?,
            outputs,
            rate,
            // Biases for every column, so that one table of columns serves both.
            folded: vec![0.0; weights + columns],
        })
    }

    fn load(&mut self, values: &[f32], purpose: Purpose) {
        let log_scale = &values[self.log_scale_at..][..self.outputs];
        let scales: Vec<f32> = log_scale.iter().map(|log| (self.rate * log).exp()).collect();
        let (weights, biases) = self.folded.split_at_mut(self.weights);
        let stored = values[self.weight_at..][..self.weights].chunks_exact(self.outputs);
        for (to, from) in weights.chunks_exact_mut(self.outputs).zip(stored) {
            to.iter_mut().zip(from).zip(&scales).for_each(|((to, from), scale)| *to = from * scale);
        }
        let stored = &values[self.bias_at..][..self.outputs];
        for to in biases.chunks_exact_mut(self.outputs) {
            to.iter_mut().zip(stored).zip(&scales).for_each(|((to, from), scale)| *to = from * scale);
        }
        self.dense.load(&self.folded, purpose);
    }

    fn bias(&self) -> &[f32] {
        &self.folded[self.weights..][..self.outputs]
    }

    /// From gradients of the scaled weights to those of the stored ones; biases of all columns of an output add up.
    fn finish(&self, values: &[f32], sums: &[f32], gradient: &mut [f32]) {
        let mut folded = vec![0.0; self.folded.len()];
        self.dense.finish(sums, &mut folded);
        let n = self.outputs;
        let scales: Vec<f32> = values[self.log_scale_at..][..n].iter().map(|log| (self.rate * log).exp()).collect();
        let mut of_scale = vec![0.0; n];
        let both = folded.chunks_exact(n).zip(self.folded.chunks_exact(n)).enumerate();
        for (row, (own, scaled)) in both {
            let at = row * n;
            for column in 0..n {
                of_scale[column] += own[column] * scaled[column];
                let to = match at < self.weights {
                    true => self.weight_at + at + column,
                    false => self.bias_at + column,
                };
                gradient[to] += own[column] * scales[column];
            }
        }
        of_scale.iter_mut().for_each(|sum| *sum *= self.rate);
        add(&mut gradient[self.log_scale_at..][..n], &of_scale);
    }
}

impl ConvNet {
    /// `columns` are the stored output channels in the order of the raw planes.
    pub(super) fn new(
        path: &str,
        inputs: usize,
        hidden: Option<usize>,
        columns: Vec<usize>,
        places: &Places,
    ) -> Option<Self> {
        let outputs = columns.len();
        let mut layers = Vec::new();
        if let Some(hidden) = hidden {
            let layer = |index: usize, inputs: usize, window: usize| {
                let path = format!("{path}.hidden.{index}");
                Scaled::new([&path, "shift"], inputs, [window, 1], (0..hidden).collect(), hidden, 1.0, places)
            };
            layers = vec![layer(0, inputs, WINDOW)?, layer(1, hidden, 1)?];
        }
        // Planes of the windows: window by window, within it the raw planes in their order.
        let order = (0..WINDOW).flat_map(|window| columns.iter().map(move |column| window * outputs + column));
        let order = order.collect();
        let inner = hidden.unwrap_or(inputs);
        let mut last = Scaled::new([&format!("{path}.last"), "bias"], inner, [1, WINDOW], order, outputs, 3.0, places)?;
        last.outputs = outputs;
        Some(Self { inputs, outputs, hidden: layers, last })
    }

    pub(super) fn planes(&self) -> usize {
        self.inputs + self.hidden.iter().map(|layer| layer.outputs).sum::<usize>() + self.outputs
    }

    pub(super) fn load(&mut self, values: &[f32], purpose: Purpose) {
        self.hidden.iter_mut().for_each(|layer| layer.load(values, purpose));
        self.last.load(values, purpose);
    }

    /// Fill the block behind its input, which stands there already.
    pub(super) fn forward(&self, work: &mut Work, block: &mut [f32]) {
        let lanes = work.lanes();
        let shape = [work.samples, work.height, work.width];
        let (input, rest) = block.split_at_mut(self.inputs * lanes);
        let mut wide = work.take(WINDOW * self.inputs.max(self.outputs) * lanes);
        let raw = match self.hidden.as_slice() {
            [first, second] => {
                let (h1, rest) = rest.split_at_mut(first.outputs * lanes);
                let (h2, raw) = rest.split_at_mut(second.outputs * lanes);
                let patches = &mut wide[..WINDOW * self.inputs * lanes];
                gather(input, shape, lanes, patches);
                first.dense.forward(patches, lanes, false, End::Relu, h1);
                second.dense.forward(h1, lanes, false, End::Relu, h2);
                self.last.dense.forward_plain(h2, lanes, &mut wide[..WINDOW * self.outputs * lanes]);
                raw
            }
            _ => {
                self.last.dense.forward_plain(input, lanes, &mut wide[..WINDOW * self.outputs * lanes]);
                rest
            }
        };
        for (raw, column) in raw.chunks_exact_mut(lanes).zip(self.raw_columns()) {
            raw.fill(self.last.bias()[column]);
        }
        scatter(&wide[..WINDOW * self.outputs * lanes], shape, lanes, raw);
        work.give(wide);
    }

    /// The stored output channel of each raw plane.
    fn raw_columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.last.dense.columns()[..self.outputs].iter().copied()
    }

    pub(super) fn sums(&self) -> usize {
        self.hidden.iter().map(|layer| layer.dense.sums()).sum::<usize>() + self.last.dense.sums()
    }

    /// From the gradient of the raw planes to that of the input, added to `to`.
    pub(super) fn backward(&self, work: &mut Work, block: &[f32], g_raw: &[f32], to: &mut [f32], sums: &mut [f32]) {
        let lanes = work.lanes();
        let shape = [work.samples, work.height, work.width];
        let (input, rest) = block.split_at(self.inputs * lanes);
        let mut wide = work.take(WINDOW * self.inputs.max(self.outputs) * lanes);
        let (hidden_sums, last_sums) = sums.split_at_mut(sums.len() - self.last.dense.sums());
        gather(g_raw, shape, lanes, &mut wide[..WINDOW * self.outputs * lanes]);
        // The bias is added once to a raw plane: its gradient stands at the first window's columns.
        let biases = last_sums.len() - self.last.dense.outputs();
        add_plane_sums(g_raw, lanes, &mut last_sums[biases..][..self.outputs]);
        let g_wide = &wide[..WINDOW * self.outputs * lanes];
        match self.hidden.as_slice() {
            [first, second] => {
                let (h1, rest) = rest.split_at(first.outputs * lanes);
                let h2 = &rest[..second.outputs * lanes];
                let mut g2 = work.take(h2.len());
                let mut g1 = work.take(h1.len());
                self.last.dense.add_up_weights(g_wide, h2, lanes, last_sums);
                self.last.dense.backward(g_wide, lanes, false, End::Gate(h2), &mut g2);
                let (first_sums, second_sums) = hidden_sums.split_at_mut(first.dense.sums());
                second.dense.add_up(&g2, h1, lanes, second_sums);
                second.dense.backward(&g2, lanes, false, End::Gate(h1), &mut g1);
                let patches = &mut wide[..WINDOW * self.inputs * lanes];
                gather(input, shape, lanes, patches);
                first.dense.add_up(&g1, patches, lanes, first_sums);
                first.dense.backward(&g1, lanes, false, End::Plain, patches);
                scatter(patches, shape, lanes, to);
                work.give(g1);
                work.give(g2);
            }
            _ => {
                self.last.dense.add_up_weights(g_wide, input, lanes, last_sums);
                self.last.dense.backward(g_wide, lanes, true, End::Plain, to);
            }
        }
        work.give(wide);
    }

    pub(super) fn finish(&self, values: &[f32], mut sums: &[f32], gradient: &mut [f32]) {
        for layer in self.hidden.iter().chain([&self.last]) {
            let (own, rest) = sums.split_at(layer.dense.sums());
            layer.finish(values, own, gradient);
            sums = rest;
        }
    }
}
