//! Lead gradients back through a program: of its forward pass, however much of that was kept, and of its inverse.

use crate::layers::Layer;
use crate::offsets::Slots;
use crate::passes::{Encoded, Kept, Part, with_space};
use crate::program::{Program, Stage};
use crate::walk::{Visitor, join_latents, recompute};
use crate::work::{Tape, Work, add_rows, to_planes, to_rows};
use flowstill_kernels::elementwise::add;
use rayon::prelude::*;
use std::ops::Range;

/// The gradients of a loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// Of the data.
    pub x: Vec<f32>,
    /// Of all values that the program was loaded from.
    pub values: Vec<f32>,
    /// Of the conditioning values, `[batch, context]`, if they were wanted.
    pub context: Vec<f32>,
}

impl Gradients {
    pub(crate) fn new(batch: usize, dimensions: usize, context: usize, values: usize) -> Self {
        Self { x: vec![0.0; batch * dimensions], values: vec![0.0; values], context: vec![0.0; batch * context] }
    }
}

/// The gradients of a loss of what an inverse gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InverseGradients {
    /// Of the latents of every level.
    pub latents: Vec<Vec<f32>>,
    /// Of all values that the program was loaded from.
    pub values: Vec<f32>,
    /// Of the conditioning values, `[batch, context]`, if they were wanted.
    pub context: Vec<f32>,
}

/// What a backward pass starts from.
#[derive(Debug)]
pub enum Source<'a> {
    /// All activations.
    Kept(Kept),
    /// The data, `[batch, height, width, channels]`: each tile is carried forth again before it is carried back.
    Data(&'a [f32]),
    /// The latents of every level: each layer is undone, and done again, right before its way back. Memory does not grow with the number of layers.
    Latents(&'a [&'a [f32]]),
}

impl Program {
    /// From the gradients of what [`Program::forward`] gives to those of the data and of the values, and of the context if they are wanted; `values` are what
    /// the program was loaded from.
    ///
    /// # Panics
    /// If a length does not fit, or the program was not loaded for this.
    pub fn backward(
        &self,
        values: &[f32],
        context: &[f32],
        taps: &[usize],
        source: Source<'_>,
        gradient: &Encoded,
        of_context: bool,
    ) -> Gradients {
        let batch = gradient.log_det.len();
        let d = self.dimensions();
        let width = if of_context { self.context } else { 0 };
        let mut gradients = Gradients::new(batch, d, width, values.len());
        if batch == 0 {
            return gradients;
        }
        let (tiles, source) = match source {
            Source::Kept(kept) => (kept.tiles.into_iter().map(|(samples, tape)| (samples, Some(tape))).collect(), None),
            other => {
                let tile = self.tile(batch, true);
                let ranges = (0..batch).step_by(tile).map(|start| start..(start + tile).min(batch));
                (ranges.map(|samples| (samples, None)).collect::<Vec<_>>(), Some(other))
            }
        };
        let pass = Back { program: self, context, taps, source, gradient, of_context };
        let (mut rest, mut rest_of_context) = (gradients.x.as_mut_slice(), gradients.context.as_mut_slice());
        let tiles = tiles.into_iter().map(|(samples, tape)| {
            let (own, tail) = std::mem::take(&mut rest).split_at_mut(samples.len() * d);
            rest = tail;
            let (own_context, tail) = std::mem::take(&mut rest_of_context).split_at_mut(samples.len() * width);
            rest_of_context = tail;
            (samples, tape, own, own_context)
        });
        let accumulators = self.sum_over_workers(tiles.collect(), |(samples, tape, own, own_context), accumulators| {
            with_space(|work, spare| {
                let height = spare.height();
                pass.tile(work, spare, &samples, tape, accumulators);
                spare.drop_to(height);
                to_rows(&work.gradient, work.channels, work.lanes(), own);
                work.end_g_context(own_context);
            });
        });
        self.finish(values, accumulators, &mut gradients.values);
        gradients
    }
}

