//! Assemble neural spline flows, in coupling and in autoregressive form.

use super::Architecture;
use super::named::{check_steps, with_base};
use crate::Result;
use crate::base::BaseConfig;
use crate::bijectors::{BijectorConfig, CouplingConfig, Mask, MaskedAutoregressiveConfig, Univariate};
use crate::conditioners::{Activation, ConditionerConfig, MadeConfig};
use serde::{Deserialize, Serialize};

/// Which variables a spline's parameters are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NsfForm {
    /// The other half: one pass in both directions, RQ-NSF (C).
    Coupling,
    /// All variables before: many passes to sample, RQ-NSF (AR).
    Autoregressive,
}

/// Rational-quadratic neural spline flow (Durkan et al. 2019): step = LU linear, spline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NsfConfig {
    /// Form; default `coupling`.
    pub form: NsfForm,
    /// Steps; default 5 (the paper's tables: 10).
    pub steps: usize,
    /// Width of the residual networks; default 64 (the paper: 256).
    pub hidden: usize,
    /// Residual blocks of two layers each; default 2.
    pub blocks: usize,
    /// Nonlinearity; default `relu`.
    pub activation: Activation,
    /// Bins K; default 8.
    pub bins: usize,
    /// Half-width B of the spline's interval; default 3, for standardised data.
    pub tail_bound: f64,
    /// Density of the latents; default standard normal.
    pub base: BaseConfig,
    /// Let the mean and the scale of the latents (over pictures: of the last level's channels) depend linearly on the context, for class-conditional priors and
    /// conditional densities; default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional_base: bool,
}

impl Default for NsfConfig {
    fn default() -> Self {
        Self {
            form: NsfForm::Coupling,
            steps: 5,
            hidden: 64,
            blocks: 2,
            activation: Activation::Relu,
            bins: 8,
            tail_bound: 3.0,
            base: BaseConfig::StandardNormal,
            conditional_base: false,
        }
    }
}

/// Refuse networks so deep that they are surely a slip; none at all is a linear map between two layers.
fn check_blocks(blocks: usize) -> Result<()> {
    match blocks {
        0..=100 => Ok(()),
        _ => Err(crate::Error::config("nsf.blocks", format!("{blocks} blocks"), "use 0 to 100")),
    }
}

impl NsfConfig {
    /// See [`FlowConfig::assemble`](super::FlowConfig::assemble).
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the setting.
    pub fn assemble(&self, columns: usize, context: usize, _seed: u64) -> Result<Architecture> {
        check_steps("nsf.steps", self.steps)?;
        check_blocks(self.blocks)?;
        let transform = Univariate::RationalQuadratic { bins: self.bins, tail_bound: self.tail_bound };
        let activation = self.activation;
        let step = |k: usize| {
            let spline = match self.form {
                NsfForm::Coupling => BijectorConfig::Coupling(CouplingConfig {
                    channels: columns,
                    mask: if k.is_multiple_of(2) { Mask::Even } else { Mask::Odd },
                    transform,
                    conditioner: ConditionerConfig::Residual { hidden: self.hidden, blocks: self.blocks, activation },
                    context,
                }),
                NsfForm::Autoregressive => BijectorConfig::MaskedAutoregressive(MaskedAutoregressiveConfig {
                    channels: columns,
                    transform,
                    made: MadeConfig { hidden: vec![self.hidden; 1 + 2 * self.blocks], activation, residual: true },
                    context,
                }),
            };
            BijectorConfig::Chain { steps: vec![BijectorConfig::LuLinear { channels: columns }, spline] }
        };
        with_base(
            Architecture::table(columns, context, (0..self.steps).map(step).collect(), self.base.clone()),
            self.conditional_base,
        )
    }
}
