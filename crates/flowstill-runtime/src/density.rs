//! Give latents their density, and shape noise into latents: standard or learned normal, mixture, uniform.

use crate::architecture::BaseConfig;
use flowstill_kernels::elementwise::widest;
use std::f64::consts::PI;

/// The log-density, in nats, that stands for zero density: finite, so that no mean turns into NaN.
pub const OUTSIDE: f64 = -1e30;

/// Past this a square would overflow f32 where there are many dimensions; such a row's density is zero to any purpose.
const FAR: f32 = 1e15;

/// A base density over rows of latents; sums are taken in f64.
#[derive(Clone, Debug)]
pub struct Density {
    kind: Kind,
    dimensions: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    Standard,
    Normals(Vec<Normal>),
    Uniform { low: f64, high: f64 },
}

/// A diagonal normal of a mixture; alone, its weight is 1.
#[derive(Clone, Debug)]
struct Normal {
    mean: Vec<f32>,
    std: Vec<f32>,
    back: Vec<f32>,
    /// `log weight - sum(log std) - d/2 log(2 pi)`.
    constant: f64,
    /// Relative to the largest.
    weight: f64,
}

impl Density {
    /// A base over `dimensions` values. `mean` and `log_std` are `[components, dimensions]`, `logits` is `[components]`; empty where the base has none.
    ///
    /// # Panics
    /// If the lengths do not fit the base.
    pub fn new(base: &BaseConfig, dimensions: usize, mean: &[f32], log_std: &[f32], logits: &[f32]) -> Self {
        let count = match base {
            BaseConfig::StandardNormal => return Self { kind: Kind::Standard, dimensions },
            BaseConfig::Uniform { low, high } => {
                return Self { kind: Kind::Uniform { low: *low, high: *high }, dimensions };
            }
            BaseConfig::DiagonalNormal => 1,
            BaseConfig::Mixture { components } => *components,
        };
        assert_eq!([mean.len(), log_std.len()], [count * dimensions; 2], "means and scales of {count} normals");
        let alone = [0.0];
        let logits = if matches!(base, BaseConfig::Mixture { .. }) { logits } else { &alone };
        assert_eq!(logits.len(), count, "weights of {count} normals");
        let largest = logits.iter().fold(f64::NEG_INFINITY, |most, l| most.max(f64::from(*l)));
        let weights: Vec<f64> = logits.iter().map(|l| (f64::from(*l) - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let half = -0.5 * (2.0 * PI).ln() * dimensions as f64;
        let part = |index: usize| index * dimensions..(index + 1) * dimensions;
        let normals = (0..count).map(|index| {
            let logs = &log_std[part(index)];
            let log_weight = f64::from(logits[index]) - largest - total.ln();
            Normal {
                mean: mean[part(index)].to_vec(),
                std: logs.iter().map(|log| log.exp()).collect(),
                back: logs.iter().map(|log| (-log).exp()).collect(),
                constant: log_weight - logs.iter().map(|log| f64::from(*log)).sum::<f64>() + half,
                weight: weights[index],
            }
        });
        Self { kind: Kind::Normals(normals.collect()), dimensions }
    }

    /// Independent standard normals: what the halves that leave at a split meet.
    pub fn standard(dimensions: usize) -> Self {
        Self { kind: Kind::Standard, dimensions }
    }

    /// Log-density in nats of one row. Finite for every finite latent.
    pub fn log_prob(&self, row: &[f32]) -> f64 {
        let d = self.dimensions as f64;
        match &self.kind {
            Kind::Standard => -0.5 * squares(row) - 0.5 * (2.0 * PI).ln() * d,
            Kind::Normals(normals) => {
                let each = |normal: &Normal| -0.5 * scaled_squares(row, normal) + normal.constant;
                if let [alone] = &normals[..] {
                    return each(alone);
                }
                // The sum of exponentials relative to the largest so far.
                let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
                for log in normals.iter().map(each) {
                    if log.is_nan() {
                        return log;
                    }
                    if log > largest {
                        sum = sum * (largest - log).exp() + 1.0;
                        largest = log;
                    } else {
                        sum += (log - largest).exp();
                    }
                }
                largest + sum.ln()
            }
            Kind::Uniform { low, high } => {
                let inside = |z: &f32| !(*z < *low as f32 || *z > *high as f32);
                let outside = if row.iter().all(inside) { 0.0 } else { OUTSIDE };
                outside - d * (high - low).ln()
            }
        }
    }

    /// Turn standard normal values, `[rows, dimensions]`, with one uniform value per row, into latents; `temperature` multiplies the standard
    /// deviation (and does nothing to a uniform base).
    pub fn shape_noise(&self, noise: &mut [f32], uniform: &[f32], temperature: f64) {
        let temperature = temperature as f32;
        match &self.kind {
            Kind::Standard => widest(|| noise.iter_mut().for_each(|z| *z *= temperature)),
            Kind::Normals(normals) => {
                let total: f64 = normals.iter().map(|normal| normal.weight).sum();
                for (row, &u) in noise.chunks_exact_mut(self.dimensions.max(1)).zip(uniform) {
                    let normal = pick(normals, f64::from(u) * total);
                    for (z, (std, mean)) in row.iter_mut().zip(normal.std.iter().zip(&normal.mean)) {
                        *z = *z * temperature * std + mean;
                    }
                }
            }
            Kind::Uniform { low, high } => {
                // The normal distribution function turns the shared normal noise into uniform noise.
                let (width, low) = ((high - low) as f32, *low as f32);
                let root = std::f32::consts::FRAC_1_SQRT_2;
                noise.iter_mut().for_each(|z| *z = (libm::erff(*z * root) + 1.0) * 0.5 * width + low);
            }
        }
    }
}

/// The component at which the cumulative weights pass `left`.
fn pick(normals: &[Normal], mut left: f64) -> &Normal {
    let found = normals.iter().find(|normal| {
        left -= normal.weight;
        left < 0.0
    });
    found.unwrap_or(&normals[normals.len() - 1])
}

/// Sums that the machine takes side by side.
const SUMS: usize = 8;

fn squares(row: &[f32]) -> f64 {
    let mut sums = [0.0_f64; SUMS];
    widest(|| {
        let mut each = row.chunks_exact(SUMS);
        for values in each.by_ref() {
            for i in 0..SUMS {
                let z = f64::from(values[i].clamp(-FAR, FAR));
                sums[i] += z * z;
            }
        }
        for (sum, z) in sums.iter_mut().zip(each.remainder()) {
            let z = f64::from(z.clamp(-FAR, FAR));
            *sum += z * z;
        }
    });
    sums.iter().sum()
}

fn scaled_squares(row: &[f32], normal: &Normal) -> f64 {
    let mut sums = [0.0_f64; SUMS];
    widest(|| {
        let parts = row.chunks(SUMS).zip(normal.mean.chunks(SUMS)).zip(normal.back.chunks(SUMS));
        for ((row, mean), back) in parts {
            for (((sum, z), mean), back) in sums.iter_mut().zip(row).zip(mean).zip(back) {
                let z = f64::from(((z.clamp(-FAR, FAR) - mean) * back).clamp(-FAR, FAR));
                *sum += z * z;
            }
        }
    });
    sums.iter().sum()
}
