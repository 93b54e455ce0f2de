//! Distil, train, judge, ship and run normalizing flows.
//!
//! A teacher [`Flow`](flows::Flow) is trained by [`train::train`]; a [`Distillation`](distill::Distillation) teaches a student under the same loop; a
//! [`Model`](model::Model) scores and samples in the units of the data, and lives in one self-describing file.
//!
//! | To | Import | Example |
//! |---|---|---|
//! | build a named flow | [`flows::FlowConfig`], [`flows::Flow`] | `examples/train.rs` |
//! | train it | [`train::train`], [`train::NegativeLogLikelihood`], [`train::TrainConfig`], [`train::Rows`] or [`pictures::Pictures`] | `examples/train.rs` |
//! | distil it | [`distill::Distillation`], [`distill::DistillConfig`] | `examples/distil.rs` |
//! | score, sample, save and load in the data's units | [`model::Model`], [`file::save`], [`file::load`] | `examples/sample_and_score.rs` |
//! | add a layer of your own | [`bijectors::Bijector`], [`parameters!`], [`flows::Flow::from_bijectors`], [`shape`] | `examples/add_a_bijector.rs` |
//! | train something else, or by another loss | [`train::Trainable`], [`train::Objective`], [`train::Dataset`] | `examples/own_objective.rs` |
//! | draw the same numbers again | [`random::stream`] | |
//! | choose the device | [`device::cpu`], [`device::gpu`] | |
#![doc = include_str!("../../../README.md")]
#![forbid(unsafe_code)]
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
mod ops;
pub mod pictures;
pub mod random;
pub mod shape;
pub mod train;

pub use burn;
pub use flowstill_runtime::{Error, Result};
pub use param::{Param, Parameters, Role, join, to_f32, to_f64};
