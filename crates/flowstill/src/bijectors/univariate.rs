//! Map single values by a monotone function whose parameters a conditioner supplies: affine, additive, spline.

use crate::Error;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};
use serde::{Deserialize, Serialize};

/// How a raw network output becomes the logarithm of a scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScaleMap {
    /// `log_scale = bound * tanh(raw / bound)`: bounded on both sides, so neither direction can blow up. The default, with bound 2.
    Tanh {
        /// The largest |log_scale|.
        bound: f64,
    },
    /// `log_scale = raw / (1 + |raw / bound|)`: bounded on both sides, with heavier shoulders (zuko's form).
    Softsign {
        /// The limit of |log_scale|.
        bound: f64,
    },
    /// `scale = sigmoid(raw + 2) + floor`: the form of RealNVP's and Glow's code (floor 0) and of nflows (floor 0.001). With floor 0 the
    /// scale may vanish, and the inverse, which divides by it, blow up.
    Sigmoid {
        /// Added to the sigmoid.
        floor: f64,
    },
    /// `log_scale = raw`: the MAF paper's form, unbounded.
    Exp,
}

impl Default for ScaleMap {
    fn default() -> Self {
        ScaleMap::Tanh { bound: 2.0 }
    }
}

impl ScaleMap {
    /// The logarithm of the scale.
    pub fn log_scale(&self, raw: Tensor<2>) -> Tensor<2> {
        // Products with 1 / bound, because the gradient of Burn 0.22's quotient by a number is rounded to f32 even in f64.
        match *self {
            ScaleMap::Tanh { bound } => (raw * bound.recip()).tanh() * bound,
            ScaleMap::Softsign { bound } => raw.clone() / ((raw * bound.recip()).abs() + 1.0),
            ScaleMap::Sigmoid { floor: 0.0 } => log_sigmoid(raw + 2.0),
            ScaleMap::Sigmoid { floor } => (sigmoid(raw + 2.0) + floor).log(),
            ScaleMap::Exp => raw,
        }
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        match *self {
            ScaleMap::Tanh { bound } | ScaleMap::Softsign { bound } if !(bound > 0.0 && bound <= 30.0) => {
                Err(Error::config(
                    format!("{name}.bound"),
                    format!("{bound} is out of range"),
                    "use 0 < bound <= 30; 2 is the default",
                ))
            }
            ScaleMap::Sigmoid { floor } if !(0.0..=1.0).contains(&floor) => {
                Err(Error::config(format!("{name}.floor"), format!("{floor} is out of range"), "use 0 <= floor <= 1"))
            }
            _ => Ok(()),
        }
    }
}

/// A monotone map of one value, data to latent, with as many raw parameters per value as [`Univariate::params`] says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Univariate {
    /// `z = (x + shift) * scale` (Glow, RealNVP, MAF). Raw layout: all shifts, then all raw scales.
    Affine {
        /// From raw output to log-scale.
        #[serde(default)]
        scale: ScaleMap,
    },
    /// `z = x + shift` (NICE, Dinh et al. 2014); volume-preserving.
    Additive,
    /// Monotone rational-quadratic spline on `[-tail_bound, tail_bound]`, the identity outside (Durkan et al. 2019, "Neural Spline Flows").
    /// Raw layout: per value, `bins` widths, `bins` heights, `bins - 1` slopes.
    RationalQuadratic {
        /// The number of bins, K.
        #[serde(default = "default_bins")]
        bins: usize,
        /// The half-width B of the interval.
        #[serde(default = "default_tail_bound")]
        tail_bound: f64,
    },
}

fn default_bins() -> usize {
    8
}

fn default_tail_bound() -> f64 {
    3.0
}

impl Default for Univariate {
    fn default() -> Self {
        Univariate::Affine { scale: ScaleMap::default() }
    }
}

impl Univariate {
    /// Raw parameters per value.
    pub fn params(&self) -> usize {
        match self {
            Univariate::Affine { .. } => 2,
            Univariate::Additive => 1,
            Univariate::RationalQuadratic { bins, .. } => 3 * bins - 1,
        }
    }

    /// Which of `features` values the raw output number `output` belongs to; what masks of autoregressive nets are made from.
    pub fn feature_of(&self, output: usize, features: usize) -> usize {
        match self {
            Univariate::Affine { .. } | Univariate::Additive => output % features,
            Univariate::RationalQuadratic { .. } => output / self.params(),
        }
    }

    /// Every value beside each of its raw parameters: `[rows, features]` to `[rows, features * params]`.
    pub(crate) fn spread(&self, values: Tensor<2>) -> Tensor<2> {
        let [rows, features] = values.dims();
        let params = self.params();
        match self {
            Univariate::Affine { .. } | Univariate::Additive => values.repeat_dim(1, params),
            Univariate::RationalQuadratic { .. } => {
                values.reshape([rows * features, 1]).repeat_dim(1, params).reshape([rows, features * params])
            }
        }
    }

    /// Data to latent: `x` and `z` are `[rows, features]`, `raw` is `[rows, features * params]`, the last is `log dz/dx` per value.
    pub fn forward(&self, x: Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let features = x.dims()[1];
        match *self {
            Univariate::Affine { scale } => {
                let (shift, log_scale) = shift_and_log_scale(raw, features, scale);
                ((x + shift) * log_scale.clone().exp(), log_scale)
            }
            Univariate::Additive => {
                let slope = x.zeros_like();
                (x + raw, slope)
            }
            Univariate::RationalQuadratic { bins, tail_bound } => super::spline::forward(x, raw, bins, tail_bound),
        }
    }

    /// Latent to data, with the same `log dz/dx` per value.
    pub fn inverse(&self, z: Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let features = z.dims()[1];
        match *self {
            Univariate::Affine { scale } => {
                let (shift, log_scale) = shift_and_log_scale(raw, features, scale);
                (z * (-log_scale.clone()).exp() - shift, log_scale)
            }
            Univariate::Additive => {
                let slope = z.zeros_like();
                (z - raw, slope)
            }
            Univariate::RationalQuadratic { bins, tail_bound } => super::spline::inverse(z, raw, bins, tail_bound),
        }
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        match *self {
            Univariate::Affine { scale } => scale.check(&format!("{name}.scale")),
            Univariate::Additive => Ok(()),
            Univariate::RationalQuadratic { bins, .. } if !(2..=256).contains(&bins) => Err(Error::config(
                format!("{name}.bins"),
                format!("{bins} is out of range"),
                "use 2 to 256 bins; 8 is the default",
            )),
            Univariate::RationalQuadratic { tail_bound, .. } if !(tail_bound > 0.0 && tail_bound < 1e6) => {
                Err(Error::config(
                    format!("{name}.tail_bound"),
                    format!("{tail_bound} is out of range"),
                    "use 0 < tail_bound < 1e6; 3 is the default for standardised data",
                ))
            }
            Univariate::RationalQuadratic { .. } => Ok(()),
        }
    }
}

fn shift_and_log_scale(raw: Tensor<2>, features: usize, scale: ScaleMap) -> (Tensor<2>, Tensor<2>) {
    let shift = raw.clone().narrow(1, 0, features);
    (shift, scale.log_scale(raw.narrow(1, features, features)))
}
