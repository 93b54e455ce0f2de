//! Move all parameters, as one vector, against their gradient.

use super::config::{OptimiserConfig, OptimiserKind};
use burn::tensor::{Device, Tensor};

/// Adam, AdamW or Adamax over one flat vector.
#[derive(Clone, Debug)]
pub struct Optimiser {
    config: OptimiserConfig,
    /// First moment.
    pub(super) first: Tensor<1>,
    /// Second moment, or the infinity norm.
    pub(super) second: Tensor<1>,
    /// Updates made, skipped steps not counted.
    pub(super) updates: u64,
}

impl Optimiser {
    /// Moments of zero for `length` parameters.
    pub fn new(config: &OptimiserConfig, length: usize, device: &Device) -> Self {
        let zeros = Tensor::zeros([length], device);
        Self { config: config.clone(), first: zeros.clone(), second: zeros, updates: 0 }
    }

    /// The weights after one update at `fraction` of the peak rate.
    pub fn update(&mut self, weights: Tensor<1>, gradient: Tensor<1>, fraction: f64) -> Tensor<1> {
        let OptimiserConfig { kind, rate, beta1, beta2, epsilon, weight_decay } = self.config;
        let rate = rate * fraction;
        self.updates += 1;
        let gradient = match kind {
            OptimiserKind::Adamw => gradient,
            _ if weight_decay == 0.0 => gradient,
            _ => gradient + weights.clone() * weight_decay,
        };
        let weights = match kind {
            OptimiserKind::Adamw if weight_decay > 0.0 => weights * (1.0 - rate * weight_decay),
            _ => weights,
        };
        let correction1 = 1.0 - beta1.powi(self.updates.min(1 << 30) as i32);
        let correction2 = 1.0 - beta2.powi(self.updates.min(1 << 30) as i32);
        self.first = self.first.clone() * beta1 + gradient.clone() * (1.0 - beta1);
        let step = match kind {
            OptimiserKind::Adamax => {
                self.second = (self.second.clone() * beta2).max_pair(gradient.abs() + epsilon);
                self.first.clone() / self.second.clone() * (rate / correction1)
            }
            OptimiserKind::Adam | OptimiserKind::Adamw => {
                self.second = self.second.clone() * beta2 + gradient.square() * (1.0 - beta2);
                let scale = (self.second.clone() / correction2).sqrt() + epsilon;
                self.first.clone() / scale * (rate / correction1)
            }
        };
        weights - step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::to_f64;

    /// The recursions of Kingma and Ba written out for one scalar.
    fn plain(config: &OptimiserConfig, gradients: &[f64]) -> f64 {
        let (mut w, mut m, mut v) = (1.0, 0.0, 0.0_f64);
        for (t, &g) in gradients.iter().enumerate() {
            let t = t as i32 + 1;
            let g = if config.kind == OptimiserKind::Adamw { g } else { g + config.weight_decay * w };
            if config.kind == OptimiserKind::Adamw {
                w -= config.rate * config.weight_decay * w;
            }
            m = config.beta1 * m + (1.0 - config.beta1) * g;
            let m_hat = m / (1.0 - config.beta1.powi(t));
            if config.kind == OptimiserKind::Adamax {
                v = (config.beta2 * v).max(g.abs() + config.epsilon);
                w -= config.rate * m_hat / v;
            } else {
                v = config.beta2 * v + (1.0 - config.beta2) * g * g;
                w -= config.rate * m_hat / ((v / (1.0 - config.beta2.powi(t))).sqrt() + config.epsilon);
            }
        }
        w
    }

    #[test]
    fn every_rule_follows_its_scalar_recursion() {
        let gradients = [0.5, -0.25, 3.0, 1e-3, -2.0, 0.7];
        for kind in [OptimiserKind::Adam, OptimiserKind::Adamw, OptimiserKind::Adamax] {
            let config = OptimiserConfig { kind, rate: 0.05, weight_decay: 0.1, ..OptimiserConfig::default() };
            let device = Device::default();
            let mut optimiser = Optimiser::new(&config, 1, &device);
            let mut w = Tensor::<1>::from_floats([1.0], &device);
            for g in gradients {
                w = optimiser.update(w, Tensor::from_floats([g], &device), 1.0);
            }
            let (got, want) = (to_f64(w)[0], plain(&config, &gradients));
            assert!((got - want).abs() < 1e-5, "{kind:?}: {got} is not {want}");
        }
    }
}
