//! Map the bytes of a picture, with noise that makes them continuous, to the values that a flow models, and back.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

pub use crate::dequantizer::VariationalConfig;
pub use crate::probit::normal_of_uniform;

/// The values that a flow sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Range {
    /// `t - 1/2`, from -1/2 to 1/2 (Glow).
    #[default]
    Centred,
    /// `logit(alpha + (1 - 2 alpha) t)`, the whole line (RealNVP; MAF on pictures).
    Logit {
        /// How far the ends stay away from 0 and 1; 0.05 in RealNVP.
        alpha: f64,
    },
}

/// `t = (v + u) / 2^bits` of a pixel value `v` and noise `u` in [0, 1), then [`Range`].
#[doc(alias = "UniformDequantization")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PictureScaling {
    /// Bits per value, 1 to 8; pixel values run from 0 to `2^bits - 1`. Default 8.
    pub bits: u32,
    /// Default centred.
    pub range: Range,
}

impl Default for PictureScaling {
    fn default() -> Self {
        Self { bits: 8, range: Range::Centred }
    }
}

impl PictureScaling {
    /// Check every range.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting.
    pub fn check(&self) -> Result<()> {
        if !(1..=8).contains(&self.bits) {
            return Err(Error::config("scaling.bits", format!("{} bits", self.bits), "use 1 to 8"));
        }
        match self.range {
            Range::Logit { alpha } if !(1e-6..0.5).contains(&alpha) => Err(Error::config(
                "scaling.range.alpha",
                format!("{alpha} is out of range"),
                "use 0.000001 to below 0.5; RealNVP has 0.05",
            )),
            _ => Ok(()),
        }
    }

    /// The number of values a pixel may have.
    pub fn values(&self) -> f64 {
        2.0_f64.powi(self.bits as i32)
    }

    /// Pixel values and noise in [0, 1) to what the flow sees, one for one, and the sum of `log |dx/dv|` over them, in nats.
    pub fn forward(&self, pixels: &[u8], noise: &[f32], out: &mut Vec<f32>) -> f64 {
        let step = 1.0 / self.values();
        let fine = f64::from(f32::EPSILON);
        let constant = -self.values().ln() * pixels.len() as f64;
        let t = pixels.iter().zip(noise).map(|(&v, &u)| ((f64::from(v) + f64::from(u)) * step).min(1.0 - fine));
        match self.range {
            Range::Centred => {
                out.extend(t.map(|t| (t - 0.5) as f32));
                constant
            }
            Range::Logit { alpha } => {
                let mut sum = constant;
                out.extend(t.map(|t| {
                    let p = alpha + (1.0 - 2.0 * alpha) * t;
                    sum += (1.0 - 2.0 * alpha).ln() - p.ln() - (1.0 - p).ln();
                    (p.ln() - (1.0 - p).ln()) as f32
                }));
                sum
            }
        }
    }

    /// What a flow made, to pixel values: the noise is cut off, values outside go to the nearest end.
    pub fn inverse(&self, x: f32) -> u8 {
        let t = match self.range {
            Range::Centred => f64::from(x) + 0.5,
            Range::Logit { alpha } => (1.0 / (1.0 + (-f64::from(x)).exp()) - alpha) / (1.0 - 2.0 * alpha),
        };
        (t * self.values()).floor().clamp(0.0, self.values() - 1.0) as u8
    }

    /// A pixel value as the byte that shows it: 0 black, 255 white, whatever the number of bits.
    pub fn shown(&self, value: u8) -> u8 {
        (f64::from(value) * 255.0 / (self.values() - 1.0)).round() as u8
    }
}

/// Pictures handled at once: about half a million values.
pub fn chunk_of(dimensions: usize) -> usize {
    ((1 << 19) / dimensions.max(1)).clamp(1, 8192)
}

/// The uniform noise of one picture of a set, by the seed of the draw and the picture's place alone.
pub fn picture_noise(draw: u64, picture: u64, noise: &mut [f32]) {
    let mut rng = crate::random::stream(draw, "dequantization of a picture", picture);
    crate::random::fill_uniforms(noise, &mut rng);
}

/// `log mean exp`, without overflow.
pub fn log_mean_exp(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() || logs.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    (logs.iter().map(|v| (v - largest).exp()).sum::<f64>() / logs.len() as f64).ln() + largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_value_comes_back_and_slopes_are_derivatives() {
        for range in [Range::Centred, Range::Logit { alpha: 0.05 }, Range::Logit { alpha: 1e-5 }] {
            for bits in 1..=8 {
                let scaling = PictureScaling { bits, range };
                scaling.check().unwrap();
                let pixels: Vec<u8> = (0..=(scaling.values() - 1.0) as u8).collect();
                for u in [0.0, 0.3, 0.97, 0.999_999_9] {
                    let mut x = Vec::new();
                    scaling.forward(&pixels, &vec![u; pixels.len()], &mut x);
                    let back: Vec<u8> = x.iter().map(|&x| scaling.inverse(x)).collect();
                    // At the edge of a cell the rounding of f32 may reach the next value, never more.
                    assert!(
                        back.iter()
                            .zip(&pixels)
                            .all(|(b, p)| b == p || !(0.02..0.98).contains(&u) && b.abs_diff(*p) <= 1),
                        "{scaling:?}"
                    );
                }
                let value = |u: f32| {
                    let mut x = Vec::new();
                    let slope = scaling.forward(&pixels[..1], &[u], &mut x);
                    (f64::from(x[0]), slope)
                };
                let ((low, _), (high, _), (_, slope)) = (value(0.49), value(0.51), value(0.5));
                assert!(((high - low) / 0.02 / slope.exp() - 1.0).abs() < 0.02, "{scaling:?}");
            }
        }
    }

    #[test]
    fn senseless_settings_are_refused() {
        let with = |bits, alpha| PictureScaling { bits, range: Range::Logit { alpha } }.check().is_err();
        assert!(with(0, 0.05) && with(9, 0.05) && with(8, 0.0) && with(8, 0.5) && with(8, f64::NAN));
    }

    #[test]
    fn shown_values_reach_white() {
        let scaling = PictureScaling { bits: 5, range: Range::Centred };
        assert_eq!((scaling.shown(0), scaling.shown(31)), (0, 255));
    }
}
