//! Turn a layer round: its inverse maps data to latents.

use super::{Layer, Purpose};
use crate::offsets::Slots;
use crate::work::{Tape, Work};
use std::ops::Range;

/// Another layer, its latents being the data here. An inverse autoregressive flow is made of autoregressive ones.
///
/// All that is kept is the latents here, which are the data of the layer within: its gradients follow from them.
#[derive(Debug)]
pub(crate) struct Inverted {
    inner: Box<dyn Layer>,
    /// Planes of the latents.
    channels: usize,
}

impl Inverted {
    /// `channels` are those of the latents, the data of `inner`.
    pub(crate) fn new(inner: Box<dyn Layer>, channels: usize) -> Self {
        Self { inner, channels }
    }

    /// Run what adds its log-determinant, and count that the other way.
    fn flipped(work: &mut Work, run: impl FnOnce(&mut Work)) {
        // Exactly `before - own`, in the same place.
        work.log_det.iter_mut().for_each(|log_det| *log_det = -*log_det);
        run(work);
        work.log_det.iter_mut().for_each(|log_det| *log_det = -*log_det);
    }

    fn negate_g_log_det(work: &mut Work) {
        work.g_log_det.iter_mut().for_each(|g| *g = -*g);
    }
}

impl Layer for Inverted {
    fn load(&mut self, values: &[f32], purpose: Purpose) {
        let Purpose { forward, backward, inverse } = purpose;
        // The way back of `forward` is that of the inner inverse, which begins with the inner forward pass.
        self.inner.load(values, Purpose { forward: inverse || backward, backward, inverse: forward || backward });
    }

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let height = tape.height();
        Self::flipped(work, |work| self.inner.inverse(work, tape));
        tape.drop_to(height);
        let size = self.channels * work.lanes();
        tape.push(size).copy_from_slice(&work.state[..size]);
    }

    fn inverse(&self, work: &mut Work, tape: &mut Tape) {
        Self::flipped(work, |work| self.inner.forward(work, tape));
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let size = self.channels * work.lanes();
        let mut state = work.take(size);
        state.copy_from_slice(tape.pop(size));
        // The state may be in use: where activations are not kept it is the data, to which the way back goes on.
        std::mem::swap(&mut work.state, &mut state);
        Self::negate_g_log_det(work);
        self.inner.forward(work, tape);
        self.inner.backward_inverse(work, tape, accumulators);
        Self::negate_g_log_det(work);
        std::mem::swap(&mut work.state, &mut state);
        work.give(state);
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let size = self.channels * work.lanes();
        let mut state = work.take(size);
        state.copy_from_slice(tape.pop(size));
        Self::negate_g_log_det(work);
        self.inner.forward(work, tape);
        self.inner.backward(work, tape, accumulators);
        Self::negate_g_log_det(work);
        std::mem::swap(&mut work.state, &mut state);
        work.give(state);
    }

    fn accumulators(&self) -> usize {
        self.inner.accumulators()
    }

    fn home(&self) -> Range<usize> {
        self.inner.home()
    }

    fn finish(&self, values: &[f32], accumulators: &[f32], gradient: &mut Slots<'_>) {
        self.inner.finish(values, accumulators, gradient);
    }

    fn planes(&self) -> usize {
        self.channels + self.inner.planes()
    }
}
