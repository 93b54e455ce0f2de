//! Run a program over a batch: data to latents, latents to data, and the gradients of the first.

use crate::program::{Program, Stage, begin};
use crate::work::{Tape, Work, add_rows, to_planes, to_rows};
use flowstill_kernels::elementwise::add;
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Mutex;

/// What a flow makes of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// The latents of every level, `[batch, height, width, channels]` each.
    pub latents: Vec<Vec<f32>>,
    /// `log |det dz/dx|` per sample, nats.
    pub log_det: Vec<f32>,
    /// The states after the marked steps.
    pub marked: Vec<Vec<f32>>,
}

/// The gradients of a loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// Of the data.
    pub x: Vec<f32>,
    /// Of all values that the program was loaded from.
    pub values: Vec<f32>,
}

/// The samples of a tile, and what it left behind.
type Taped = (Range<usize>, Tape);

/// What a forward pass keeps for its way back: the tape of every tile.
#[derive(Debug)]
pub struct Kept {
    tiles: Vec<(Range<usize>, Tape)>,
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

/// One tile's part of what a pass fills.
struct Part<'a> {
    samples: Range<usize>,
    latents: Vec<&'a mut [f32]>,
    log_det: &'a mut [f32],
    marked: Vec<&'a mut [f32]>,
}

impl Encoded {
    fn new(program: &Program, batch: usize, marks: &[usize]) -> Self {
        let zeros = |event: &[usize; 3]| vec![0.0; batch * event.iter().product::<usize>()];
        Self {
            latents: program.latents.iter().map(zeros).collect(),
            log_det: vec![0.0; batch],
            marked: marks.iter().map(|mark| zeros(&program.steps[mark - 1])).collect(),
        }
    }

    fn parts(&mut self, batch: usize, tile: usize) -> Vec<Part<'_>> {
        let ranges = (0..batch).step_by(tile.max(1)).map(|start| start..(start + tile).min(batch));
        let mut parts: Vec<Part<'_>> = self
            .log_det
            .chunks_mut(tile.max(1))
            .zip(ranges)
            .map(|(log_det, samples)| Part { samples, latents: Vec::new(), log_det, marked: Vec::new() })
            .collect();
        for latents in &mut self.latents {
            let own = latents.len() / batch.max(1) * tile;
            parts.iter_mut().zip(latents.chunks_mut(own.max(1))).for_each(|(part, own)| part.latents.push(own));
        }
        for marked in &mut self.marked {
            let own = marked.len() / batch.max(1) * tile;
            parts.iter_mut().zip(marked.chunks_mut(own.max(1))).for_each(|(part, own)| part.marked.push(own));
        }
        parts
    }
}

impl Program {
    /// Data to latents; `x` is `[batch, height, width, channels]`, `context` is `[batch, context]`, `marks` are steps counted from 1 in rising order.
    ///
    /// # Panics
    /// If a length does not fit, or the program was not loaded for this.
    pub fn forward(&self, x: &[f32], context: &[f32], marks: &[usize]) -> Encoded {
        self.encode(x, context, marks, None)
    }

    /// The same, to the last bit, with what [`Program::backward`] needs.
    ///
    /// # Panics
    /// As [`Program::forward`].
    pub fn forward_keeping(&self, x: &[f32], context: &[f32], marks: &[usize]) -> (Encoded, Kept) {
        let kept = Mutex::new(Vec::new());
        let encoded = self.encode(x, context, marks, Some(&kept));
        let mut tiles = kept.into_inner().unwrap_or_default();
        tiles.sort_by_key(|(samples, _): &(Range<usize>, Tape)| samples.start);
        (encoded, Kept { tiles })
    }

    pub(crate) fn batch(&self, x: &[f32], context: &[f32]) -> usize {
        let batch = x.len() / self.dimensions().max(1);
        assert_eq!(x.len(), batch * self.dimensions(), "whole samples");
        assert_eq!(context.len(), batch * self.context, "conditioning values of {batch} samples");
        batch
    }

    fn encode(&self, x: &[f32], context: &[f32], marks: &[usize], kept: Option<&Mutex<Vec<Taped>>>) -> Encoded {
        let batch = self.batch(x, context);
        let tile = self.tile(batch, kept.is_some());
        let alone = batch <= tile;
        let mut encoded = Encoded::new(self, batch, marks);
        encoded.parts(batch, tile).into_par_iter().for_each(|mut part| {
            with_space(|work, spare| {
                let mut own = if kept.is_some() { self.tapes.take() } else { Tape::default() };
                let tape = if kept.is_some() { &mut own } else { spare };
                self.start(work, x, context, &part.samples);
                work.alone = alone;
                self.tile_forward(work, tape, marks, kept.is_some(), &mut part);
                if let Some(kept) = kept {
                    kept.lock().expect("no worker panics while it holds this").push((part.samples.clone(), own));
                }
            });
        });
        encoded
    }

