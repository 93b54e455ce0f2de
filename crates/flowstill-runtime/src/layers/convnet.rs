//! Run the network of a Glow coupling, 3x3 - 1x1 - 3x3, or a single 3x3 convolution, over planes.

use super::Purpose;
use super::activate::Activate;
use super::affine::add;
use super::dense::{Dense, add_plane_sums};
use crate::architecture::Activation;
use crate::offsets::{Offsets, Slots, hull};
use crate::work::{LANES, Work};
use flowstill_kernels::dense::End;
use flowstill_kernels::windows::{WINDOW, gather, scatter};
use std::ops::Range;

/// `act((patches W1 + b1) e^s1)`, `act((h W2 + b2) e^s2)`, `fold(h W3 e^3s3) + b3 e^3s3`.
///
/// A call works in one block: planes of the input, what the nonlinearities kept, planes of the raw output. It goes band by band, some samples at a time, so that
/// the wide planes of a band stay in the cache whatever the tile; the hidden layers lie band by band, all that is kept of a band together.
#[derive(Debug)]
pub(super) struct ConvNet {
    inputs: usize,
    outputs: usize,
    hidden: Vec<Scaled>,
    activate: Activate,
    last: Scaled,
}

/// Weights whose outputs are scaled by `exp(rate log_scale)`, as they are packed.
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
    /// For every column.
    scales: Vec<f32>,
}

impl Scaled {
    fn new(
        [path, bias]: [&str; 2],
        inputs: usize,
        windows: [usize; 2],
        order: Vec<usize>,
        outputs: usize,
        rate: f32,
        offsets: &Offsets,
    ) -> Option<Self> {
        let [windows_in, windows_out] = windows;
        let (rows, columns) = (windows_in * inputs, windows_out * outputs);
        let weights = rows * columns;
        Some(Self {
            // As if the weights stood alone, and a bias behind them for every column, so that one table of columns serves both.
            dense: Dense::new((0..rows).map(|row| row * columns).collect(), order, weights, None, 0),
            weight_at: offsets.find(&format!("{path}.weight"), weights)?,
            weights,
            bias_at: offsets.find(&format!("{path}.{bias}"), outputs)?,
            log_scale_at: offsets.find(&format!("{path}.log_scale"), outputs)?,
            outputs,
            rate,
            scales: vec![1.0; columns],
        })
    }

    fn load(&mut self, values: &[f32], purpose: Purpose) {
        let log_scale = &values[self.log_scale_at..][..self.outputs];
        self.scales.iter_mut().zip(log_scale.iter().cycle()).for_each(|(scale, log)| *scale = (self.rate * log).exp());
        // For the moment only: a copy kept would be as large as all weights.
        let mut folded = vec![0.0; self.weights + self.scales.len()];
        let (weights, biases) = folded.split_at_mut(self.weights);
        let n = self.outputs;
        let scaled = |to: &mut [f32], from: &[f32]| {
            to.iter_mut().zip(from).zip(&self.scales).for_each(|((to, from), scale)| *to = from * scale);
        };
        let stored = values[self.weight_at..][..self.weights].chunks_exact(n);
        weights.chunks_exact_mut(n).zip(stored).for_each(|(to, from)| scaled(to, from));
        biases.chunks_exact_mut(n).for_each(|to| scaled(to, &values[self.bias_at..][..n]));
        self.dense.load(&folded, purpose);
    }

    fn home(&self) -> Range<usize> {
        let n = self.outputs;
        hull([
            self.weight_at..self.weight_at + self.weights,
            self.bias_at..self.bias_at + n,
            self.log_scale_at..self.log_scale_at + n,
        ])
    }

    /// From gradients of the scaled weights to those of the stored ones; biases of all columns of an output add up.
    fn finish(&self, values: &[f32], accumulators: &[f32], gradient: &mut Slots<'_>) {
        let n = self.outputs;
        // Before the scale, all columns of every input.
        let mut folded = vec![0.0; self.weights + self.dense.outputs()];
        self.dense.finish(accumulators, &mut Slots::new(&mut folded, 0));
        let mut of_scale = vec![0.0; n];
        for (row, own) in folded.chunks_exact(n).enumerate() {
            let at = if row * n < self.weights { self.weight_at + row * n } else { self.bias_at };
            let rows = gradient.at(at, n).iter_mut().zip(own).zip(&values[at..at + n]);
            for (((gradient, own), stored), (of_scale, scale)) in rows.zip(of_scale.iter_mut().zip(&self.scales)) {
                *of_scale += own * (stored * scale);
                *gradient += own * scale;
            }
        }
        of_scale.iter_mut().for_each(|sum| *sum *= self.rate);
        add(gradient.at(self.log_scale_at, n), &of_scale);
    }
}