impl Program {
    /// Do every job, and add up the gradients of the weights.
    ///
    /// Every worker has neighbouring jobs and accumulators of its own, which are added in their order: the same result in every run.
    pub(crate) fn sum_over_workers<T: Send>(&self, jobs: Vec<T>, run: impl Fn(T, &mut [f32]) + Sync) -> Vec<f32> {
        let each = jobs.len().div_ceil(rayon::current_num_threads()).max(1);
        let mut groups: Vec<Vec<T>> = Vec::new();
        for job in jobs {
            match groups.last_mut() {
                Some(group) if group.len() < each => group.push(job),
                _ => groups.push(vec![job]),
            }
        }
        let of_group = |group: Vec<T>| {
            let mut accumulators = self.spare_accumulators.take();
            accumulators.clear();
            accumulators.resize(self.accumulators, 0.0);
            group.into_iter().for_each(|job| run(job, &mut accumulators));
            accumulators
        };
        let mut all: Vec<Vec<f32>> = groups.into_par_iter().map(of_group).collect();
        let mut total = if all.is_empty() { vec![0.0; self.accumulators] } else { all.swap_remove(0) };
        // What was second is last now: rotate, so that the order stays.
        if all.len() > 1 {
            all.rotate_right(1);
        }
        for other in all {
            total.par_chunks_mut(1 << 16).zip(other.par_chunks(1 << 16)).for_each(|(total, other)| add(total, other));
            self.spare_accumulators.give(other);
        }
        total
    }

    /// From accumulators to gradients of the values.
    pub(crate) fn finish(&self, values: &[f32], accumulators: Vec<f32>, gradient: &mut [f32]) {
        let layers = self.stages.iter().filter_map(|stage| match stage {
            Stage::Layer(layer, range) if !range.is_empty() => Some((layer, range)),
            _ => None,
        });
        let mut layers: Vec<_> =
            layers.map(|(layer, range)| (layer.home(), layer, &accumulators[range.clone()])).collect();
        layers.sort_by_key(|(home, ..)| home.start);
        if layers.windows(2).all(|pair| pair[0].0.end <= pair[1].0.start) {
            let mut rest = Slots::new(gradient, 0);
            let mut part = |home: &Range<usize>| {
                rest.split_before(home.start);
                rest.split_before(home.end)
            };
            let parts: Vec<_> =
                layers.into_iter().map(|(home, layer, accumulators)| (part(&home), layer, accumulators)).collect();
            parts
                .into_par_iter()
                .for_each(|(mut gradient, layer, accumulators)| layer.finish(values, accumulators, &mut gradient));
        } else {
            // Tensors in an order of their own.
            layers
                .iter()
                .for_each(|(_, layer, accumulators)| layer.finish(values, accumulators, &mut Slots::new(gradient, 0)));
        }
        self.spare_accumulators.give(accumulators);
    }
}

impl Program {
    /// From the gradients of what [`Program::inverse`] gave, data and log-determinants, to those of the latents and of the values, and of the context if they are
    /// wanted; `x` is the data it gave.
    ///
    /// Nothing else is kept: each layer is done again right before its way back.
    ///
    /// # Panics
    /// If a length does not fit, or the program was not loaded for all three purposes.
    pub fn backward_inverse(
        &self,
        values: &[f32],
        context: &[f32],
        x: &[f32],
        g_x: &[f32],
        g_log_det: &[f32],
        of_context: bool,
    ) -> InverseGradients {
        let (batch, d) = (self.batch(x, context), self.dimensions());
        assert_eq!([g_x.len(), g_log_det.len()], [x.len(), batch], "gradients of {batch} samples");
        let mut encoded = Encoded::new(self, batch, &[]);
        let tile = self.tile(batch, false);
        let mut of_rows = vec![0.0; if of_context { context.len() } else { 0 }];
        let mut rows = of_rows.chunks_mut((tile * self.context).max(1));
        let parts = encoded.parts(batch, tile).into_iter().map(|part| (part, rows.next().unwrap_or_default()));
        let accumulators = self.sum_over_workers(parts.collect(), |(part, own_context), accumulators| {
            with_space(|work, tape| {
                let height = tape.height();
                let samples = part.samples.clone();
                self.start(work, x, context, &samples);
                work.begin_g_context(of_context);
                work.g_log_det.clear();
                work.g_log_det.extend_from_slice(&g_log_det[samples.clone()]);
                let lanes = work.lanes();
                to_gradient(&g_x[samples.start * d..samples.end * d], work.channels, lanes, &mut work.gradient);
                let Part { latents, .. } = part;
                self.walk_forward(work, tape, &mut ThroughInverse { latents, accumulators });
                work.end_g_context(own_context);
                tape.drop_to(height);
            });
        });
        let mut of_values = vec![0.0; values.len()];
        self.finish(values, accumulators, &mut of_values);
        InverseGradients { latents: encoded.latents, values: of_values, context: of_rows }
    }
}

/// Carry the gradient of an inverse to the latents, beside the data.
pub(crate) struct ThroughInverse<'a, 'b> {
    /// Where it ends, level by level.
    pub latents: Vec<&'a mut [f32]>,
    /// The accumulators of the weights' gradients; empty where those are not wanted.
    pub accumulators: &'b mut [f32],
}

