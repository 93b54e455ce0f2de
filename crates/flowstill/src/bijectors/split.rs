//! Let half of the channels leave between two levels, standardised by what stays.

use super::univariate::log_scale;
use super::{Context, SplitConfig, SplitPrior};
use crate::Result;
use crate::conditioners::{Conditioner, ConditionerConfig};
use crate::shape::{sum_event, zero_log_det};
use burn::tensor::{Device, Tensor};
use rand::RngCore;

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
    /// [`Error::Config`](crate::Error::Config) names the setting that is out of range.
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
        let log_scale = log_scale(scale, raw.clone().narrow(3, c, c).reshape([b * h * w, c]));
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
