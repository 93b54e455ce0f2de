//! Choose a named flow by a few settings.

use super::{Architecture, GlowConfig, MafConfig, NsfConfig, RealNvpConfig};
use crate::Result;
use serde::{Deserialize, Serialize};

/// A named flow: a small recipe that assembles bijectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FlowConfig {
    /// [`GlowConfig`].
    Glow(GlowConfig),
    /// [`RealNvpConfig`].
    Realnvp(RealNvpConfig),
    /// [`MafConfig`]: fast densities, slow samples.
    Maf(MafConfig),
    /// [`MafConfig`] turned round: fast samples, slow densities (Kingma et al. 2016).
    Iaf(MafConfig),
    /// [`NsfConfig`].
    Nsf(NsfConfig),
}

impl FlowConfig {
    /// The flow over `columns` values with `context` conditioning ones; `seed` draws its fixed permutations.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the setting that is out of range.
    pub fn assemble(&self, columns: usize, context: usize, seed: u64) -> Result<Architecture> {
        match self {
            FlowConfig::Glow(config) => config.assemble(columns, context),
            FlowConfig::Realnvp(config) => config.assemble(columns, context),
            FlowConfig::Maf(config) => config.assemble(columns, context, seed),
            FlowConfig::Iaf(config) => config.assemble_inverted(columns, context, seed),
            FlowConfig::Nsf(config) => config.assemble(columns, context, seed),
        }
    }

    /// The flow over pictures of shape `event` (height, width, channels) with `context` conditioning values.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the setting that is out of range, or a family that has no form for pictures.
    pub fn assemble_picture(&self, event: [usize; 3], context: usize) -> Result<Architecture> {
        match self {
            FlowConfig::Glow(config) => config.assemble_picture(event, context),
            FlowConfig::Realnvp(config) => config.assemble_picture(event, context),
            other => Err(crate::Error::config(
                "kind",
                format!("{} has no form for pictures", other.kind()),
                "use glow (with a spline as its transform, if you like) or realnvp",
            )),
        }
    }

    /// The family's name, as in recipes.
    pub fn kind(&self) -> &'static str {
        match self {
            FlowConfig::Glow(_) => "glow",
            FlowConfig::Realnvp(_) => "realnvp",
            FlowConfig::Maf(_) => "maf",
            FlowConfig::Iaf(_) => "iaf",
            FlowConfig::Nsf(_) => "nsf",
        }
    }
}

/// The flow with a base that depends on the context, if that is wished.
pub(super) fn with_base(architecture: Architecture, conditional: bool) -> Result<Architecture> {
    if conditional { architecture.with_conditional_base() } else { Ok(architecture) }
}

/// Refuse a flow without steps, and one so deep that it is surely a slip.
pub(super) fn check_steps(name: &str, steps: usize) -> Result<()> {
    match steps {
        1..=1000 => Ok(()),
        _ => Err(crate::Error::config(name, format!("{steps} steps"), "use 1 to 1000")),
    }
}
