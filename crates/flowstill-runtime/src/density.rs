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

    /// The gradient of the log-density of one row; 0 where a latent is so far out that its square counts no further, and under a uniform base.
    pub fn gradient(&self, row: &[f32], out: &mut [f32]) {
        let near = |z: f32| z.abs() <= FAR;
        match &self.kind {
            Kind::Standard => out.iter_mut().zip(row).for_each(|(g, z)| *g = if near(*z) { -z } else { 0.0 }),
            Kind::Uniform { .. } => out.fill(0.0),
            Kind::Normals(normals) => {
                let logs: Vec<f64> =
                    normals.iter().map(|normal| normal.constant - 0.5 * scaled_squares(row, normal)).collect();
                let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
                out.fill(0.0);
                for (normal, log) in normals.iter().zip(&logs) {
                    // How much of the row's density is this normal's.
                    let share = ((log - largest).exp() / total) as f32;
                    for ((g, z), (mean, back)) in out.iter_mut().zip(row).zip(normal.mean.iter().zip(&normal.back)) {
                        let scaled = (z - mean) * back;
                        if near(*z) && near(scaled) {
                            *g -= share * scaled * back;
                        }
                    }
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_slopes() {
        let (mean, log_std) = ([0.3, -1.0, 2.0, 0.5], [0.2, -0.4, 0.1, 0.7]);
        let mixture = Density::new(&BaseConfig::Mixture { components: 2 }, 2, &mean, &log_std, &[0.4, -0.3]);
        let normal = Density::new(&BaseConfig::DiagonalNormal, 2, &mean[..2], &log_std[..2], &[]);
        let uniform = Density::new(&BaseConfig::Uniform { low: -3.0, high: 3.0 }, 2, &[], &[], &[]);
        for density in [mixture, normal, uniform, Density::standard(2)] {
            for row in [[0.5_f32, -0.7], [1.4, 0.9], [-2.0, 2.5]] {
                let mut gradient = [0.0; 2];
                density.gradient(&row, &mut gradient);
                for (at, got) in gradient.into_iter().enumerate() {
                    let step = 1.0 / 256.0;
                    let at_step = |by: f32| {
                        let mut row = row;
                        row[at] += by;
                        density.log_prob(&row)
                    };
                    let slope = (at_step(step) - at_step(-step)) / (2.0 * f64::from(step));
                    assert!(
                        (slope - f64::from(got)).abs() < 1e-3 * (1.0 + slope.abs()),
                        "{density:?} {row:?} {slope} {got}"
                    );
                }
            }
        }
        let mut far = [1.0; 1];
        Density::standard(1).gradient(&[1e30], &mut far);
        assert_eq!(far, [0.0]);
    }
}
