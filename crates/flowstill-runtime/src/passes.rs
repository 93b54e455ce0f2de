//! Run a program over a batch: data to latents, latents to data.

use crate::helpers::with_helpers;
use crate::program::{Program, begin};
use crate::walk::{Decode, Encode, finish_rows};
use crate::work::{Tape, Work, to_planes, to_rows};
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
    /// The states after the tapped steps.
    pub tapped: Vec<Vec<f32>>,
}

/// The samples of a tile, and what it left behind.
pub(crate) type Taped = (Range<usize>, Tape);

/// What a forward pass keeps for its way back: the tape of every tile.
#[derive(Debug)]
pub struct Kept {
    pub(crate) tiles: Vec<Taped>,
}

/// One tile's part of what a pass fills.
pub(crate) struct Part<'a> {
    pub(crate) samples: Range<usize>,
    pub(crate) latents: Vec<&'a mut [f32]>,
    log_det: &'a mut [f32],
    tapped: Vec<&'a mut [f32]>,
}

impl Encoded {
    pub(crate) fn new(program: &Program, batch: usize, taps: &[usize]) -> Self {
        let zeros = |event: &[usize; 3]| vec![0.0; batch * event.iter().product::<usize>()];
        Self {
            latents: program.latents.iter().map(zeros).collect(),
            log_det: vec![0.0; batch],
            tapped: taps.iter().map(|tap| zeros(&program.steps[tap - 1])).collect(),
        }
    }

    pub(crate) fn parts(&mut self, batch: usize, tile: usize) -> Vec<Part<'_>> {
        let ranges = (0..batch).step_by(tile.max(1)).map(|start| start..(start + tile).min(batch));
        let mut parts: Vec<Part<'_>> = self
            .log_det
            .chunks_mut(tile.max(1))
            .zip(ranges)
            .map(|(log_det, samples)| Part { samples, latents: Vec::new(), log_det, tapped: Vec::new() })
            .collect();
        for latents in &mut self.latents {
            let own = latents.len() / batch.max(1) * tile;
            parts.iter_mut().zip(latents.chunks_mut(own.max(1))).for_each(|(part, own)| part.latents.push(own));
        }
        for tapped in &mut self.tapped {
            let own = tapped.len() / batch.max(1) * tile;
            parts.iter_mut().zip(tapped.chunks_mut(own.max(1))).for_each(|(part, own)| part.tapped.push(own));
        }
        parts
    }
}

impl Program {
    /// Data to latents; `x` is `[batch, height, width, channels]`, `context` is `[batch, context]`, `taps` are steps counted from 1 in rising order.
    ///
    /// # Panics
    /// If a length does not fit, or the program was not loaded for this.
    pub fn forward(&self, x: &[f32], context: &[f32], taps: &[usize]) -> Encoded {
        self.encode(x, context, taps, None)
    }

    /// The same, to the last bit, with what [`Program::backward`] needs.
    ///
    /// # Panics
    /// As [`Program::forward`].
    pub fn forward_keeping(&self, x: &[f32], context: &[f32], taps: &[usize]) -> (Encoded, Kept) {
        let kept = Mutex::new(Vec::new());
        let encoded = self.encode(x, context, taps, Some(&kept));
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

    fn encode(&self, x: &[f32], context: &[f32], taps: &[usize], kept: Option<&Mutex<Vec<Taped>>>) -> Encoded {
        let batch = self.batch(x, context);
        let tile = self.tile(batch, kept.is_some());
        let alone = batch <= tile;
        let mut encoded = Encoded::new(self, batch, taps);
        encoded.parts(batch, tile).into_par_iter().for_each(|mut part| {
            with_space(|work, spare| {
                let mut own = if kept.is_some() { self.tapes.take() } else { Tape::default() };
                let tape = if kept.is_some() { &mut own } else { spare };
                self.start(work, x, context, &part.samples);
                work.alone = alone;
                self.with_helpers(alone, batch, || self.tile_forward(work, tape, taps, kept.is_some(), &mut part));
                if let Some(kept) = kept {
                    kept.lock().expect("no worker panics while it holds this").push((part.samples.clone(), own));
                }
            });
        });
        encoded
    }

    /// Run a tile; with the other threads at hand, if it is alone and long enough.
    pub(crate) fn with_helpers<R: Send>(&self, alone: bool, samples: usize, run: impl FnOnce() -> R + Send) -> R {
        let products = self.accumulators.saturating_mul(samples * self.event[0] * self.event[1]) / SHARE_OF_LEVELS;
        if alone && products > LONG { with_helpers(run) } else { run() }
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

    fn tile_forward(&self, work: &mut Work, tape: &mut Tape, taps: &[usize], keeps: bool, part: &mut Part<'_>) {
        let Part { latents, tapped, log_det, .. } = part;
        let step = |number: usize, planes: &[f32], channels, lanes| {
            if let Some(at) = taps.iter().position(|tap| *tap == number) {
                to_rows(planes, channels, lanes, tapped[at]);
            }
        };
        let latents = |level: usize, planes: &[f32], channels, lanes| to_rows(planes, channels, lanes, latents[level]);
        self.walk_forward(work, tape, &mut Encode { keeps, step, latents });
        log_det.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = *from as f32);
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
                self.begin_back(work, context, &samples);
                work.alone = batch <= tile;
                let own = |level: usize| &latents[level][samples.start * sizes[level]..samples.end * sizes[level]];
                let mut pass = Decode { events: &self.latents, latents: own };
                self.with_helpers(work.alone, batch, || self.walk_back(work, tape, &mut pass));
                finish_rows(work, x, log_det);
            });
        });
        (x, log_det)
    }
}

/// Positions of the data for one position where most of the weights are, roughly.
const SHARE_OF_LEVELS: usize = 16;

/// Products of a tile from which helpers are worth their call: some ten microseconds of each thread.
const LONG: usize = 1 << 22;

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
