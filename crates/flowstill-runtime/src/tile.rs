//! Carry one tile through a program on the calling thread, into slices of the caller: nothing is allocated once the thread has room.

use crate::passes::with_space;
use crate::program::{Program, Stage, begin};
use crate::work::{to_planes, to_rows};
use std::ops::Range;

impl Program {
    /// Values of one sample that the latents of each level begin at, and at last all of them.
    pub(crate) fn level_starts(&self) -> Vec<usize> {
        let mut starts = vec![0];
        for event in &self.latents {
            starts.push(starts[starts.len() - 1] + event.iter().product::<usize>());
        }
        starts
    }

    /// Data to latents. `latents` are those of all levels, level by level, `[samples, height, width, channels]` each.
    pub(crate) fn encode_tile(&self, x: &[f32], context: &[f32], latents: &mut [f32], log_det: &mut [f32]) {
        let samples = 0..log_det.len();
        with_space(|work, tape| {
            self.start(work, x, context, &samples);
            let mut rest = latents;
            for stage in &self.stages {
                match stage {
                    Stage::Layer(layer, _) => {
                        let height = tape.height();
                        layer.forward(work, tape);
                        tape.drop_to(height);
                    }
                    Stage::Step(_) => {}
                    Stage::Leave { kept, level } => {
                        let size: usize = self.latents[*level].iter().product();
                        let (own, tail) = rest.split_at_mut(size * samples.len());
                        rest = tail;
                        let lanes = work.lanes();
                        to_rows(&work.state[kept * lanes..], work.channels - kept, lanes, own);
                        work.state.truncate(kept * lanes);
                        work.channels = *kept;
                    }
                }
            }
            to_rows(&work.state, work.channels, work.lanes(), rest);
            log_det.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = *from as f32);
        });
    }

    /// Latents to data; `latents` gives those of one level for the tile's samples.
    pub(crate) fn decode_tile<'a>(
        &self,
        samples: usize,
        latents: impl Fn(usize) -> &'a [f32],
        context: &[f32],
        x: &mut [f32],
    ) {
        let range: Range<usize> = 0..samples;
        with_space(|work, tape| {
            let top = self.latents.len() - 1;
            begin(work, samples, self.latents[top]);
            self.start_context(work, context, &range);
            let lanes = work.lanes();
            to_planes(latents(top), work.channels, lanes, &mut work.state);
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
                        to_planes(latents(*level), leaving, lanes, &mut planes);
                        work.state.extend_from_slice(&planes);
                        work.channels += leaving;
                        work.give(planes);
                    }
                }
            }
            to_rows(&work.state, work.channels, work.lanes(), x);
        });
    }
}
