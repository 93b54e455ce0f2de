//! Hold the operations that Burn does not offer: exact solves on the host and nodes with their own backward pass.

pub(crate) mod autoregressive;
pub mod convnet;
pub mod coupling;
pub mod custom;
pub mod dense;
pub mod host;
pub mod implicit;
pub mod patches;
pub(crate) mod program;
