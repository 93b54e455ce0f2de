//! Map data to latents and back, one invertible layer at a time, each with its exact log-determinant.

mod actnorm;
mod autoregressive;
mod batchnorm;
mod build;
mod chain;
mod coupling;
mod elementwise;
mod linear;
mod lu_linear;
pub(crate) mod permute;
mod spline;
mod split;
mod squeeze;
mod sylvester;
mod univariate;

pub use actnorm::{ActNorm, Affine};
pub use autoregressive::MaskedAutoregressive;
pub use batchnorm::BatchNorm;
pub use build::{Build, build_all};
pub use chain::{Chain, Inverted};
pub use coupling::Coupling;
pub use elementwise::Elementwise;
pub use flowstill_runtime::architecture::{
    Basis, BijectorConfig, CouplingConfig, Descriptor, ElementwiseMap, Mask, MaskedAutoregressiveConfig, Reordering,
    ScaleMap, SplitConfig, SplitPrior, SylvesterLayerConfig, Univariate,
};
pub use linear::Linear;
pub use lu_linear::LuLinear;
pub use permute::Permute;
pub use split::Split;
pub use squeeze::Squeeze;
pub use sylvester::Sylvester;
pub use univariate::UnivariateOps;

use crate::Parameters;
use burn::tensor::Tensor;
use std::fmt::Debug;

/// The conditioning input of a batch, `[batch, context]`, or nothing.
pub type Context<'a> = Option<&'a Tensor<2>>;

/// What a layer's inverse is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InverseKind {
    /// A formula: exact up to rounding.
    Exact,
    /// Found by iteration, as that of a [`Sylvester`] layer.
    Numeric {
        /// The most that what is solved for may be off, rounding aside.
        tolerance: f64,
    },
    /// There is none: the flow scores and trains, and refuses to sample by a message that names the layer.
    Unavailable,
}

impl InverseKind {
    /// Of two inverses, one after the other: unavailable if either is, else the tolerances add up.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unavailable, _) | (_, Self::Unavailable) => Self::Unavailable,
            (Self::Exact, kind) | (kind, Self::Exact) => kind,
            (Self::Numeric { tolerance: a }, Self::Numeric { tolerance: b }) => Self::Numeric { tolerance: a + b },
        }
    }
}

/// An invertible map between data `x` and latents `z`.
///
/// ```text
/// forward: x -> (z, log_det)      inverse: z -> (x, log_det)
/// log_det = log |det dz/dx|, in nats, shape [batch], THE SAME NUMBER in both directions at the same pair (x, z)
/// ```
///
/// `x` and `z` are `[batch, height, width, channels]` (a table row is a 1x1 image). A layer never mutates itself in these two, draws no
/// random numbers and reads no files; shapes were checked by the [`Flow`](crate::flows::Flow) that owns it.
#[doc(alias = "transform")]
#[doc(alias = "bijection")]
pub trait Bijector: Parameters + Debug + Send + Sync {
    /// Data to latents, with `log |det dz/dx|` per sample.
    #[doc(alias = "encode")]
    fn forward(&self, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>);

    /// Latents to data, with the same `log |det dz/dx|` per sample.
    #[doc(alias = "decode")]
    fn inverse(&self, z: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>);

    /// What rebuilds this layer, weights aside; `None` for one of the user's own, which flow files therefore refuse.
    fn config(&self) -> Option<BijectorConfig> {
        None
    }

    /// What messages call this layer: the name of its type.
    fn name(&self) -> String {
        let path = std::any::type_name::<Self>();
        path.split('<').next().and_then(|path| path.rsplit("::").next()).unwrap_or(path).to_string()
    }

    /// How far [`inverse`](Bijector::inverse) can be trusted. Where it is unavailable, a flow never calls it.
    fn inverse_kind(&self) -> InverseKind {
        InverseKind::Exact
    }

    /// A copy behind a new box; tensors are shared until one side changes them.
    fn boxed(&self) -> Box<dyn Bijector>;

    /// Set data-dependent parameters from a batch, once; later calls change nothing.
    #[doc(alias = "DDI")]
    fn initialize(&mut self, _x: &Tensor<4>, _context: Context<'_>) {}

    /// Move stored statistics of the input towards those of this batch: `new = (1 - momentum) old + momentum batch`.
    fn calibrate(&mut self, _x: &Tensor<4>, _context: Context<'_>, _momentum: f64) {}

    /// Whether [`calibrate`](Bijector::calibrate) changes anything.
    fn has_statistics(&self) -> bool {
        false
    }

    /// How the channels are rearranged.
    fn reordering(&self) -> Reordering {
        Reordering::Kept
    }
}

impl Clone for Box<dyn Bijector> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}
