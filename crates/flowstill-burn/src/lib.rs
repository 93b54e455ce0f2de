//! Stand for `burn` with the part of it that flowstill uses, under the same paths.
//!
//! The crate `burn` also brings modules, layers, records and their file format, with a regular expression engine; nothing
//! here needs them, and without them a build is half a minute shorter. The types are Burn's own: a program that depends
//! on `burn` too, at the same version, exchanges tensors with flowstill freely.

#![forbid(unsafe_code)]

/// Tensors, devices and what is done with them: `burn::tensor`.
pub mod tensor {
    pub use burn_tensor::*;
}

/// Backends and the types beneath tensors, for operations with a backward pass of their own: `burn::backend`.
pub mod backend {
    pub use burn_backend::*;
    pub use burn_dispatch::backends::*;
    pub use burn_dispatch::{backend::*, device::*, tensor::*};
}
