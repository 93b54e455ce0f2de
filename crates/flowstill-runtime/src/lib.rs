//! Run flows on the CPU without a tensor framework.
//!
//! A [`Program`] is a flow compiled from its [`Architecture`](architecture::Architecture): layers that carry tiles of a batch, as planes, through all of the
//! flow while they lie in a worker's cache. It computes data to latents, latents to data, and exact gradients. The trainer of flowstill runs the very same
//! programs, so there is one definition of a flow on the CPU, and one of tensor operations beside it to which it is held.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod architecture;
mod layers;
mod likelihood;
mod masks;
mod passes;
mod places;
mod program;
mod work;

pub use layers::Purpose;
pub use masks::hidden_degrees;
pub use passes::{Encoded, Gradients, Kept, Source};
pub use places::Places;
pub use program::Program;
