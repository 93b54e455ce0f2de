//! Mix the channels by one learned matrix.

use super::{Bijector, BijectorConfig, Context, Reordering};
use crate::Param;
use crate::ops::dense::{differentiable_inverse, differentiable_log_det};
use crate::random::normals;
use crate::shape::{expand_to_batch, from_rows, positions, to_rows};
use burn::tensor::{Device, Tensor};
use rand::RngCore;

/// `z = x W^T + bias` at every position, `log_det = height * width * log |det W|`.
///
/// Source: Glow (Kingma and Dhariwal 2018), section 3.2, the plain form. The determinant costs `O(channels^3)` per step;
/// [`LuLinear`](super::LuLinear) reads it off the diagonal.
#[doc(alias = "OneByOneConvolution")]
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[channels, channels]`, output by input.
    weight: Param,
    bias: Param,
}

crate::parameters!(Linear { weight, bias });

/// A random orthogonal matrix: Gram-Schmidt (twice, for accuracy) on Gaussian rows.
pub(super) fn random_orthogonal(n: usize, rng: &mut impl RngCore) -> Vec<f64> {
    let mut q: Vec<f64> = normals(n * n, rng).into_iter().map(f64::from).collect();
    for i in 0..n {
        for _ in 0..2 {
            for j in 0..i {
                let dot: f64 = (0..n).map(|k| q[i * n + k] * q[j * n + k]).sum();
                (0..n).for_each(|k| q[i * n + k] -= dot * q[j * n + k]);
            }
        }
        let norm = (0..n).map(|k| q[i * n + k].powi(2)).sum::<f64>().sqrt();
        (0..n).for_each(|k| q[i * n + k] /= norm);
    }
    q
}

impl Linear {
    /// A random orthogonal matrix and no bias.
    pub fn new(channels: usize, rng: &mut impl RngCore, device: &Device) -> Self {
        let weight = random_orthogonal(channels, rng).into_iter().map(|v| v as f32).collect();
        Self { weight: Param::new(weight, &[channels, channels], device), bias: Param::zeros(&[channels], device) }
    }
}

/// `rows W^T + bias`, at every position.
pub(super) fn mix(x: Tensor<4>, weight: Tensor<2>, bias: &Param) -> Tensor<4> {
    let at = positions(&x);
    from_rows(to_rows(x).matmul(weight.transpose()), at) + bias.per_channel()
}

/// `(rows - bias) V^T`, at every position.
pub(super) fn unmix(z: Tensor<4>, inverse: Tensor<2>, bias: &Param) -> Tensor<4> {
    let at = positions(&z);
    from_rows(to_rows(z - bias.per_channel()).matmul(inverse.transpose()), at)
}

impl Linear {
    fn log_det(&self, like: &Tensor<4>) -> Tensor<1> {
        let [_, h, w, _] = like.dims();
        expand_to_batch(differentiable_log_det(self.weight.tensor::<2>()) * (h * w) as f64, like)
    }
}

impl Bijector for Linear {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let log_det = self.log_det(&x);
        (mix(x, self.weight.tensor(), &self.bias), log_det)
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let log_det = self.log_det(&z);
        (unmix(z, differentiable_inverse(self.weight.tensor()), &self.bias), log_det)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Linear { channels: self.bias.len() })
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }

    fn reordering(&self) -> Reordering {
        Reordering::Mixed
    }
}
