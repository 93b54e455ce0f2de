//! Walk a tile through the layers of a program, from data to latents or from latents to data; what happens on the way is a visitor's.

use crate::layers::Layer;
use crate::program::{Program, Stage, begin};
use crate::work::{Tape, Work, to_planes, to_rows};
use std::ops::Range;

/// What is done where a tile comes by.
pub(crate) trait Visitor {
    /// At a layer, whose part of the accumulators of gradients is `accumulators`.
    fn layer(&mut self, layer: &dyn Layer, accumulators: &Range<usize>, work: &mut Work, tape: &mut Tape);

    /// At the end of a step, counted from 1 over all levels.
    fn step(&mut self, _number: usize, _work: &mut Work) {}

    /// At the latents of a level. On the way from the data they are the planes from `kept` on, and are cut off the state behind this call; on the way back
    /// the state (or its gradient) holds `kept` planes, and is to be given the rest.
    fn latents(&mut self, level: usize, kept: usize, work: &mut Work, tape: &mut Tape);
}

impl Program {
    /// From the data, which stand in the state, to the latents.
    pub(crate) fn walk_forward(&self, work: &mut Work, tape: &mut Tape, visitor: &mut impl Visitor) {
        for stage in &self.stages {
            match stage {
                Stage::Layer(layer, accumulators) => visitor.layer(layer.as_ref(), accumulators, work, tape),
                Stage::Step(number) => visitor.step(*number, work),
                Stage::Leave { kept, level } => {
                    visitor.latents(*level, *kept, work, tape);
                    work.state.truncate(kept * work.lanes());
                    work.channels = *kept;
                }
            }
        }
        visitor.latents(self.latents.len() - 1, 0, work, tape);
    }

    /// From the latents of the last level to the data, of the samples that the tile was begun with.
    pub(crate) fn walk_back(&self, work: &mut Work, tape: &mut Tape, visitor: &mut impl Visitor) {
        visitor.latents(self.latents.len() - 1, 0, work, tape);
        for stage in self.stages.iter().rev() {
            match stage {
                Stage::Layer(layer, accumulators) => visitor.layer(layer.as_ref(), accumulators, work, tape),
                Stage::Step(number) => visitor.step(*number, work),
                Stage::Leave { kept, level } => {
                    visitor.latents(*level, *kept, work, tape);
                    work.channels += self.latents[*level][2];
                }
            }
        }
    }

    /// A tile of so many samples, before its way back.
    pub(crate) fn begin_back(&self, work: &mut Work, context: &[f32], samples: &Range<usize>) {
        begin(work, samples.len(), self.latents[self.latents.len() - 1]);
        self.start_context(work, context, samples);
    }
}

/// Carry the data to the latents.
pub(crate) struct Encode<M, L> {
    /// Whether the tape is kept.
    pub keeps: bool,
    /// Is shown the planes of the state after each step, with its number, their number and the lanes of each.
    pub step: M,
    /// The same for the latents of each level.
    pub latents: L,
}

impl<M: FnMut(usize, &[f32], usize, usize), L: FnMut(usize, &[f32], usize, usize)> Visitor for Encode<M, L> {
    fn layer(&mut self, layer: &dyn Layer, _sums: &Range<usize>, work: &mut Work, tape: &mut Tape) {
        let height = tape.height();
        layer.forward(work, tape);
        if !self.keeps {
            tape.drop_to(height);
        }
    }

    fn step(&mut self, number: usize, work: &mut Work) {
        (self.step)(number, &work.state, work.channels, work.lanes());
    }

    fn latents(&mut self, level: usize, kept: usize, work: &mut Work, _tape: &mut Tape) {
        let lanes = work.lanes();
        (self.latents)(level, &work.state[kept * lanes..], work.channels - kept, lanes);
    }
}

/// Carry the data to the latents for the sake of what the layers leave on the tape.
pub(crate) fn recompute() -> impl Visitor {
    Encode { keeps: true, step: |_, _: &[f32], _, _| {}, latents: |_, _: &[f32], _, _| {} }
}

/// Carry latents to the data: those of one level for the samples of the tile, `[samples, height, width, channels]`.
pub(crate) struct Decode<'a, L: Fn(usize) -> &'a [f32]> {
    /// The shape of the latents of every level.
    pub events: &'a [[usize; 3]],
    /// The latents of a level.
    pub latents: L,
}

impl<'a, L: Fn(usize) -> &'a [f32]> Visitor for Decode<'a, L> {
    fn layer(&mut self, layer: &dyn Layer, _sums: &Range<usize>, work: &mut Work, tape: &mut Tape) {
        let height = tape.height();
        layer.inverse(work, tape);
        tape.drop_to(height);
    }

    fn latents(&mut self, level: usize, kept: usize, work: &mut Work, _tape: &mut Tape) {
        join_latents((self.latents)(level), self.events[level][2], kept, work);
    }
}

/// Put latents behind the `kept` planes of the state.
pub(crate) fn join_latents(rows: &[f32], channels: usize, kept: usize, work: &mut Work) {
    let lanes = work.lanes();
    if kept == 0 {
        return to_planes(rows, channels, lanes, &mut work.state);
    }
    let mut planes = work.take(0);
    to_planes(rows, channels, lanes, &mut planes);
    work.state.extend_from_slice(&planes);
    work.give(planes);
}

/// The state as rows, and its log-determinants.
pub(crate) fn finish_rows(work: &Work, rows: &mut [f32], log_det: &mut [f32]) {
    to_rows(&work.state, work.channels, work.lanes(), rows);
    log_det.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = *from as f32);
}