    /// Bring some samples into planes.
    pub(crate) fn start(&self, work: &mut Work, x: &[f32], context: &[f32], samples: &Range<usize>) {
        begin(work, samples.len(), self.event);
        let d = self.dimensions();
        let lanes = work.lanes();
        to_planes(&x[samples.start * d..samples.end * d], self.event[2], lanes, &mut work.state);
        self.start_context(work, context, samples);
    }

    pub(crate) fn start_context(&self, work: &mut Work, context: &[f32], samples: &Range<usize>) {
        work.context.clear();
        for column in 0..self.context {
            work.context.extend(samples.clone().map(|sample| context[sample * self.context + column]));
        }
    }

    fn tile_forward(&self, work: &mut Work, tape: &mut Tape, marks: &[usize], keeps: bool, part: &mut Part<'_>) {
        for stage in &self.stages {
            match stage {
                Stage::Layer(layer, _) => {
                    let height = tape.height();
                    layer.forward(work, tape);
                    if !keeps {
                        tape.drop_to(height);
                    }
                }
                Stage::Step(number) => {
                    if let Some(at) = marks.iter().position(|mark| mark == number) {
                        to_rows(&work.state, work.channels, work.lanes(), part.marked[at]);
                    }
                }
                Stage::Leave { kept, level } => {
                    let lanes = work.lanes();
                    to_rows(&work.state[kept * lanes..], work.channels - kept, lanes, part.latents[*level]);
                    work.state.truncate(kept * lanes);
                    work.channels = *kept;
                }
            }
        }
        let top = part.latents.len() - 1;
        to_rows(&work.state, work.channels, work.lanes(), part.latents[top]);
        part.log_det.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = *from as f32);
    }

    /// Latents to data, with the same log-determinants. `latents` are those of every level.
    ///
    /// # Panics
    /// If a length does not fit, or the program was not loaded for this.
    pub fn inverse(&self, latents: &[&[f32]], context: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let sizes: Vec<usize> = self.latents.iter().map(|event| event.iter().product()).collect();
        assert_eq!(latents.len(), sizes.len(), "levels");
        let batch = latents[0].len() / sizes[0].max(1);
        for (latents, size) in latents.iter().zip(&sizes) {
            assert_eq!(latents.len(), batch * size, "latents of {batch} samples");
        }
        assert_eq!(context.len(), batch * self.context, "conditioning values of {batch} samples");
        let (d, tile) = (self.dimensions(), self.tile(batch, false));
        let (mut x, mut log_det) = (vec![0.0; batch * d], vec![0.0; batch]);
        let parts = x.par_chunks_mut((tile * d).max(1)).zip(log_det.par_chunks_mut(tile)).enumerate();
        parts.for_each(|(index, (x, log_det))| {
            let samples = index * tile..index * tile + log_det.len();
            with_space(|work, tape| {
                let top = self.latents.len() - 1;
                begin(work, samples.len(), self.latents[top]);
                work.alone = batch <= tile;
                self.start_context(work, context, &samples);
                let own = |level: usize| &latents[level][samples.start * sizes[level]..samples.end * sizes[level]];
                let lanes = work.lanes();
                to_planes(own(top), work.channels, lanes, &mut work.state);
                for stage in self.stages.iter().rev() {
                    match stage {
                        Stage::Layer(layer, _) => {
                            let height = tape.height();
                            layer.inverse(work, tape);
                            tape.drop_to(height);
                        }
                        Stage::Step(_) => {}
                        Stage::Leave { level, .. } => {
                            let (lanes, leaving) = (work.lanes(), self.latents[*level][2]);
                            let mut planes = work.take(0);
                            to_planes(own(*level), leaving, lanes, &mut planes);
                            work.state.extend_from_slice(&planes);
                            work.channels += leaving;
                            work.give(planes);
                        }
                    }
                }
                to_rows(&work.state, work.channels, work.lanes(), x);
                log_det.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = *from as f32);
            });
        });
        (x, log_det)
    }

    /// From the gradients of what [`Program::forward`] gives to those of the data and of the values; `values` are what the program was loaded from.
    ///
    /// # Panics
    /// If a length does not fit, or the program was not loaded for this.
    pub fn backward(
        &self,
        values: &[f32],
        context: &[f32],
        marks: &[usize],
        source: Source<'_>,
        gradient: &Encoded,
    ) -> Gradients {
        let batch = gradient.log_det.len();
        let d = self.dimensions();
        let mut gradients = Gradients { x: vec![0.0; batch * d], values: vec![0.0; values.len()] };
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
        let pass = Back { program: self, context, marks, source, gradient };
        let mut rest = gradients.x.as_mut_slice();
        let tiles = tiles.into_iter().map(|(samples, tape)| {
            let (own, tail) = std::mem::take(&mut rest).split_at_mut(samples.len() * d);
            rest = tail;
            (samples, tape, own)
        });
        let sums = self.sum_over_workers(tiles.collect(), |(samples, tape, own), sums| {
            with_space(|work, spare| {
                let height = spare.height();
                pass.tile(work, spare, &samples, tape, sums);
                spare.drop_to(height);
                to_rows(&work.gradient, work.channels, work.lanes(), own);
            });
        });
        self.finish(values, sums, &mut gradients.values);
        gradients
    }
}

