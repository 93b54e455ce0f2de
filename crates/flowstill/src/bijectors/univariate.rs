//! Map single values by a monotone function whose parameters a conditioner supplies: affine, additive, spline.

use super::{ScaleMap, Univariate};
use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};

/// The logarithm of the scale that a raw network output stands for.
pub(super) fn log_scale(map: ScaleMap, raw: Tensor<2>) -> Tensor<2> {
    // Products with 1 / bound, because the gradient of Burn 0.22's quotient by a number is rounded to f32 even in f64.
    match map {
        ScaleMap::Tanh { bound } => (raw * bound.recip()).tanh() * bound,
        ScaleMap::Softsign { bound } => raw.clone() / ((raw * bound.recip()).abs() + 1.0),
        ScaleMap::Sigmoid { floor: 0.0 } => log_sigmoid(raw + 2.0),
        ScaleMap::Sigmoid { floor } => (sigmoid(raw + 2.0) + floor).log(),
        ScaleMap::Exp => raw,
    }
}

/// A [`Univariate`] on tensors.
pub trait UnivariateOps {
    /// Data to latent: `x` and `z` are `[rows, features]`, `raw` is `[rows, features * params]`, the last is `log dz/dx` per value.
    fn forward(&self, x: Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<2>);

    /// Latent to data, with the same `log dz/dx` per value.
    fn inverse(&self, z: Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<2>);
}

impl UnivariateOps for Univariate {
    fn forward(&self, x: Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let features = x.dims()[1];
        match *self {
            Univariate::Affine { scale } => {
                let (shift, log_scale) = shift_and_log_scale(raw, features, scale);
                ((x + shift) * log_scale.clone().exp(), log_scale)
            }
            Univariate::Additive => {
                let slope = x.zeros_like();
                (x + raw, slope)
            }
            Univariate::RationalQuadratic { bins, tail_bound } => super::spline::forward(x, raw, bins, tail_bound),
        }
    }

    fn inverse(&self, z: Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let features = z.dims()[1];
        match *self {
            Univariate::Affine { scale } => {
                let (shift, log_scale) = shift_and_log_scale(raw, features, scale);
                (z * (-log_scale.clone()).exp() - shift, log_scale)
            }
            Univariate::Additive => {
                let slope = z.zeros_like();
                (z - raw, slope)
            }
            Univariate::RationalQuadratic { bins, tail_bound } => super::spline::inverse(z, raw, bins, tail_bound),
        }
    }
}

fn shift_and_log_scale(raw: Tensor<2>, features: usize, scale: ScaleMap) -> (Tensor<2>, Tensor<2>) {
    let shift = raw.clone().narrow(1, 0, features);
    (shift, log_scale(scale, raw.narrow(1, features, features)))
}
