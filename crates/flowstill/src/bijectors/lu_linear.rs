//! Mix the channels by a learned matrix kept as its LU factors, whose determinant is read off the diagonal.

use super::linear::{mix, random_orthogonal, unmix};
use super::{Bijector, BijectorConfig, Context, Reordering};
use crate::Param;
use crate::ops::dense::differentiable_inverse;
use crate::shape::expand_to_batch;
use burn::tensor::{Device, Tensor};
use rand::RngCore;

/// `z = x W^T + bias` with `W = P L (U + diag(sign * exp(log_s)))`, `log_det = height * width * sum(log_s)`.
///
/// `P` and `sign` are fixed, `L` is unit lower triangular, `U` strictly upper triangular.
/// Source: Glow (Kingma and Dhariwal 2018), section 3.2, equation 10.
#[doc(alias = "invconv")]
#[doc(alias = "InvertibleConv1x1")]
#[derive(Clone, Debug)]
pub struct LuLinear {
    /// `P`, `[channels, channels]`: a buffer, so that it is saved and can be inherited from a teacher.
    permutation: Param,
    sign: Param,
    lower: Param,
    upper: Param,
    log_s: Param,
    bias: Param,
    lower_mask: Param,
    identity: Param,
}

crate::parameters!(LuLinear { permutation, sign, lower, upper, log_s, bias, lower_mask, identity });

impl LuLinear {
    /// The LU factors of a random orthogonal matrix, no bias.
    pub fn new(channels: usize, rng: &mut impl RngCore, device: &Device) -> Self {
        let n = channels;
        let (order, lu) = lu_factors(random_orthogonal(n, rng), n);
        let square = |value: &dyn Fn(usize, usize) -> f64| -> Vec<f32> {
            (0..n * n).map(|k| value(k / n, k % n) as f32).collect()
        };
        // Row i of L U is row order[i] of W, so W = P L U with P[order[i], i] = 1.
        let permutation = square(&|i, j| if order[j] == i { 1.0 } else { 0.0 });
        let diagonal: Vec<f64> = (0..n).map(|i| lu[i * n + i]).collect();
        Self {
            permutation: Param::buffer(permutation, &[n, n], device),
            sign: Param::buffer(diagonal.iter().map(|d| d.signum() as f32).collect(), &[n], device),
            lower: Param::new(square(&|i, j| if i > j { lu[i * n + j] } else { 0.0 }), &[n, n], device),
            upper: Param::new(square(&|i, j| if i < j { lu[i * n + j] } else { 0.0 }), &[n, n], device),
            log_s: Param::new(diagonal.iter().map(|d| d.abs().ln() as f32).collect(), &[n], device),
            bias: Param::zeros(&[n], device),
            lower_mask: Param::constant(square(&|i, j| if i > j { 1.0 } else { 0.0 }), &[n, n], device),
            identity: Param::constant(square(&|i, j| if i == j { 1.0 } else { 0.0 }), &[n, n], device),
        }
    }

    /// The dense matrix `W`.
    pub fn weight(&self) -> Tensor<2> {
        let n = self.bias.len();
        let mask = self.lower_mask.tensor::<2>();
        let identity = self.identity.tensor::<2>();
        let lower = self.lower.tensor::<2>() * mask.clone() + identity.clone();
        let diagonal = (self.sign.flat().clone() * self.log_s.flat().clone().exp()).reshape([1, n]);
        let upper = self.upper.tensor::<2>() * mask.transpose() + identity * diagonal;
        self.permutation.tensor::<2>().matmul(lower).matmul(upper)
    }

    fn log_det(&self, like: &Tensor<4>) -> Tensor<1> {
        let [_, h, w, _] = like.dims();
        expand_to_batch(self.log_s.flat().clone().sum() * (h * w) as f64, like)
    }
}

/// Row order and packed factors of `a = P L U`, by partial pivoting.
fn lu_factors(mut a: Vec<f64>, n: usize) -> (Vec<usize>, Vec<f64>) {
    let mut order: Vec<usize> = (0..n).collect();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).unwrap_or(k);
        order.swap(k, pivot);
        for j in 0..n {
            a.swap(k * n + j, pivot * n + j);
        }
        for i in k + 1..n {
            a[i * n + k] /= a[k * n + k];
            for j in k + 1..n {
                a[i * n + j] -= a[i * n + k] * a[k * n + j];
            }
        }
    }
    (order, a)
}

impl Bijector for LuLinear {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let log_det = self.log_det(&x);
        (mix(x, self.weight(), &self.bias), log_det)
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let log_det = self.log_det(&z);
        (unmix(z, differentiable_inverse(self.weight()), &self.bias), log_det)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::LuLinear { channels: self.bias.len() })
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }

    fn reordering(&self) -> Reordering {
        Reordering::Mixed
    }
}
