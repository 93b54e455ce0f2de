//! Compute on plain `f32` slices what flows spend their time on.
//!
//! Nothing here knows of tensors, tapes or files. All arrays are row-major and channels-last: `[batch, height, width, channels]`. The loops run on
//! rayon's current pool; with the same number of threads a result is the same to the last bit.
//!
//! | Module | Computes |
//! |---|---|
//! | [`activations`] | the nonlinearities of networks, and their slopes |
//! | [`dense`] | products of planes with a matrix, its blocks of zeros left out |
//! | [`elementwise`] | passes over values with the widest instructions |
//! | [`made`] | the inverse of a masked autoregressive net with its map, at the cost of about one pass |
//! | [`optimiser`] | steps of Adam and its kin over flat vectors, and the norm of a gradient |
//! | [`planes`] | monotone maps of single values in both directions, with their gradients, wide across lanes |
//! | [`univariate`] | monotone maps of single values, undone |
//! | [`windows`] | the 3x3 neighbourhoods of planes, and the adjoint |
#![deny(missing_docs)]
#![deny(unsafe_code)]

pub mod activations;
pub mod dense;
pub mod elementwise;
mod functions;
pub mod made;
pub mod optimiser;
pub mod planes;
mod scratch;
pub mod univariate;
pub mod windows;
