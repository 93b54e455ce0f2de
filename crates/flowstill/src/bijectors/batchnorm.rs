//! Normalise every channel by stored statistics of the data that reach it.

use super::{Bijector, BijectorConfig, Context};
use crate::Param;
use crate::shape::{channel_moments, expand_to_batch};
use burn::tensor::{Device, Tensor};

/// `z = (x - mean) / sqrt(variance + epsilon) * exp(log_gamma) + beta`, per channel.
///
/// Source: Real NVP (Dinh et al. 2017), section 3.7; MAF (Papamakarios et al. 2017), section 3.5. There the statistics of the minibatch
/// stand in during training, so that what is optimised is not the density that is reported, teacher and student never see the same map, and
/// the inverse has no meaning in training. Here the statistics are always the stored ones and count as constants; training moves them by
/// explicit [`calibrate`](Bijector::calibrate) calls. So `forward` is one function, and a copied student agrees with its teacher exactly.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    mean: Param,
    variance: Param,
    log_gamma: Param,
    beta: Param,
    /// 1 once statistics of real data were taken over whole, which the first calibration does whatever its momentum.
    initialized: Param,
}

crate::parameters!(BatchNorm { mean, variance, log_gamma, beta, initialized });

const EPSILON: f64 = 1e-5;

impl BatchNorm {
    /// Statistics of a standard normal, `gamma = 1`, `beta = 0`.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            mean: Param::buffer(vec![0.0; channels], &[channels], device),
            variance: Param::buffer(vec![1.0; channels], &[channels], device),
            log_gamma: Param::zeros(&[channels], device),
            beta: Param::zeros(&[channels], device),
            initialized: Param::buffer(vec![0.0], &[1], device),
        }
    }

    fn log_scale(&self) -> Tensor<1> {
        self.log_gamma.flat().clone() - (self.variance.flat().clone() + EPSILON).log() * 0.5
    }

    fn parts(&self, like: &Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        let [_, h, w, c] = like.dims();
        let log_scale = self.log_scale();
        let log_det = expand_to_batch(log_scale.clone().sum() * (h * w) as f64, like);
        (log_scale.reshape([1, 1, 1, c]), log_det)
    }
}

impl Bijector for BatchNorm {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let (log_scale, log_det) = self.parts(&x);
        ((x - self.mean.per_channel()) * log_scale.exp() + self.beta.per_channel(), log_det)
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let (log_scale, log_det) = self.parts(&z);
        ((z - self.beta.per_channel()) * (-log_scale).exp() + self.mean.per_channel(), log_det)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::BatchNorm { channels: self.mean.len() })
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }

    fn initialize(&mut self, x: &Tensor<4>, context: Context<'_>) {
        if self.initialized.values()[0] == 0.0 {
            self.calibrate(x, context, 1.0);
        }
    }

    /// A batch whose moments are not finite, or a channel without spread, changes nothing.
    fn calibrate(&mut self, x: &Tensor<4>, _context: Context<'_>, momentum: f64) {
        if x.dims()[0] < 2 {
            return;
        }
        let momentum = if self.initialized.values()[0] == 0.0 { 1.0 } else { momentum };
        let (mean, variance) = channel_moments(x);
        if mean.iter().chain(&variance).any(|value| !value.is_finite()) || variance.iter().any(|&v| v <= 0.0) {
            return;
        }
        let blend = |old: Vec<f64>, new: Vec<f64>| -> Vec<f32> {
            old.iter().zip(&new).map(|(o, n)| ((1.0 - momentum) * o + momentum * n) as f32).collect()
        };
        let (mean, variance) = (blend(self.mean.values_f64(), mean), blend(self.variance.values_f64(), variance));
        self.mean.set_values(mean);
        self.variance.set_values(variance);
        self.initialized.set_values(vec![1.0]);
    }

    fn has_statistics(&self) -> bool {
        true
    }
}
