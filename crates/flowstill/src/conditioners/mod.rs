//! Compute the parameters of a transform from the values (and the context) that condition it.

mod convnet;
mod dense;
mod made;
mod mlp;

pub use convnet::ConvNet;
pub use dense::{Dense, activate};
pub use flowstill_runtime::architecture::{Activation, ConditionerConfig, MadeConfig};
pub use made::Made;
pub use mlp::Conditioner;