/// Some samples of a tile.
struct Band {
    samples: usize,
    first: usize,
    lanes: usize,
}

/// The planes of a band, side by side.
fn compress(planes: &[f32], stride: usize, band: &Band, out: &mut [f32]) {
    for (plane, out) in out.chunks_exact_mut(band.lanes).enumerate() {
        out.copy_from_slice(&planes[plane * stride + band.first..][..band.lanes]);
    }
}

/// Bytes that the wide planes of a band may take: most of a second-level cache.
const CACHE: usize = 640 * 1024;

impl ConvNet {
    /// `columns` are the stored output channels in the order of the raw planes.
    pub(super) fn new(
        path: &str,
        inputs: usize,
        hidden: Option<(usize, Activation)>,
        columns: Vec<usize>,
        offsets: &Offsets,
    ) -> Option<Self> {
        let outputs = columns.len();
        let mut layers = Vec::new();
        if let Some((hidden, _)) = hidden {
            let layer = |index: usize, inputs: usize, window: usize| {
                let path = format!("{path}.hidden.{index}");
                Scaled::new([&path, "shift"], inputs, [window, 1], (0..hidden).collect(), hidden, 1.0, offsets)
            };
            layers = vec![layer(0, inputs, WINDOW)?, layer(1, hidden, 1)?];
        }
        // Planes of the windows: window by window, within it the raw planes in their order.
        let order = (0..WINDOW).flat_map(|window| columns.iter().map(move |column| window * outputs + column));
        let order = order.collect();
        let inner = hidden.map_or(inputs, |(hidden, _)| hidden);
        let activate = Activate(hidden.map_or(Activation::Relu, |(_, activation)| activation));
        let mut last =
            Scaled::new([&format!("{path}.last"), "bias"], inner, [1, WINDOW], order, outputs, 3.0, offsets)?;
        last.outputs = outputs;
        Some(Self { inputs, outputs, hidden: layers, activate, last })
    }

    pub(super) fn planes(&self) -> usize {
        self.inputs + self.kept() + self.outputs
    }

    /// Planes of what the nonlinearities keep.
    fn kept(&self) -> usize {
        self.hidden.iter().map(|layer| layer.outputs * self.activate.keeps()).sum()
    }

    pub(super) fn load(&mut self, values: &[f32], purpose: Purpose) {
        self.hidden.iter_mut().for_each(|layer| layer.load(values, purpose));
        self.last.load(values, purpose);
    }

    /// Samples of a band.
    fn band(&self, work: &Work) -> usize {
        let area = work.positions();
        let wide = WINDOW * (self.inputs + self.outputs) + self.kept();
        let fitting = (CACHE / (4 * wide)).clamp(64, 512);
        // Bands begin at whole vectors.
        let mut each = (fitting / area).max(1);
        while !(each * area).is_multiple_of(LANES) && each < work.samples {
            each += 1;
        }
        each.min(work.samples)
    }

    /// The bands of a tile of so many samples each.
    fn bands(&self, work: &Work, each: usize) -> impl Iterator<Item = Band> + use<> {
        let (samples, area, lanes) = (work.samples, work.positions(), work.lanes());
        (0..samples).step_by(each.max(1)).map(move |first| {
            let end = (first + each).min(samples);
            let last = if end == samples { lanes } else { end * area };
            Band { samples: end - first, first: first * area, lanes: last - first * area }
        })
    }

    /// Fill the block behind its input, which stands there already.
    pub(super) fn forward(&self, work: &mut Work, block: &mut [f32]) {
        let lanes = work.lanes();
        let (input, rest) = block.split_at_mut(self.inputs * lanes);
        let (hidden, raw) = rest.split_at_mut(rest.len() - self.outputs * lanes);
        for (plane, bias) in raw.chunks_exact_mut(lanes).zip(self.last.dense.bias()) {
            plane.fill(*bias);
        }
        let each = self.band(work);
        let widest = self.bands(work, each).map(|band| band.lanes).max().unwrap_or(0);
        let mut wide = work.take(WINDOW * self.inputs.max(self.outputs) * widest);
        for band in self.bands(work, each) {
            let shape = [band.samples, work.height, work.width];
            let n = band.lanes;
            match self.hidden.as_slice() {
                [first, second] => {
                    let patches = &mut wide[..WINDOW * self.inputs * n];
                    gather(&input[band.first..], lanes, shape, n, patches);
                    let room = self.kept_of(&band, hidden);
                    let (h1, room) = self.activate.layer(&first.dense, patches, n, room, work.alone);
                    let (h2, _) = self.activate.layer(&second.dense, h1, n, room, work.alone);
                    self.last.dense.forward_plain(h2, n, &mut wide[..WINDOW * self.outputs * n], work.alone);
                }
                _ => {
                    let mut compact = work.take(self.inputs * n);
                    compress(input, lanes, &band, &mut compact);
                    self.last.dense.forward_plain(&compact, n, &mut wide[..WINDOW * self.outputs * n], work.alone);
                    work.give(compact);
                }
            }
            scatter(&wide[..WINDOW * self.outputs * n], lanes, shape, n, &mut raw[band.first..]);
        }
        work.give(wide);
    }

