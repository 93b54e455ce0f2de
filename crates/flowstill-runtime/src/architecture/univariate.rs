//! Name the monotone maps of single values, and how many raw values each takes.

use crate::{Error, Result};
use flowstill_kernels::univariate::{LogScale, Map};
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
    /// Check every range; `name` is what errors call the setting.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting.
    pub fn check(&self, name: &str) -> Result<()> {
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

    pub(crate) fn kernel(self) -> LogScale {
        match self {
            ScaleMap::Tanh { bound } => LogScale::Tanh(bound as f32),
            ScaleMap::Softsign { bound } => LogScale::Softsign(bound as f32),
            ScaleMap::Sigmoid { floor } => LogScale::Sigmoid(floor as f32),
            ScaleMap::Exp => LogScale::Exp,
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

    /// Check every range; `name` is what errors call the setting.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting.
    pub fn check(&self, name: &str) -> Result<()> {
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

    pub(crate) fn kernel(self) -> Map {
        match self {
            Univariate::Additive => Map::Additive,
            Univariate::RationalQuadratic { bins, tail_bound } => Map::Spline { bins, tail_bound: tail_bound as f32 },
            Univariate::Affine { scale } => Map::Affine(scale.kernel()),
        }
    }
}
