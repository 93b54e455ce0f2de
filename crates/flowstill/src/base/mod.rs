//! Give latents their density: standard or learned normal, mixture of Gaussians, uniform.

mod host;

use crate::Result;
use crate::param::Param;
use crate::random::{normals, uniforms};
use crate::shape::sum_event;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use flowstill_runtime::density::Density;
use rand::RngCore;
use std::f64::consts::PI;

pub use flowstill_runtime::architecture::BaseConfig;
pub use flowstill_runtime::density::OUTSIDE;

/// The noise of a batch before any base has shaped it: what a teacher and its student share.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Standard normal, `[batch, height, width, channels]` for every level of the flow, data side first.
    pub normal: Vec<Tensor<4>>,
    /// Uniform in [0, 1), one per sample: chooses the component of a mixture.
    pub uniform: Vec<f32>,
}

impl Noise {
    /// Draw for `batch` samples whose latents have these shapes (height, width, channels), one per level.
    pub fn draw(batch: usize, shapes: &[[usize; 3]], rng: &mut impl RngCore, device: &Device) -> Self {
        let mut level = |&[h, w, c]: &[usize; 3]| {
            let values = normals(batch * h * w * c, rng);
            Tensor::from_data(TensorData::new(values, [batch, h, w, c]), device)
        };
        let normal = shapes.iter().map(&mut level).collect();
        Self { normal, uniform: uniforms(batch, rng) }
    }

    /// The number of samples.
    pub fn batch(&self) -> usize {
        self.uniform.len()
    }

    /// The same noise with every normal value multiplied.
    pub fn scaled(mut self, factor: f64) -> Self {
        if factor != 1.0 {
            self.normal = self.normal.into_iter().map(|level| level * factor).collect();
        }
        self
    }
}

/// A base density over `[batch, height, width, channels]`, the last level of a flow; the levels before it meet the standard normal.
#[doc(alias = "prior")]
#[doc(alias = "q0")]
#[derive(Clone, Debug)]
pub struct Base {
    config: BaseConfig,
    mean: Option<Param>,
    log_std: Option<Param>,
    logits: Option<Param>,
}

crate::parameters!(Base { mean, log_std, logits });

impl Base {
    /// A base for samples of shape `event`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a mixture without components or an empty interval.
    pub fn new(config: &BaseConfig, event: [usize; 3], rng: &mut impl RngCore, device: &Device) -> Result<Self> {
        config.check()?;
        let dimensions: usize = event.iter().product();
        let mut base = Self { config: config.clone(), mean: None, log_std: None, logits: None };
        match *config {
            BaseConfig::StandardNormal | BaseConfig::Uniform { .. } => {}
            BaseConfig::DiagonalNormal => {
                base.mean = Some(Param::zeros(&[1, dimensions], device));
                base.log_std = Some(Param::zeros(&[1, dimensions], device));
            }
            BaseConfig::Mixture { components } => {
                // Means apart from the start: equal components would receive equal gradients for ever.
                base.mean = Some(Param::new(normals(components * dimensions, rng), &[components, dimensions], device));
                base.log_std = Some(Param::zeros(&[components, dimensions], device));
                base.logits = Some(Param::zeros(&[components], device));
            }
        }
        Ok(base)
    }

    /// The configuration.
    pub fn config(&self) -> &BaseConfig {
        &self.config
    }

    /// The same density of plain numbers, over latents of so many values.
    pub(crate) fn density(&self, dimensions: usize) -> Density {
        let read = |param: &Option<Param>| param.as_ref().map(Param::values).unwrap_or_default();
        Density::new(&self.config, dimensions, &read(&self.mean), &read(&self.log_std), &read(&self.logits))
    }

    /// Log-density of standard normals in nats, `[batch]`: what the halves that leave at a split meet.
    pub fn standard_log_prob(z: &Tensor<4>) -> Tensor<1> {
        if let Some(done) = host::log_prob(z, |dimensions| Some(Density::standard(dimensions))) {
            return done;
        }
        let [b, h, w, c] = z.dims();
        let d = h * w * c;
        let constant = -0.5 * (2.0 * PI).ln();
        (z.clone().clamp(-1e15, 1e15).reshape([b, d]).square() * -0.5).sum_dim(1).reshape([b]) + constant * d as f64
    }

