//! Hold the operations that Burn does not offer: exact solves on the host and nodes with their own backward pass.

pub(crate) mod custom;
pub(crate) mod dense;
pub(crate) mod host;
pub(crate) mod patches;
