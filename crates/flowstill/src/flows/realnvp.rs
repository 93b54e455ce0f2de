//! Assemble RealNVP: couplings whose halves take turns, with a normalisation between them.

use super::Architecture;
use super::named::check_steps;
use crate::Result;
use crate::base::BaseConfig;
use crate::bijectors::{BijectorConfig, CouplingConfig, Mask, Univariate};
use crate::conditioners::{Activation, ConditionerConfig};
use crate::flows::Norm;
use serde::{Deserialize, Serialize};

/// RealNVP on tables (Dinh et al. 2017): step `k` conditions on the even channels, step `k + 1` on the odd ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RealNvpConfig {
    /// Couplings; default 10.
    pub steps: usize,
    /// Widths of the hidden layers; default `[100, 100]`.
    pub hidden: Vec<usize>,
    /// Nonlinearity; default `relu`.
    pub activation: Activation,
    /// Map of the transformed half; default affine with bounded log-scale (`additive` gives NICE).
    pub transform: Univariate,
    /// Normalisation after each coupling; default `actnorm`.
    pub norm: Norm,
    /// Density of the latents; default standard normal.
    pub base: BaseConfig,
}

impl Default for RealNvpConfig {
    fn default() -> Self {
        Self {
            steps: 10,
            hidden: vec![100, 100],
            activation: Activation::Relu,
            transform: Univariate::default(),
            norm: Norm::Actnorm,
            base: BaseConfig::StandardNormal,
        }
    }
}

impl RealNvpConfig {
    /// See [`FlowConfig::assemble`](super::FlowConfig::assemble).
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the setting.
    pub fn assemble(&self, columns: usize, context: usize) -> Result<Architecture> {
        check_steps("realnvp.steps", self.steps)?;
        let steps = (0..self.steps).map(|k| {
            let coupling = BijectorConfig::Coupling(CouplingConfig {
                channels: columns,
                mask: if k % 2 == 0 { Mask::Even } else { Mask::Odd },
                transform: self.transform,
                conditioner: ConditionerConfig::Mlp { hidden: self.hidden.clone(), activation: self.activation },
                context,
            });
            BijectorConfig::Chain { steps: [Some(coupling), self.norm.layer(columns)].into_iter().flatten().collect() }
        });
        Ok(Architecture::table(columns, context, steps.collect(), self.base.clone()))
    }
}