impl Program {
    /// Do every job, and add up the gradients of the weights.
    ///
    /// Every worker has neighbouring jobs and sums of its own, which are added in their order: the same result in every run.
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
            let mut sums = self.spare_sums.take();
            sums.clear();
            sums.resize(self.sums, 0.0);
            group.into_iter().for_each(|job| run(job, &mut sums));
            sums
        };
        let mut all: Vec<Vec<f32>> = groups.into_par_iter().map(of_group).collect();
        let mut total = if all.is_empty() { vec![0.0; self.sums] } else { all.swap_remove(0) };
        // What was second is last now: rotate, so that the order stays.
        if all.len() > 1 {
            all.rotate_right(1);
        }
        for other in all {
            total.par_chunks_mut(1 << 16).zip(other.par_chunks(1 << 16)).for_each(|(total, other)| add(total, other));
            self.spare_sums.give(other);
        }
        total
    }

    /// From sums to gradients of the values.
    pub(crate) fn finish(&self, values: &[f32], sums: Vec<f32>, gradient: &mut [f32]) {
        for stage in &self.stages {
            if let Stage::Layer(layer, range) = stage {
                layer.finish(values, &sums[range.clone()], gradient);
            }
        }
        self.spare_sums.give(sums);
    }
}

impl Program {
    /// From the gradients of what [`Program::inverse`] gave, data and log-determinants, to those of the latents and of the values; `x` is the data it gave.
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
    ) -> (Vec<Vec<f32>>, Vec<f32>) {
        let (batch, d) = (self.batch(x, context), self.dimensions());
        assert_eq!([g_x.len(), g_log_det.len()], [x.len(), batch], "gradients of {batch} samples");
        let mut encoded = Encoded::new(self, batch, &[]);
        let tile = self.tile(batch, false);
        let sums = self.sum_over_workers(encoded.parts(batch, tile), |part, sums| {
            with_space(|work, tape| {
                let height = tape.height();
                let samples = part.samples.clone();
                self.start(work, x, context, &samples);
                work.g_log_det.clear();
                work.g_log_det.extend_from_slice(&g_log_det[samples.clone()]);
                let lanes = work.lanes();
                to_gradient(&g_x[samples.start * d..samples.end * d], work.channels, lanes, &mut work.gradient);
                let Part { mut latents, .. } = part;
                for stage in &self.stages {
                    match stage {
                        Stage::Layer(layer, range) => {
                            layer.forward(work, tape);
                            layer.backward_inverse(work, tape, &mut sums[range.clone()]);
                        }
                        Stage::Step(_) => {}
                        Stage::Leave { kept, level } => {
                            let lanes = work.lanes();
                            to_rows(&work.gradient[kept * lanes..], work.channels - kept, lanes, latents[*level]);
                            work.gradient.truncate(kept * lanes);
                            work.state.truncate(kept * lanes);
                            work.channels = *kept;
                        }
                    }
                }
                let top = latents.len() - 1;
                to_rows(&work.gradient, work.channels, work.lanes(), latents[top]);
                tape.drop_to(height);
            });
        });
        let mut of_values = vec![0.0; values.len()];
        self.finish(values, sums, &mut of_values);
        (encoded.latents, of_values)
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
    marks: &'a [usize],
    /// Unless everything was kept.
    source: Option<Source<'a>>,
    gradient: &'a Encoded,
}

