//! Distil, train, judge, ship and run normalizing flows.

#[macro_use]
mod param;
pub mod base;
pub mod bijectors;
pub mod conditioners;
pub mod distill;
mod error;
pub mod file;
pub mod flows;
pub mod model;
pub mod ops;
pub mod random;
pub mod shape;
pub mod train;

pub use burn;
pub use error::{Error, Result};
pub use param::{Param, Parameters, Role, join, to_f32, to_f64};
