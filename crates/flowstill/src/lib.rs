//! Distil, train, judge, ship and run normalizing flows.
//!
//! A teacher [`Flow`](flows::Flow) is trained by [`train::train`]; a [`Distillation`](distill::Distillation) teaches a student under the same loop; a
//! [`Model`](model::Model) scores and samples in the units of the data, and lives in one self-describing file.
#![doc = include_str!("../../../README.md")]
#![deny(missing_docs)]

#[macro_use]
mod param;
pub mod base;
mod batch;
pub mod bijectors;
pub mod conditioners;
pub mod device;
pub mod distill;
pub mod file;
pub mod flows;
pub mod model;
pub mod ops;
pub mod pictures;
pub mod random;
pub mod shape;
pub mod train;

pub use burn;
pub use flowstill_runtime::{Error, Result};
pub use param::{Param, Parameters, Role, join, to_f32, to_f64};