    /// What was kept of a band.
    fn kept_of<'a>(&self, band: &Band, hidden: &'a mut [f32]) -> &'a mut [f32] {
        &mut hidden[self.kept() * band.first..][..self.kept() * band.lanes]
    }

    pub(super) fn accumulators(&self) -> usize {
        self.hidden.iter().map(|layer| layer.dense.accumulators()).sum::<usize>() + self.last.dense.accumulators()
    }

    /// From the gradient of the raw planes to that of the input, added to `to`.
    pub(super) fn backward(
        &self,
        work: &mut Work,
        block: &mut [f32],
        g_raw: &[f32],
        to: &mut [f32],
        mut accumulators: &mut [f32],
    ) {
        let lanes = work.lanes();
        let (input, rest) = block.split_at_mut(self.inputs * lanes);
        let hidden = &mut rest[..self.kept() * lanes];
        let each = self.band(work);
        let widest = self.bands(work, each).map(|band| band.lanes).max().unwrap_or(0);
        let mut wide = work.take(WINDOW * self.inputs.max(self.outputs) * widest);
        let wanted = !accumulators.is_empty();
        let last_accumulators = self.last.dense.split_off(&mut accumulators);
        if wanted {
            // The bias is added once to a raw plane: its gradient stands at the first window's columns.
            let biases = last_accumulators.len() - self.last.dense.outputs();
            add_plane_sums(g_raw, lanes, &mut last_accumulators[biases..][..self.outputs]);
        }
        for band in self.bands(work, each) {
            let shape = [band.samples, work.height, work.width];
            let n = band.lanes;
            gather(&g_raw[band.first..], lanes, shape, n, &mut wide[..WINDOW * self.outputs * n]);
            let g_wide = &wide[..WINDOW * self.outputs * n];
            match self.hidden.as_slice() {
                [first, second] => {
                    let [one, two] = [first, second].map(|layer| layer.outputs * n);
                    let (h1, h2) = self.kept_of(&band, hidden).split_at_mut(self.activate.keeps() * one);
                    let (h1, _) = self.activate.kept_first(h1, one);
                    let mut g2 = work.take(two);
                    let (activated, _) = self.activate.kept_first(h2, two);
                    self.last.dense.add_up_weights(g_wide, activated.after, n, last_accumulators);
                    self.activate.backward(&self.last.dense, g_wide, n, &activated, &mut g2);
                    let mut first_accumulators = &mut *accumulators;
                    let second_accumulators = second.dense.split_off(&mut first_accumulators);
                    second.dense.add_up(&g2, h1.after, n, second_accumulators);
                    // What was kept of the second layer is needed no more: its room takes the gradient of the first.
                    let g1 = &mut h2[..one];
                    self.activate.backward(&second.dense, &g2, n, &h1, g1);
                    let patches = &mut wide[..WINDOW * self.inputs * n];
                    if wanted {
                        gather(&input[band.first..], lanes, shape, n, patches);
                        first.dense.add_up(g1, patches, n, first_accumulators);
                    }
                    first.dense.backward(g1, n, false, End::Plain, patches);
                    scatter(patches, lanes, shape, n, &mut to[band.first..]);
                    work.give(g2);
                }
                _ => {
                    let mut compact = work.take(self.inputs * n);
                    if wanted {
                        compress(input, lanes, &band, &mut compact);
                    }
                    self.last.dense.add_up_weights(g_wide, &compact, n, last_accumulators);
                    self.last.dense.backward(g_wide, n, false, End::Plain, &mut compact);
                    for (plane, own) in compact.chunks_exact(n).enumerate() {
                        add(&mut to[plane * lanes + band.first..][..n], own);
                    }
                    work.give(compact);
                }
            }
        }
        work.give(wide);
    }

    pub(super) fn home(&self) -> Range<usize> {
        hull(self.hidden.iter().chain([&self.last]).map(Scaled::home))
    }

    pub(super) fn finish(&self, values: &[f32], mut accumulators: &[f32], gradient: &mut Slots<'_>) {
        for layer in self.hidden.iter().chain([&self.last]) {
            let (own, rest) = accumulators.split_at(layer.dense.accumulators());
            layer.finish(values, own, gradient);
            accumulators = rest;
        }
    }
}
