//! Trade space for channels: every 2x2 block of positions becomes one position.

use super::{Bijector, BijectorConfig, Context};
use crate::shape::zero_log_det;
use burn::tensor::Tensor;

/// `[batch, h, w, c]` to `[batch, h / 2, w / 2, 4 c]`, `log_det = 0`; channel `4 c + 2 y + x` holds position `(y, x)` of a block's channel `c`.
///
/// Source: RealNVP (Dinh et al. 2017), section 3.6; the order of channels is that of Glow's code.
#[doc(alias = "space_to_depth")]
#[derive(Clone, Debug, Default)]
pub struct Squeeze;

crate::parameters!(Squeeze {});

impl Bijector for Squeeze {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let log_det = zero_log_det(&x);
        let [b, h, w, c] = x.dims();
        let blocks = x.reshape([b, h / 2, 2, w / 2, 2, c]).permute([0, 1, 3, 5, 2, 4]);
        (blocks.reshape([b, h / 2, w / 2, 4 * c]), log_det)
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let log_det = zero_log_det(&z);
        let [b, h, w, c] = z.dims();
        let blocks = z.reshape([b, h, w, c / 4, 2, 2]).permute([0, 1, 4, 2, 5, 3]);
        (blocks.reshape([b, 2 * h, 2 * w, c / 4]), log_det)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Squeeze)
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(Self)
    }
}