impl Back<'_> {
    /// One tile; the gradient of its data ends in `work.gradient`.
    fn tile(&self, work: &mut Work, spare: &mut Tape, samples: &Range<usize>, tape: Option<Tape>, sums: &mut [f32]) {
        let Program { stages, latents, steps, .. } = self.program;
        let mut own;
        let tape: &mut Tape = match (tape, &self.source) {
            (Some(kept), _) => {
                own = Lent { tape: kept, program: self.program };
                &mut own.tape
            }
            (None, Some(Source::Data(x))) => {
                self.program.start(work, x, self.context, samples);
                for stage in stages {
                    match stage {
                        Stage::Layer(layer, _) => layer.forward(work, spare),
                        Stage::Step(_) => {}
                        Stage::Leave { kept, .. } => {
                            work.state.truncate(kept * work.lanes());
                            work.channels = *kept;
                        }
                    }
                }
                spare
            }
            (None, _) => spare,
        };
        let undone = match &self.source {
            Some(Source::Latents(latents)) => Some(*latents),
            _ => None,
        };
        let size = |event: &[usize; 3]| event.iter().product::<usize>();
        let part = |size: usize| samples.start * size..samples.end * size;
        let top = latents.len() - 1;
        begin(work, samples.len(), latents[top]);
        self.program.start_context(work, self.context, samples);
        work.g_log_det.clear();
        work.g_log_det.extend_from_slice(&self.gradient.log_det[samples.clone()]);
        let lanes = work.lanes();
        let at = part(size(&latents[top]));
        to_gradient(&self.gradient.latents[top][at.clone()], work.channels, lanes, &mut work.gradient);
        if let Some(undone) = undone {
            to_planes(&undone[top][at], work.channels, lanes, &mut work.state);
        }
        for stage in stages.iter().rev() {
            match stage {
                Stage::Layer(layer, range) => {
                    if undone.is_some() {
                        let height = tape.height();
                        layer.inverse(work, tape);
                        tape.drop_to(height);
                        let mut before = work.take(0);
                        before.extend_from_slice(&work.state);
                        layer.forward(work, tape);
                        std::mem::swap(&mut work.state, &mut before);
                        work.give(before);
                        let event = [work.height, work.width, work.channels];
                        layer.backward(work, tape, &mut sums[range.clone()]);
                        debug_assert!(event.iter().product::<usize>() > 0);
                    } else {
                        layer.backward(work, tape, &mut sums[range.clone()]);
                    }
                }
                Stage::Step(number) => {
                    if let Some(at) = self.marks.iter().position(|mark| mark == number) {
                        let own = part(size(&steps[number - 1]));
                        let lanes = work.lanes();
                        add_rows(&self.gradient.marked[at][own], work.channels, lanes, &mut work.gradient);
                    }
                }
                Stage::Leave { level, .. } => {
                    let (lanes, leaving) = (work.lanes(), latents[*level][2]);
                    let own = part(size(&latents[*level]));
                    let mut planes = work.take(0);
                    to_gradient(&self.gradient.latents[*level][own.clone()], leaving, lanes, &mut planes);
                    work.gradient.extend_from_slice(&planes);
                    if let Some(undone) = undone {
                        to_planes(&undone[*level][own], leaving, lanes, &mut planes);
                        work.state.extend_from_slice(&planes);
                    }
                    work.channels += leaving;
                    work.give(planes);
                }
            }
        }
    }
}

/// Rows to planes with zeros in the padding, which shall move nothing.
pub(crate) fn to_gradient(rows: &[f32], channels: usize, lanes: usize, planes: &mut Vec<f32>) {
    to_planes(rows, channels, lanes, planes);
    let count = rows.len() / channels.max(1);
    planes.chunks_exact_mut(lanes).for_each(|plane| plane[count..].fill(0.0));
}

thread_local! {
    /// One for every depth of nested calls: a thread that waits for others may be handed another tile meanwhile.
    static SPACES: RefCell<Vec<(Work, Tape)>> = const { RefCell::new(Vec::new()) };
}

/// What every thread keeps from tile to tile.
pub(crate) fn with_space<R>(run: impl FnOnce(&mut Work, &mut Tape) -> R) -> R {
    let (mut work, mut tape) = SPACES.with_borrow_mut(|spaces| spaces.pop().unwrap_or_default());
    let result = run(&mut work, &mut tape);
    SPACES.with_borrow_mut(|spaces| spaces.push((work, tape)));
    result
}
