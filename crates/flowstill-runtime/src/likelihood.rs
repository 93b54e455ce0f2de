//! Compute log-densities under standard normal latents together with their gradients, tile by tile.
//!
//! A likelihood is what flows are trained by, and how its gradient begins at the latents is known beforehand: at `-z`. So each tile goes forth and back
//! while it lies in a worker's cache, and no activation of a batch is ever kept.

use crate::backward::Gradients;
use crate::layers::Layer;
use crate::passes::with_space;
use crate::program::Program;
use crate::walk::Visitor;
use crate::work::{Tape, Work, to_rows};
use flowstill_kernels::elementwise::widest;
use std::f64::consts::PI;
use std::ops::Range;

/// Past this the square of a latent counts no further.
const BOUND: f32 = 1e15;

impl Program {
    /// `log p(x)` of every sample, nats, where all latents are standard normal; and the gradients of the sum of them, those of the context if they are wanted.
    ///
    /// # Panics
    /// If a length does not fit, or the program was not loaded for a forward and a backward pass.
    pub fn log_prob_with_gradients(
        &self,
        values: &[f32],
        x: &[f32],
        context: &[f32],
        of_context: bool,
    ) -> (Vec<f32>, Gradients) {
        let (batch, d) = (self.batch(x, context), self.dimensions());
        let mut log_prob = vec![0.0; batch];
        let mut gradients = Gradients::new(batch, d, if of_context { self.context } else { 0 }, values.len());
        let tile = self.tile(batch, true);
        let mut of_rows = gradients.context.chunks_mut((tile * self.context).max(1));
        let parts = log_prob.chunks_mut(tile).zip(gradients.x.chunks_mut((tile * d).max(1))).enumerate();
        let jobs = parts.map(|(index, (log_prob, own))| {
            (index * tile..index * tile + log_prob.len(), log_prob, own, of_rows.next().unwrap_or_default())
        });
        let accumulators =
            self.sum_over_workers(jobs.collect(), |(samples, log_prob, own, own_context), accumulators| {
                with_space(|work, tape| {
                    let height = tape.height();
                    self.start(work, x, context, &samples);
                    work.begin_g_context(of_context);
                    self.walk_forward(work, tape, &mut Score);
                    let constant = -0.5 * (2.0 * PI).ln() * d as f64;
                    log_prob.iter_mut().zip(&work.log_det).for_each(|(to, from)| *to = (from + constant) as f32);
                    work.g_log_det.clear();
                    work.g_log_det.resize(samples.len(), 1.0);
                    work.gradient.clear();
                    self.walk_back(work, tape, &mut Slope { events: &self.latents, accumulators });
                    tape.drop_to(height);
                    to_rows(&work.gradient, work.channels, work.lanes(), own);
                    work.end_g_context(own_context);
                });
            });
        self.finish(values, accumulators, &mut gradients.values);
        (log_prob, gradients)
    }
}

/// Carry the data forth, and score the latents; they are needed on the way back, for there its gradient begins.
struct Score;

impl Visitor for Score {
    fn layer(&mut self, layer: &dyn Layer, _sums: &Range<usize>, work: &mut Work, tape: &mut Tape) {
        layer.forward(work, tape);
    }

    fn latents(&mut self, _level: usize, kept: usize, work: &mut Work, tape: &mut Tape) {
        let leaving = kept * work.lanes();
        let planes = tape.push(work.state.len() - leaving);
        planes.copy_from_slice(&work.state[leaving..]);
        score(work, planes);
    }
}

/// Carry the gradient back.
struct Slope<'a> {
    events: &'a [[usize; 3]],
    accumulators: &'a mut [f32],
}

impl Visitor for Slope<'_> {
    fn layer(&mut self, layer: &dyn Layer, accumulators: &Range<usize>, work: &mut Work, tape: &mut Tape) {
        layer.backward(work, tape, &mut self.accumulators[accumulators.clone()]);
    }

    fn latents(&mut self, level: usize, _kept: usize, work: &mut Work, tape: &mut Tape) {
        let planes = tape.pop(self.events[level][2] * work.lanes());
        slope(work, planes);
    }
}

/// Add `-z^2 / 2` of all planes to the log-determinants.
fn score(work: &mut Work, planes: &[f32]) {
    let lanes = work.lanes();
    let mut sum = work.take(lanes);
    sum.fill(0.0);
    widest(|| {
        for plane in planes.chunks_exact(lanes) {
            for (sum, z) in sum.iter_mut().zip(plane) {
                let z = z.clamp(-BOUND, BOUND);
                *sum -= 0.5 * z * z;
            }
        }
    });
    work.add_log_det(&sum);
    work.give(sum);
}

/// Append the gradient of that to the gradient of the state, zero in the padding.
fn slope(work: &mut Work, planes: &[f32]) {
    let lanes = work.lanes();
    let count = work.samples * work.positions();
    let start = work.gradient.len();
    work.gradient.resize(start + planes.len(), 0.0);
    for (to, from) in work.gradient[start..].chunks_exact_mut(lanes).zip(planes.chunks_exact(lanes)) {
        widest(|| {
            for (to, z) in to[..count].iter_mut().zip(from) {
                *to = if z.abs() > BOUND { 0.0 } else { -*z };
            }
        });
        to[count..].fill(0.0);
    }
}
