//! Learn a linear map from each student state to its teacher state, so that the two need not share coordinates.

use crate::Param;
use crate::shape::{from_rows, positions, to_rows};
use burn::tensor::{Device, Tensor};

/// `s W + b` on the channels, started at the identity, so that a copied student still has loss exactly 0.
///
/// Source: learned projection heads for hidden states, BiFlow (arXiv 2512.10953).
#[derive(Clone, Debug)]
pub struct Projector {
    weight: Param,
    bias: Param,
}

crate::parameters!(Projector { weight, bias });

impl Projector {
    /// The identity over `channels` channels.
    pub fn new(channels: usize, device: &Device) -> Self {
        let identity = (0..channels * channels).map(|i| if i / channels == i % channels { 1.0 } else { 0.0 }).collect();
        Self { weight: Param::new(identity, &[channels, channels], device), bias: Param::zeros(&[channels], device) }
    }

    /// Apply.
    pub fn forward(&self, state: Tensor<4>) -> Tensor<4> {
        let at = positions(&state);
        from_rows(to_rows(state).matmul(self.weight.tensor()) + self.bias.flat().clone().unsqueeze::<2>(), at)
    }
}
