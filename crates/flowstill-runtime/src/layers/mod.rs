//! Carry a tile through one layer, forth, undone, and back with gradients.

mod activate;
mod affine;
mod autoregressive;
mod board;
mod convnet;
mod coupling;
mod dense;
mod elementwise;
mod inverted;
mod linear;
mod net;
mod orthonormal;
mod permute;
mod split;
mod squeeze;
mod sylvester;
mod sylvester_weights;
mod univariate;

pub(crate) use affine::Affine;
pub(crate) use autoregressive::Autoregressive;
pub(crate) use coupling::Coupling;
pub(crate) use elementwise::Elementwise;
pub(crate) use inverted::Inverted;
pub(crate) use linear::Linear;
pub(crate) use permute::Permute;
pub(crate) use split::Split;
pub(crate) use squeeze::Squeeze;
pub(crate) use sylvester::Sylvester;

use crate::offsets::Slots;
use crate::work::{Tape, Work};
use std::fmt::Debug;
use std::ops::Range;

/// What a program is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// Data to latents.
    pub forward: bool,
    /// Gradients of that.
    pub backward: bool,
    /// Latents to data.
    pub inverse: bool,
}

/// A layer with its weights as it reads them.
///
/// What a layer pushes onto the tape in `forward` it pops in `backward`. `accumulators` is its own part of a worker's accumulators of gradients, empty where those
/// are not wanted; `finish` turns the sum over all workers into gradients of the weights as they are stored.
pub(crate) trait Layer: Debug + Send + Sync {
    /// Take the weights from the flat vector.
    fn load(&mut self, values: &[f32], purpose: Purpose);

    /// Data to latents; adds to the log-determinants.
    fn forward(&self, work: &mut Work, tape: &mut Tape);

    /// Latents to data, with the same log-determinants added.
    fn inverse(&self, work: &mut Work, tape: &mut Tape);

    /// From the gradient of the latents to that of the data.
    fn backward(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]);

    /// The gradient of [`Layer::inverse`]: from that of the data to that of the latents. Called right after `forward` at the data, so that the state is the
    /// latents and the tape holds what `forward` pushed, which is popped.
    ///
    /// With `z = f(x)`, `J = df/dx` and the gradients `g` of `x` and `h` of the log-determinant, the gradient of `z` solves `J^T y = g + h dlog_det/dx`, and
    /// those of the weights are what `backward` makes of `-y` and `h`.
    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]);

    /// Values of `accumulators`.
    fn accumulators(&self) -> usize {
        0
    }

    /// Where the weights lie that have gradients, the first to the last.
    fn home(&self) -> Range<usize> {
        0..0
    }

    /// Add the gradients of the weights to `gradient`, which holds its [`home`](Layer::home) at least of a vector that lies as `values` does.
    fn finish(&self, _values: &[f32], _sums: &[f32], _gradient: &mut Slots<'_>) {}

    /// Values that `forward` pushes per lane of a tile, at most: what tiles are cut by.
    fn planes(&self) -> usize;
}
