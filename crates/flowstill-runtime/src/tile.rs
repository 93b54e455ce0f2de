//! Carry one tile through a program on the calling thread, into slices of the caller: nothing is allocated once the thread has room.

use crate::passes::with_space;
use crate::program::Program;
use crate::walk::{Decode, Encode};
use crate::work::to_rows;

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
            let take = |level: usize, planes: &[f32], channels, lanes| {
                let size: usize = self.latents[level].iter().product();
                let (own, tail) = std::mem::take(&mut rest).split_at_mut(size * samples.len());
                rest = tail;
                to_rows(planes, channels, lanes, own);
            };
            let mut pass = Encode { keeps: false, step: |_, _: &[f32], _, _| {}, latents: take };
            self.walk_forward(work, tape, &mut pass);
            log_det.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = *from as f32);
        });
    }

    /// Latents to data; `latents` gives those of one level for the tile's samples.
    pub(crate) fn decode_tile<'a>(
        &'a self,
        samples: usize,
        latents: impl Fn(usize) -> &'a [f32],
        context: &[f32],
        x: &mut [f32],
        log_det: &mut [f32],
    ) {
        with_space(|work, tape| {
            self.begin_back(work, context, &(0..samples));
            self.walk_back(work, tape, &mut Decode { events: &self.latents, latents });
            crate::walk::finish_rows(work, x, log_det);
        });
    }
}
