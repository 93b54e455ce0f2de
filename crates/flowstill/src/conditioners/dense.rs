//! Multiply rows by a weight matrix, add a bias, apply a nonlinearity.

use crate::Param;
use crate::random::symmetric;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// The nonlinearity between layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`, the default.
    #[default]
    Relu,
    /// `tanh(x)`, the MAF paper's choice on GAS.
    Tanh,
    /// `x * sigmoid(x)`.
    Silu,
}

impl Activation {
    /// Apply it.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Activation::Relu => relu(x),
            Activation::Tanh => x.tanh(),
            Activation::Silu => x.clone() * sigmoid(x),
        }
    }

    /// Its derivative; 0 at the kink of relu, as autodiff has it.
    pub fn slope<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Activation::Relu => x.clone().zeros_like().mask_fill(x.greater_elem(0.0), 1.0),
            Activation::Tanh => {
                let y = x.tanh();
                -(y.clone() * y) + 1.0
            }
            Activation::Silu => {
                let share = sigmoid(x.clone());
                share.clone() * (x * (-share + 1.0) + 1.0)
            }
        }
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

    /// Flat weights and biases.
    pub(super) fn flat(&self) -> (Tensor<1>, Tensor<1>) {
        (self.weight.flat().clone(), self.bias.flat().clone())
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
