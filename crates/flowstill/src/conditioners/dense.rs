//! Multiply rows by a weight matrix, add a bias, apply a nonlinearity.

use super::Activation;
use crate::Param;
use crate::random::symmetric;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};
use rand::RngCore;

/// Apply the nonlinearity between layers.
pub fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Relu => relu(x),
        Activation::Tanh => x.tanh(),
        Activation::Silu => x.clone() * sigmoid(x),
    }
}

/// `y = x W + b` on rows; `W` is `[inputs, outputs]`.
#[derive(Clone, Debug)]
pub struct Dense {
    weight: Param,
    bias: Param,
}

crate::parameters!(Dense { weight, bias });

impl Dense {
    /// Weights and biases uniform within `1 / sqrt(inputs)`.
    pub fn new(inputs: usize, outputs: usize, rng: &mut impl RngCore, device: &Device) -> Self {
        let bound = 1.0 / (inputs.max(1) as f32).sqrt();
        Self {
            weight: Param::new(symmetric(inputs * outputs, bound, rng), &[inputs, outputs], device),
            bias: Param::new(symmetric(outputs, bound, rng), &[outputs], device),
        }
    }

    /// All zeros: as a last layer it makes a new flow the identity.
    pub fn zeros(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self { weight: Param::zeros(&[inputs, outputs], device), bias: Param::zeros(&[outputs], device) }
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.tensor::<2>()) + self.bias.flat().clone().unsqueeze::<2>()
    }

    /// The weights where `mask` is 1, `[inputs, outputs]`.
    pub(super) fn masked_weight(&self, mask: &Param) -> Tensor<2> {
        self.weight.tensor::<2>() * mask.tensor::<2>()
    }

    /// The same with every weight multiplied by `mask`, `[inputs, outputs]`.
    pub fn forward_masked(&self, x: Tensor<2>, mask: &Param) -> Tensor<2> {
        x.matmul(self.masked_weight(mask)) + self.bias.flat().clone().unsqueeze::<2>()
    }
}
