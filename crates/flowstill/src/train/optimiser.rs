//! Move all parameters, as one vector, against their gradient.

use super::config::{OptimiserConfig, OptimiserKind};
use crate::ops::host::{Host, from_host};
use crate::to_f64;
use burn::tensor::{Device, Tensor};
use flowstill_kernels::optimiser::{self, Kind, Rule};

/// Adam, AdamW or Adamax over one flat vector.
#[derive(Clone, Debug)]
pub struct Optimiser {
    config: OptimiserConfig,
    moments: Moments,
    /// Updates made, skipped steps not counted.
    pub(super) updates: u64,
}

/// First moment; second moment, or the infinity norm.
#[derive(Clone, Debug)]
enum Moments {
    /// Where the kernel works in place.
    Host(Vec<f32>, Vec<f32>),
    /// On any device.
    Tensors(Box<[Tensor<1>; 2]>),
}

/// What an update gives.
pub(super) struct Updated {
    pub(super) weights: Tensor<1>,
    pub(super) ema: Option<Tensor<1>>,
}

impl Optimiser {
    /// Moments of zero for `length` parameters.
    pub fn new(config: &OptimiserConfig, length: usize, device: &Device) -> Self {
        let zeros = Tensor::zeros([length], device);
        Self { config: config.clone(), moments: Moments::Tensors(Box::new([zeros.clone(), zeros])), updates: 0 }
    }

    /// The moments, for a checkpoint.
    pub(super) fn moments(&self) -> [Tensor<1>; 2] {
        match &self.moments {
            Moments::Host(first, second) => [first, second].map(|values| from_host(values.clone(), [values.len()])),
            Moments::Tensors(both) => (**both).clone(),
        }
    }

    /// Go on from a checkpoint.
    pub(super) fn set_moments(&mut self, first: Tensor<1>, second: Tensor<1>) {
        self.moments = Moments::Tensors(Box::new([first, second]));
    }

    /// The weights after one update at `fraction` of the peak rate, the gradient multiplied by `scale` first; and their running average,
    /// `ema` being the last one and its decay.
    pub(super) fn update(
        &mut self,
        weights: Tensor<1>,
        gradient: Tensor<1>,
        scale: f64,
        fraction: f64,
        ema: Option<(Tensor<1>, f64)>,
    ) -> Updated {
        self.updates += 1;
        match self.on_host(&weights, &gradient, &ema) {
            true => self.update_on_host(weights, gradient, scale, fraction, ema),
            false => {
                let gradient = if scale == 1.0 { gradient } else { gradient * scale };
                let weights = self.update_plain(weights, gradient, fraction);
                let ema = ema.map(|(ema, decay)| ema * decay + weights.clone() * (1.0 - decay));
                Updated { weights, ema }
            }
        }
    }

    fn corrections(&self) -> [f64; 2] {
        let updates = self.updates.min(1 << 30) as i32;
        [self.config.beta1, self.config.beta2].map(|beta| 1.0 - beta.powi(updates))
    }

    /// Whether all numbers are f32 on the CPU.
    fn on_host(&self, weights: &Tensor<1>, gradient: &Tensor<1>, ema: &Option<(Tensor<1>, f64)>) -> bool {
        let here = |tensor: &Tensor<1>| Host::read(tensor.clone()).is_some();
        let moments = match &self.moments {
            Moments::Host(..) => true,
            Moments::Tensors(both) => both.iter().all(here),
        };
        moments && here(weights) && here(gradient) && ema.as_ref().is_none_or(|(ema, _)| here(ema))
    }

    /// By the kernel, in one pass; what nobody else holds is changed where it lies.
    fn update_on_host(
        &mut self,
        weights: Tensor<1>,
        gradient: Tensor<1>,
        scale: f64,
        fraction: f64,
        ema: Option<(Tensor<1>, f64)>,
    ) -> Updated {
        let read = |tensor: Tensor<1>| Host::read(tensor).expect("checked to be here");
        let before = read(weights);
        let mut weights = read(gradient).into_values();
        let mut average = ema.map(|(ema, decay)| (read(ema).into_values(), decay as f32));
        if let Moments::Tensors(both) = &self.moments {
            let [first, second] = (**both).clone().map(|moment| read(moment).into_values());
            self.moments = Moments::Host(first, second);
        }
        let [correction1, correction2] = self.corrections();
        let OptimiserConfig { kind, rate, beta1, beta2, epsilon, weight_decay } = self.config;
        let rule = Rule {
            kind: match kind {
                OptimiserKind::Adam => Kind::Adam,
                OptimiserKind::Adamw => Kind::AdamW,
                OptimiserKind::Adamax => Kind::Adamax,
            },
            rate: rate * fraction,
            beta1,
            beta2,
            epsilon,
            weight_decay,
            correction1,
            correction2,
            gradient_scale: scale,
        };
        let into = average.as_mut().map(|(values, decay)| (values.as_mut_slice(), *decay));
        let length = weights.len();
        if let Moments::Host(first, second) = &mut self.moments {
            optimiser::update(&rule, before.values(), &mut weights, first, second, into);
        }
        let ema = average.map(|(values, _)| from_host(values, [length]));
        Updated { weights: from_host(weights, [length]), ema }
    }