impl Visitor for ThroughInverse<'_, '_> {
    fn layer(&mut self, layer: &dyn Layer, accumulators: &Range<usize>, work: &mut Work, tape: &mut Tape) {
        layer.forward(work, tape);
        let own = if self.accumulators.is_empty() { &mut [] } else { &mut self.accumulators[accumulators.clone()] };
        layer.backward_inverse(work, tape, own);
    }

    fn latents(&mut self, level: usize, kept: usize, work: &mut Work, _tape: &mut Tape) {
        let lanes = work.lanes();
        to_rows(&work.gradient[kept * lanes..], work.channels - kept, lanes, self.latents[level]);
        work.gradient.truncate(kept * lanes);
    }
}

/// A tape that goes back to its program.
struct Lent<'a> {
    tape: Tape,
    program: &'a Program,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut tape = std::mem::take(&mut self.tape);
        tape.drop_to(0);
        self.program.tapes.give(tape);
    }
}

/// One backward pass.
struct Back<'a> {
    program: &'a Program,
    context: &'a [f32],
    taps: &'a [usize],
    /// Unless everything was kept.
    source: Option<Source<'a>>,
    gradient: &'a Encoded,
    of_context: bool,
}

impl Back<'_> {
    /// One tile; the gradient of its data ends in `work.gradient`.
    fn tile(
        &self,
        work: &mut Work,
        spare: &mut Tape,
        samples: &Range<usize>,
        tape: Option<Tape>,
        accumulators: &mut [f32],
    ) {
        let mut own;
        let tape: &mut Tape = match (tape, &self.source) {
            (Some(kept), _) => {
                own = Lent { tape: kept, program: self.program };
                &mut own.tape
            }
            (None, Some(Source::Data(x))) => {
                self.program.start(work, x, self.context, samples);
                self.program.walk_forward(work, spare, &mut recompute());
                spare
            }
            (None, _) => spare,
        };
        self.program.begin_back(work, self.context, samples);
        work.begin_g_context(self.of_context);
        work.g_log_det.clear();
        work.g_log_det.extend_from_slice(&self.gradient.log_det[samples.clone()]);
        work.gradient.clear();
        self.program.walk_back(work, tape, &mut BackTile { back: self, samples, accumulators });
    }
}

/// A backward pass at one tile.
struct BackTile<'a, 'b> {
    back: &'a Back<'a>,
    samples: &'a Range<usize>,
    accumulators: &'b mut [f32],
}

impl BackTile<'_, '_> {
    /// The latents, where layers are to be undone from them.
    fn undone(&self) -> Option<&[&[f32]]> {
        match self.back.source {
            Some(Source::Latents(latents)) => Some(latents),
            _ => None,
        }
    }

    /// The values of the tile's samples among those of all, of shape `event`.
    fn part(&self, event: [usize; 3]) -> Range<usize> {
        let size: usize = event.iter().product();
        self.samples.start * size..self.samples.end * size
    }
}

impl Visitor for BackTile<'_, '_> {
    fn layer(&mut self, layer: &dyn Layer, accumulators: &Range<usize>, work: &mut Work, tape: &mut Tape) {
        if self.undone().is_some() {
            let height = tape.height();
            layer.inverse(work, tape);
            tape.drop_to(height);
            let mut before = work.take(0);
            before.extend_from_slice(&work.state);
            layer.forward(work, tape);
            std::mem::swap(&mut work.state, &mut before);
            work.give(before);
        }
        layer.backward(work, tape, &mut self.accumulators[accumulators.clone()]);
    }

    fn step(&mut self, number: usize, work: &mut Work) {
        if let Some(at) = self.back.taps.iter().position(|tap| *tap == number) {
            let own = self.part(self.back.program.steps[number - 1]);
            let lanes = work.lanes();
            add_rows(&self.back.gradient.tapped[at][own], work.channels, lanes, &mut work.gradient);
        }
    }

    fn latents(&mut self, level: usize, kept: usize, work: &mut Work, _tape: &mut Tape) {
        let event = self.back.program.latents[level];
        let (own, lanes) = (self.part(event), work.lanes());
        let mut planes = work.take(0);
        to_gradient(&self.back.gradient.latents[level][own.clone()], event[2], lanes, &mut planes);
        work.gradient.extend_from_slice(&planes);
        work.give(planes);
        if let Some(undone) = self.undone() {
            join_latents(&undone[level][own], event[2], kept, work);
        }
    }
}

/// Rows to planes with zeros in the padding, which shall move nothing.
pub(crate) fn to_gradient(rows: &[f32], channels: usize, lanes: usize, planes: &mut Vec<f32>) {
    to_planes(rows, channels, lanes, planes);
    let count = rows.len() / channels.max(1);
    planes.chunks_exact_mut(lanes).for_each(|plane| plane[count..].fill(0.0));
}
