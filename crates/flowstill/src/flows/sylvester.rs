//! Assemble Sylvester flows: normalisation and a Sylvester layer, over and over.

use super::Architecture;
use super::maf::Norm;
use super::named::{check_steps, with_base};
use crate::base::BaseConfig;
use crate::bijectors::{Basis, BijectorConfig, SylvesterLayerConfig};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where the orthonormal columns of a layer come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SylvesterForm {
    /// Free vectors made orthonormal, as many as `rank` says.
    Orthogonal,
    /// A product of reflections, as many as `reflections` says: the full rank.
    Householder,
}

/// Sylvester flow (van den Berg et al. 2018, arXiv 1803.05649): step = normalisation, `z = x + Q R tanh(R~ Q^T x + b)`.
///
/// One pass to the latents, and a numeric inverse (within 1e-12 and rounding) of one scalar equation per column of Q. A conditioning value shifts `b` linearly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SylvesterConfig {
    /// Steps; default 8 (the paper: 4 to 16).
    pub steps: usize,
    /// Form; default `orthogonal`.
    pub form: SylvesterForm,
    /// Orthonormal columns M of the orthogonal form, 1 to the number of columns of the table; default as many as there are. 1 makes a planar flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Reflections H of the Householder form, 1 to 1000; default 8 (the paper: 4 to 16).
    pub reflections: usize,
    /// Normalisation before each layer; default `actnorm`.
    pub norm: Norm,
    /// Density of the latents; default standard normal.
    pub base: BaseConfig,
    /// Let the mean and the scale of the latents depend linearly on the context, for conditional densities; default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional_base: bool,
}

impl Default for SylvesterConfig {
    fn default() -> Self {
        Self {
            steps: 8,
            form: SylvesterForm::Orthogonal,
            rank: None,
            reflections: 8,
            norm: Norm::Actnorm,
            base: BaseConfig::StandardNormal,
            conditional_base: false,
        }
    }
}

impl SylvesterConfig {
    /// See [`FlowConfig::assemble`](super::FlowConfig::assemble).
    ///
    /// # Errors
    /// [`Error::Config`] names the setting, a rank beside the Householder form too, which has none to choose.
    pub fn assemble(&self, columns: usize, context: usize) -> Result<Architecture> {
        check_steps("sylvester.steps", self.steps)?;
        let basis = match (self.form, self.rank) {
            (SylvesterForm::Orthogonal, rank) => Basis::Orthogonal { rank: rank.unwrap_or(columns) },
            (SylvesterForm::Householder, None) => Basis::Householder { reflections: self.reflections },
            (SylvesterForm::Householder, Some(rank)) => {
                let problem = format!("{rank} beside the householder form, whose rank is full");
                return Err(Error::config("sylvester.rank", problem, "leave it out, or use form = \"orthogonal\""));
            }
        };
        let layer = BijectorConfig::Sylvester(SylvesterLayerConfig { channels: columns, basis, context });
        // A rank is held to the columns when the flow is built, for a recipe's settings are looked at before its table is.
        if self.form == SylvesterForm::Householder {
            layer.check()?;
        }
        let step =
            || BijectorConfig::Chain { steps: self.norm.layer(columns).into_iter().chain([layer.clone()]).collect() };
        with_base(
            Architecture::table(columns, context, (0..self.steps).map(|_| step()).collect(), self.base.clone()),
            self.conditional_base,
        )
    }

    /// Form and size in a few words.
    pub(super) fn describe(&self) -> String {
        let vectors = match (self.form, self.rank) {
            (SylvesterForm::Orthogonal, None) => "full rank".to_string(),
            (SylvesterForm::Orthogonal, Some(rank)) => format!("rank {rank}"),
            (SylvesterForm::Householder, _) => format!("{} reflections", self.reflections),
        };
        format!("{} steps, {vectors}", self.steps)
    }
}
