//! Run flows on the CPU without a tensor framework: the deployment path of flowstill.
//!
//! A [`Model`] is a flow file, ready to score and to sample in the units of the data. It is `Send` and `Sync`, allocates nothing per call once a thread
//! has scored a batch of the same size (up to one tile of some hundred rows, which stays on the calling thread), and puts larger batches on all cores:
//!
//! ```no_run
//! use flowstill_runtime::Model;
//!
//! let model = Model::load("flow.safetensors")?;
//! let mut density = [0.0];
//! model.log_prob(&[0.3, 1.2, -0.7], &[], &mut density)?; // one row of three columns, no context; nats
//! let mut rows = vec![0.0; 1000 * model.columns()];
//! model.sample(7, 1.0, &[], &mut rows)?; // seed 7, temperature 1
//! # Ok::<(), flowstill_runtime::Error>(())
//! ```
//!
//! | To | Import |
//! |---|---|
//! | score, sample, encode and decode a flow file | [`Model`] |
//! | describe a flow, and ask what its layers are made of | [`architecture`] |
//! | run and differentiate a flow on plain slices | [`Program`], [`Offsets`], [`Purpose`], [`Source`] |
//! | read stored tensors with all checks | [`stored`] |
//! | transform a column, fitted to the rows that a flow learns from | [`ColumnTransform`], [`Step`] |
//! | draw the library's random numbers | [`random`] |
//!
//! Below it a [`Program`] is a flow compiled from its [`Architecture`](architecture::Architecture): layers that carry tiles of a batch, as planes, through all of the
//! flow while they lie in a worker's cache. It computes data to latents, latents to data, and exact gradients. The trainer of flowstill runs the very same
//! programs, so there is one definition of a flow on the CPU, and one of tensor operations beside it to which it is held.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod architecture;
mod backward;
pub mod density;
mod dequantizer;
mod document;
mod engine;
mod error;
mod facts;
mod file;
mod helpers;
mod layers;
mod likelihood;
mod masks;
mod matrix;
mod model;
mod offsets;
mod passes;
pub mod pictures;
mod probit;
mod program;
pub mod random;
mod standardization;
pub mod stored;
mod tile;
mod transform;
mod walk;
mod work;

pub use backward::{Gradients, InverseGradients, Source};
pub use document::{Conventions, Document, FORMAT_VERSION, KIND};
pub use engine::{Compiled, Engine};
pub use error::{Error, Result};
pub use facts::{SplitFacts, TrainingFacts};
pub use layers::Purpose;
pub use masks::hidden_degrees;
pub use matrix::inverse_and_log_det;
pub use model::{CHUNK, Model, Value};
pub use offsets::Offsets;
pub use passes::{Encoded, Kept};
pub use program::{Program, Refused};
pub use standardization::Standardization;
pub use transform::{ColumnTransform, Spreads, Step, noise as row_noise};
