//! Compute on plain `f32` slices what flows spend their time on.
//!
//! Nothing here knows of tensors, tapes or files. All arrays are row-major and channels-last: `[batch, height, width, channels]`. The loops run on
//! rayon's current pool; with the same number of threads a result is the same to the last bit.
//!
//! | Module | Computes |
//! |---|---|
//! | [`convnet`] | the network of a Glow coupling, 3x3 - relu - 1x1 - relu - 3x3, and its gradients |
//! | [`coupling`] | the affine map of a coupling, with its log-det and its gradients |
//! | [`made`] | the inverse of a masked autoregressive net with its map, at the cost of about one pass |
//! | [`optimiser`] | steps of Adam and its kin over flat vectors, and the norm of a gradient |
//! | [`patches`] | the 3x3 neighbourhood of every position, and the adjoint |
//! | [`planes`] | monotone maps of single values in both directions, with their gradients, wide across lanes |
//! | [`product`] | a matrix product on one thread |
//! | [`univariate`] | monotone maps of single values, undone |
#![deny(missing_docs)]
#![deny(unsafe_code)]

pub mod convnet;
pub mod coupling;
mod elementwise;
mod functions;
pub mod made;
pub mod optimiser;
pub mod patches;
pub mod planes;
pub mod product;
mod scratch;
mod tiles;
pub mod univariate;
