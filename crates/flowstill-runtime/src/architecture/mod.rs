//! Describe a flow as data: what a flow file stores beside the weights, and all that is known before anything is built.
//!
//! A layer is described once, here: [`BijectorConfig::describe`] gives its name, shapes, tensors with their ranges, context and order of channels. The
//! library builds compositions of tensor operations from the same values, [`Program`](crate::Program) compiles them, and files are checked against them.

mod base;
mod bijector;
mod coupling;
mod descriptor;
mod flow;
mod net;
mod sylvester;
mod univariate;

pub use base::BaseConfig;
pub use bijector::{BijectorConfig, ElementwiseMap};
pub use coupling::{CouplingConfig, Mask, MaskedAutoregressiveConfig, SplitConfig, SplitPrior};
pub use descriptor::{Descriptor, Range, Reordering, Reshape, Role, TensorSpec, Visit, inverse_permutation};
pub use flow::{Architecture, Stop};
pub use net::{Activation, ConditionerConfig, MadeConfig};
pub use sylvester::{Basis, SylvesterLayerConfig};
pub use univariate::{ScaleMap, Univariate};
