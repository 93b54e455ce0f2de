//! Multiply planes by a matrix whose blocks of zeros are never touched.
//!
//! A plane is one quantity over all lanes (rows of a table, positions of pictures): `[plane, lanes]`. So `out[n] = sum_k w[n, k] in[k]` is wide
//! across lanes, whatever the number of planes, and a lane's result depends neither on the other lanes nor on how many there are.
//!
//! Weights are kept in groups of [`UNITS`] outputs, `[group][input][UNITS]`, each group only over the span of inputs that any of its outputs may see.
//! The hidden units of a masked net, sorted by degree, make that span a staircase: about half of the arithmetic is never done.

mod gradient;
mod kernel;
mod packed;
mod transpose;

pub use gradient::add_weight_gradient;
pub use kernel::{End, Start};
pub use packed::{Packed, UNITS};

/// Lanes come in multiples of this: one of the widest vectors.
pub const LANES: usize = 16;

#[cfg(test)]
mod tests;