    /// Log-density in nats, `[batch]`. Finite for every finite latent.
    pub fn log_prob(&self, z: &Tensor<4>) -> Tensor<1> {
        if let Some(done) = host::log_prob(z, |dimensions| host::density(self, dimensions)) {
            return done;
        }
        let [b, h, w, c] = z.dims();
        let d = h * w * c;
        let constant = -0.5 * (2.0 * PI).ln();
        // Past 1e15 a square would overflow f32 where D is large; such a row's density is zero to any purpose.
        let bounded = || z.clone().clamp(-1e15, 1e15).reshape([b, d]);
        match self.config {
            BaseConfig::StandardNormal => Self::standard_log_prob(z),
            BaseConfig::DiagonalNormal | BaseConfig::Mixture { .. } => {
                let (mean, log_std) = self.normal_params();
                let k = mean.dims()[0];
                let apart = bounded().reshape([b, 1, d]) - mean.reshape([1, k, d]);
                let scaled = apart * (-log_std.clone()).exp().reshape([1, k, d]);
                let each = (scaled.clamp(-1e15, 1e15).square() * -0.5).sum_dim(2).reshape([b, k])
                    - log_std.sum_dim(1).reshape([1, k])
                    + constant * d as f64;
                match &self.logits {
                    None => each.reshape([b]),
                    Some(logits) => {
                        let weighted = each + log_softmax(logits.flat().clone()).reshape([1, k]);
                        let largest = weighted.clone().max_dim(1).detach();
                        ((weighted - largest.clone()).exp().sum_dim(1).log() + largest).reshape([b])
                    }
                }
            }
            BaseConfig::Uniform { low, high } => {
                let outside = sum_event(
                    (z.clone().lower_elem(low).float() + z.clone().greater_elem(high).float()).cast(z.dtype()),
                );
                outside.clamp(0.0, 1.0) * OUTSIDE - d as f64 * (high - low).ln()
            }
        }
    }

    /// Shape standard normal values and one uniform value per sample into latents; `temperature` multiplies the standard deviation (and does
    /// nothing to a uniform base).
    pub fn shape_noise(&self, normal: &Tensor<4>, uniform: &[f32], temperature: f64) -> Tensor<4> {
        if let Some(done) = host::shape_noise(self, normal, uniform, temperature) {
            return done;
        }
        let dims = normal.dims();
        let [b, h, w, c] = dims;
        let eps = normal.clone() * temperature;
        match self.config {
            BaseConfig::StandardNormal => eps,
            BaseConfig::DiagonalNormal | BaseConfig::Mixture { .. } => {
                let (mean, log_std) = self.normal_params();
                let component = self.components(uniform);
                let count = component.len();
                let device = normal.device().without_autodiff();
                let component = Tensor::<1, Int>::from_data(TensorData::new(component, [count]), &device);
                let mean = mean.select(0, component.clone());
                let std = log_std.select(0, component).exp();
                (eps.reshape([b, h * w * c]) * std + mean).reshape(dims)
            }
            BaseConfig::Uniform { low, high } => {
                // The normal distribution function turns the shared normal noise into uniform noise.
                let cdf = ((normal.clone() / 2.0_f64.sqrt()).erf() + 1.0) * 0.5;
                cdf * (high - low) + low
            }
        }
    }

    fn normal_params(&self) -> (Tensor<2>, Tensor<2>) {
        let mean = self.mean.as_ref().expect("normal bases have a mean");
        let log_std = self.log_std.as_ref().expect("normal bases have a scale");
        (mean.tensor(), log_std.tensor())
    }

    /// The component of each sample, by inverting the cumulative weights.
    fn components(&self, uniform: &[f32]) -> Vec<i64> {
        let Some(logits) = &self.logits else { return vec![0; uniform.len()] };
        let logits = logits.values_f64();
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logits.iter().map(|l| (l - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let pick = |u: f32| {
            let mut left = f64::from(u) * total;
            let found = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            found.unwrap_or(weights.len() - 1) as i64
        };
        uniform.iter().map(|&u| pick(u)).collect()
    }
}

fn log_softmax(logits: Tensor<1>) -> Tensor<1> {
    let largest = logits.clone().max().detach();
    let shifted = logits - largest;
    shifted.clone() - shifted.exp().sum().log()
}

/// A tensor of one number type, for tests that run a base in f64.
#[doc(hidden)]
pub fn cast_noise(noise: &Noise, dtype: DType) -> Noise {
    Noise {
        normal: noise.normal.iter().map(|level| level.clone().cast(dtype)).collect(),
        uniform: noise.uniform.clone(),
    }
}
