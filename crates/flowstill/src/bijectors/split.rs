//! Let half of the channels leave between two levels, standardised by what stays.

use super::{Context, ScaleMap};
use crate::conditioners::{Conditioner, ConditionerConfig};
use crate::shape::{sum_event, zero_log_det};
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// How the half that leaves meets the base density.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitPrior {
    /// As it is.
    Standard,
    /// Its mean and log-scale come from the half that stays, by a zero convolution.
    Learned {
        /// From raw output to log-scale.
        scale: ScaleMap,
    },
}

impl Default for SplitPrior {
    fn default() -> Self {
        SplitPrior::Learned { scale: ScaleMap::Tanh { bound: 5.0 } }
    }
}

/// What rebuilds a [`Split`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// Channels before the split, at least 2.
    pub channels: usize,
    /// The prior of the half that leaves.
    #[serde(default)]
    pub prior: SplitPrior,
    /// Width of the conditioning input, 0 for none.
    #[serde(default)]
    pub context: usize,
}

impl SplitConfig {
    /// Channels that stay; with an odd number the larger half leaves.
    pub fn kept(&self) -> usize {
        self.channels / 2
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.channels < 2 {
            return Err(Error::config("split.channels", format!("{}", self.channels), "a split needs at least 2"));
        }
        match self.prior {
            SplitPrior::Standard => Ok(()),
            SplitPrior::Learned { scale } => scale.check("split.prior.scale"),
        }
    }
}

/// `x = (kept, leaving)`, `eps = (leaving + shift(kept)) * exp(log_scale(kept))`: what leaves is a latent that meets the standard normal.
///
/// So the noise of every level is an explicit value of one density, which teacher and student can share.
/// Source: Glow's code (`split2d_prior`); RealNVP (Dinh et al. 2017), section 3.6, without the prior.
#[doc(alias = "Exit")]
#[doc(alias = "Slice")]
#[derive(Clone, Debug)]
pub struct Split {
    config: SplitConfig,
    prior: Option<Conditioner>,
}

crate::parameters!(Split { prior });

impl Split {
    /// Check the settings and build; a new prior is the standard normal.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that is out of range.
    pub fn new(config: &SplitConfig, rng: &mut impl RngCore, device: &Device) -> Result<Self> {
        config.check()?;
        let prior = match config.prior {
            SplitPrior::Standard => None,
            SplitPrior::Learned { .. } => {
                let outputs = 2 * (config.channels - config.kept());
                Some(Conditioner::new(
                    &ConditionerConfig::ZeroConv,
                    config.kept(),
                    config.context,
                    outputs,
                    rng,
                    device,
                ))
            }
        };
        Ok(Self { config: config.clone(), prior })
    }

    /// What rebuilds it.
    pub fn config(&self) -> &SplitConfig {
        &self.config
    }

    /// Shift and log-scale of what leaves.
    fn parameters_of_prior(&self, kept: &Tensor<4>, context: Context<'_>) -> Option<(Tensor<4>, Tensor<4>)> {
        let (Some(net), SplitPrior::Learned { scale }) = (&self.prior, self.config.prior) else { return None };
        let raw = net.forward(kept.clone(), context);
        let [b, h, w, twice] = raw.dims();
        let c = twice / 2;
        let log_scale = scale.log_scale(raw.clone().narrow(3, c, c).reshape([b * h * w, c]));
        Some((raw.narrow(3, 0, c), log_scale.reshape([b, h, w, c])))
    }

    /// `x` to `(kept, eps, log_det)`.
    pub fn forward(&self, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<4>, Tensor<1>) {
        let k = self.config.kept();
        let (kept, leaving) = (x.clone().narrow(3, 0, k), x.narrow(3, k, self.config.channels - k));
        match self.parameters_of_prior(&kept, context) {
            None => {
                let log_det = zero_log_det(&kept);
                (kept, leaving, log_det)
            }
            Some((shift, log_scale)) => (kept, (leaving + shift) * log_scale.clone().exp(), sum_event(log_scale)),
        }
    }

    /// `(kept, eps)` to `x`, with the log-det of the forward direction.
    pub fn inverse(&self, kept: Tensor<4>, eps: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        match self.parameters_of_prior(&kept, context) {
            None => {
                let log_det = zero_log_det(&kept);
                (Tensor::cat(vec![kept, eps], 3), log_det)
            }
            Some((shift, log_scale)) => {
                let leaving = eps * (-log_scale.clone()).exp() - shift;
                (Tensor::cat(vec![kept, leaving], 3), sum_event(log_scale))
            }
        }
    }
}
