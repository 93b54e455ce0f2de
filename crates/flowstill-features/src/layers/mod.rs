//! Compute the layers of a convolutional network on channels-last activations.

mod conv;
mod depthwise;
mod grid;
mod pool;
mod product;
mod resize;

#[cfg(test)]
mod golden;

pub(crate) use conv::{Conv, Nonlinearity, Normalization, Padding};
pub(crate) use depthwise::Depthwise;
pub(crate) use grid::{Grid, View};
pub(crate) use pool::{Kind, mean_over_pixels, pool};
pub(crate) use resize::Resize;

/// Runs a loop compiled for the widest vectors that this machine has.
///
/// The loop is plain Rust; `pulp` compiles it once per instruction set and chooses at run time.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
