//! Carry one tile through a program, into slices of the caller: nothing is allocated once the thread has room, gradients aside.

use crate::backward::{ThroughInverse, to_gradient};
use crate::layers::Layer;
use crate::passes::with_space;
use crate::program::Program;
use crate::walk::{Decode, Encode, Visitor};
use crate::work::{Tape, Work, to_rows};
use crate::{Engine, Result};
use std::ops::Range;

/// A program that was loaded for what is asked of it: `encode`, `decode`, or for both and their gradients.
///
/// # Panics
/// Every method, if a length does not fit.
impl Engine for Program {
    fn event(&self) -> [usize; 3] {
        Program::event(self)
    }

    fn context(&self) -> usize {
        Program::context(self)
    }

    fn latents(&self) -> &[[usize; 3]] {
        Program::latents(self)
    }

    fn tile(&self, samples: usize, gradients: bool) -> usize {
        Program::tile(self, samples, gradients)
    }

    fn encode(&self, x: &[f32], context: &[f32], alone: bool, latents: &mut [f32], log_det: &mut [f32]) -> Result<()> {
        let samples = 0..log_det.len();
        with_space(|work, tape| {
            self.start(work, x, context, &samples);
            work.alone = alone;
            let mut pass =
                Encode { keeps: false, step: |_, _: &[f32], _, _| {}, latents: self.level_by_level(latents) };
            self.with_helpers(alone, samples.len(), || self.walk_forward(work, tape, &mut pass));
            log_det.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = *from as f32);
        });
        Ok(())
    }

    fn decode<'a>(
        &'a self,
        latents: impl Fn(usize) -> &'a [f32] + Send,
        context: &[f32],
        alone: bool,
        x: &mut [f32],
        log_det: &mut [f32],
    ) -> Result<()> {
        let samples = log_det.len();
        with_space(|work, tape| {
            self.begin_back(work, context, &(0..samples));
            work.alone = alone;
            let mut pass = Decode { events: &self.latents, latents };
            self.with_helpers(alone, samples, || self.walk_back(work, tape, &mut pass));
            crate::walk::finish_rows(work, x, log_det);
        });
        Ok(())
    }

    fn encode_with_gradients(
        &self,
        x: &[f32],
        context: &[f32],
        latents: &mut [f32],
        log_det: &mut [f32],
        slope: impl FnOnce(&mut [f32]),
        [g_x, g_context]: [&mut [f32]; 2],
    ) -> Result<()> {
        let samples = 0..log_det.len();
        with_space(|work, tape| {
            let height = tape.height();
            self.start(work, x, context, &samples);
            work.begin_g_context(!g_context.is_empty());
            let take = self.level_by_level(latents);
            self.walk_forward(work, tape, &mut Encode { keeps: true, step: |_, _: &[f32], _, _| {}, latents: take });
            log_det.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = *from as f32);
            slope(latents);
            work.g_log_det.clear();
            work.g_log_det.resize(samples.len(), 1.0);
            work.gradient.clear();
            self.walk_back(work, tape, &mut Slope { events: &self.latents, rest: latents });
            tape.drop_to(height);
            to_rows(&work.gradient, work.channels, work.lanes(), g_x);
            work.end_g_context(g_context);
        });
        Ok(())
    }

    fn decode_pullback<'a>(
        &'a self,
        samples: usize,
        latents: impl Fn(usize) -> &'a [f32],
        context: &[f32],
        g_x: &[f32],
        [g_latents, g_context]: [&mut [f32]; 2],
    ) -> Result<()> {
        with_space(|work, tape| {
            let height = tape.height();
            self.begin_back(work, context, &(0..samples));
            self.walk_back(work, tape, &mut Decode { events: &self.latents, latents });
            // The data stand in the state now; each layer is done again right before the way back through its inverse.
            work.begin_g_context(!g_context.is_empty());
            work.g_log_det.clear();
            work.g_log_det.resize(samples, 0.0);
            let lanes = work.lanes();
            to_gradient(g_x, work.channels, lanes, &mut work.gradient);
            let mut rest = g_latents;
            let parts = self.latents.iter().map(|event| {
                let size: usize = event.iter().product();
                let (own, tail) = std::mem::take(&mut rest).split_at_mut(size * samples);
                rest = tail;
                own
            });
            self.walk_forward(work, tape, &mut ThroughInverse { latents: parts.collect(), accumulators: &mut [] });
            tape.drop_to(height);
            work.end_g_context(g_context);
        });
        Ok(())
    }
}

impl Program {
    /// What writes the latents of one level behind those of the one before, as rows.
    fn level_by_level<'a>(&'a self, mut rest: &'a mut [f32]) -> impl FnMut(usize, &[f32], usize, usize) + 'a {
        let samples = rest.len() / self.dimensions().max(1);
        move |level, planes, channels, lanes| {
            let size: usize = self.latents[level].iter().product();
            let (own, tail) = std::mem::take(&mut rest).split_at_mut(size * samples);
            rest = tail;
            to_rows(planes, channels, lanes, own);
        }
    }
}

/// Carry the gradient of a function of the latents back to the data.
struct Slope<'a> {
    events: &'a [[usize; 3]],
    /// The gradients of the latents that come next on the way back, and of those after them.
    rest: &'a [f32],
}

impl Visitor for Slope<'_> {
    fn layer(&mut self, layer: &dyn Layer, _sums: &Range<usize>, work: &mut Work, tape: &mut Tape) {
        layer.backward(work, tape, &mut []);
    }

    fn latents(&mut self, level: usize, _kept: usize, work: &mut Work, _tape: &mut Tape) {
        let (event, lanes) = (self.events[level], work.lanes());
        let size: usize = event.iter().product();
        let (rest, own) = self.rest.split_at(self.rest.len() - size * work.samples);
        self.rest = rest;
        let mut planes = work.take(0);
        to_gradient(own, event[2], lanes, &mut planes);
        work.gradient.extend_from_slice(&planes);
        work.give(planes);
    }
}
