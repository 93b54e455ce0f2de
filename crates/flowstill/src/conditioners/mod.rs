//! Compute the parameters of a transform from the values (and the context) that condition it.

mod convnet;
mod dense;
mod made;
mod mlp;

pub use convnet::ConvNet;
pub use dense::{Activation, Dense};
pub use made::{Made, MadeConfig};
pub use mlp::{Conditioner, ConditionerConfig};
