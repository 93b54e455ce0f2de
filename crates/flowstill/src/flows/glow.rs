//! Assemble GLOW: activation normalisation, a learned mixing of the channels, an affine coupling.

use super::Architecture;
use super::named::check_steps;
use crate::Result;
use crate::base::BaseConfig;
use crate::bijectors::{BijectorConfig, CouplingConfig, Mask, Univariate};
use crate::conditioners::{Activation, ConditionerConfig};
use serde::{Deserialize, Serialize};

/// GLOW on tables (Kingma and Dhariwal 2018, without squeeze and split), as distilled by Walton et al. 2025.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GlowConfig {
    /// Steps K; default 5.
    pub steps: usize,
    /// Width of the coupling networks; default 32.
    pub hidden: usize,
    /// Linear layers of each coupling network, at least 1; default 6, as in the distillation paper's code.
    pub layers: usize,
    /// Nonlinearity; default `relu`.
    pub activation: Activation,
    /// Map of the transformed half; default affine with bounded log-scale. Additive and splines work too.
    pub transform: Univariate,
    /// Keep the mixing as LU factors; default true. False learns the plain matrix.
    pub lu: bool,
    /// Density of the latents; default standard normal.
    pub base: BaseConfig,
}

impl Default for GlowConfig {
    fn default() -> Self {
        Self {
            steps: 5,
            hidden: 32,
            layers: 6,
            activation: Activation::Relu,
            transform: Univariate::default(),
            lu: true,
            base: BaseConfig::StandardNormal,
        }
    }
}

impl GlowConfig {
    /// See [`FlowConfig::assemble`](super::FlowConfig::assemble).
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the setting.
    pub fn assemble(&self, columns: usize, context: usize) -> Result<Architecture> {
        check_steps("glow.steps", self.steps)?;
        check_steps("glow.layers", self.layers)?;
        let step = BijectorConfig::Chain {
            steps: vec![
                BijectorConfig::ActNorm { channels: columns },
                match self.lu {
                    true => BijectorConfig::LuLinear { channels: columns },
                    false => BijectorConfig::Linear { channels: columns },
                },
                BijectorConfig::Coupling(CouplingConfig {
                    channels: columns,
                    mask: Mask::FirstHalf,
                    transform: self.transform,
                    conditioner: ConditionerConfig::Mlp {
                        hidden: vec![self.hidden; self.layers - 1],
                        activation: self.activation,
                    },
                    context,
                }),
            ],
        };
        Ok(Architecture::table(columns, context, vec![step; self.steps], self.base.clone()))
    }
}
