//! Shift and scale every channel, with values set once from data (ActNorm) or left to training (Affine).

use super::{Bijector, BijectorConfig, Context};
use crate::param::Param;
use crate::shape::{channel_moments, expand_to_batch};
use burn::tensor::{Device, Tensor};

/// `z = (x + shift) * exp(log_scale)` per channel, `log_det = height * width * sum(log_scale)`.
///
/// Source: Glow (Kingma and Dhariwal 2018), section 3.1.
#[derive(Clone, Debug)]
pub struct ActNorm {
    shift: Param,
    log_scale: Param,
    /// 1 once [`ActNorm::initialize`](Bijector::initialize) has run; saved, so that a loaded layer never initialises again.
    initialized: Param,
}

crate::parameters!(ActNorm { shift, log_scale, initialized });

impl ActNorm {
    /// The identity over `channels` channels, waiting for its first batch.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            shift: Param::zeros(&[channels], device),
            log_scale: Param::zeros(&[channels], device),
            initialized: Param::buffer(vec![0.0], &[1], device),
        }
    }

    /// Whether the data-dependent initialisation has happened.
    pub fn is_initialized(&self) -> bool {
        self.initialized.values()[0] != 0.0
    }
}

fn affine_forward(x: Tensor<4>, shift: &Param, log_scale: &Param) -> (Tensor<4>, Tensor<1>) {
    let log_det = affine_log_det(&x, log_scale);
    ((x + shift.per_channel()) * log_scale.per_channel().exp(), log_det)
}

fn affine_inverse(z: Tensor<4>, shift: &Param, log_scale: &Param) -> (Tensor<4>, Tensor<1>) {
    let log_det = affine_log_det(&z, log_scale);
    (z * (-log_scale.per_channel()).exp() - shift.per_channel(), log_det)
}

fn affine_log_det(like: &Tensor<4>, log_scale: &Param) -> Tensor<1> {
    let [_, h, w, _] = like.dims();
    expand_to_batch(log_scale.flat().clone().sum() * (h * w) as f64, like)
}

impl Bijector for ActNorm {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        affine_forward(x, &self.shift, &self.log_scale)
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        affine_inverse(z, &self.shift, &self.log_scale)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::ActNorm { channels: self.shift.len() })
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }

    /// Zero mean and unit variance on this batch. A channel without spread, or a batch with non-finite values, keeps the identity.
    fn initialize(&mut self, x: &Tensor<4>, _context: Context<'_>) {
        if self.is_initialized() || x.dims()[0] == 0 {
            return;
        }
        let (mean, variance) = channel_moments(x);
        let usable = |m: f64, v: f64| m.is_finite() && v.is_finite() && v > 1e-12;
        let pairs: Vec<(f64, f64)> = mean.into_iter().zip(variance).collect();
        let shift = pairs.iter().map(|&(m, v)| if usable(m, v) { -m as f32 } else { 0.0 });
        self.shift.set_values(shift.collect());
        let log_scale = pairs.iter().map(|&(m, v)| if usable(m, v) { (-0.5 * v.ln()) as f32 } else { 0.0 });
        self.log_scale.set_values(log_scale.collect());
        self.initialized.set_values(vec![1.0]);
    }
}

/// The same map as [`ActNorm`], learned from the start: it never looks at data.
#[derive(Clone, Debug)]
pub struct Affine {
    shift: Param,
    log_scale: Param,
}

crate::parameters!(Affine { shift, log_scale });

impl Affine {
    /// The identity over `channels` channels.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self { shift: Param::zeros(&[channels], device), log_scale: Param::zeros(&[channels], device) }
    }
}

impl Bijector for Affine {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        affine_forward(x, &self.shift, &self.log_scale)
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        affine_inverse(z, &self.shift, &self.log_scale)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Affine { channels: self.shift.len() })
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }
}