    /// As tensor operations, for any device: the twin that the kernel is held to.
    fn update_plain(&mut self, weights: Tensor<1>, gradient: Tensor<1>, fraction: f64) -> Tensor<1> {
        let OptimiserConfig { kind, rate, beta1, beta2, epsilon, weight_decay } = self.config;
        let rate = rate * fraction;
        let gradient = match kind {
            OptimiserKind::Adamw => gradient,
            _ if weight_decay == 0.0 => gradient,
            _ => gradient + weights.clone() * weight_decay,
        };
        let weights = match kind {
            OptimiserKind::Adamw if weight_decay > 0.0 => weights * (1.0 - rate * weight_decay),
            _ => weights,
        };
        let [correction1, correction2] = self.corrections();
        let [first, second] = self.moments();
        let first = first * beta1 + gradient.clone() * (1.0 - beta1);
        let (second, step) = match kind {
            OptimiserKind::Adamax => {
                let second = (second * beta2).max_pair(gradient.abs() + epsilon);
                (second.clone(), first.clone() / second * (rate / correction1))
            }
            OptimiserKind::Adam | OptimiserKind::Adamw => {
                let second = second * beta2 + gradient.square() * (1.0 - beta2);
                let scale = (second.clone() / correction2).sqrt() + epsilon;
                (second, first.clone() / scale * (rate / correction1))
            }
        };
        self.moments = Moments::Tensors(Box::new([first, second]));
        weights - step
    }
}

/// The length of a gradient.
pub(super) fn norm(gradient: &Tensor<1>) -> f64 {
    match Host::read(gradient.clone()) {
        Some(values) => optimiser::square_norm(values.values()).sqrt(),
        None => to_f64(gradient.clone().square().sum())[0].sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use burn::tensor::DType;

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
            for plain in [false, true] {
                let device = Device::default();
                let mut optimiser = Optimiser::new(&config, 1, &device);
                let mut w = Tensor::<1>::from_floats([1.0], &device);
                for g in gradients {
                    let g = Tensor::from_floats([g], &device);
                    w = match plain {
                        true => {
                            optimiser.updates += 1;
                            optimiser.update_plain(w, g, 1.0)
                        }
                        false => optimiser.update(w, g, 1.0, 1.0, None).weights,
                    };
                }
                let (got, want) = (to_f64(w)[0], super::tests::plain(&config, &gradients));
                assert!((got - want).abs() < 1e-5, "{kind:?}: {got} is not {want}");
            }
        }
    }

    #[test]
    fn the_kernel_and_the_tensors_go_the_same_way() {
        let device = Device::default();
        let values = |seed: u64| random::normals(10_000, &mut random::stream(seed, "optimiser", 0));
        for kind in [OptimiserKind::Adam, OptimiserKind::Adamw, OptimiserKind::Adamax] {
            let config = OptimiserConfig { kind, rate: 0.05, weight_decay: 0.1, ..OptimiserConfig::default() };
            let run = |dtype: DType| {
                let tensor = |seed| Tensor::<1>::from_floats(values(seed).as_slice(), &device).cast(dtype);
                let mut optimiser = Optimiser::new(&config, 10_000, &device);
                optimiser.set_moments(tensor(0) * 0.0, tensor(0) * 0.0);
                let (mut w, mut ema) = (tensor(1), tensor(1));
                for step in 0..5 {
                    let updated = optimiser.update(w, tensor(2 + step), 0.7, 0.9, Some((ema, 0.9)));
                    (w, ema) = (updated.weights, updated.ema.expect("was given"));
                }
                let [first, second] = optimiser.moments();
                [w, ema, first, second].map(to_f64)
            };
            // In f64 there is no kernel.
            for (ours, plain) in run(DType::F32).iter().zip(&run(DType::F64)) {
                for (a, b) in ours.iter().zip(plain) {
                    assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{kind:?}: {a} and {b}");
                }
            }
        }
    }
}
