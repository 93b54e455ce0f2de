//! Describe the density that the latents of the last level meet.

use super::{Range, Role, Visit};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which density the latents meet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum BaseConfig {
    /// Independent standard normals.
    #[default]
    StandardNormal,
    /// Independent normals with learned mean and scale.
    DiagonalNormal,
    /// A mixture of diagonal Gaussians with learned weights, means and scales.
    Mixture {
        /// Number of components, at least 1.
        components: usize,
    },
    /// Uniform on `[low, high]` in every dimension. Outside, the log-density is [`OUTSIDE`](crate::density::OUTSIDE).
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

impl BaseConfig {
    /// Check every range.
    ///
    /// # Errors
    /// [`Error::Config`] for a mixture without components or an empty interval.
    pub fn check(&self) -> Result<()> {
        match *self {
            BaseConfig::Mixture { components } if !(1..=10_000).contains(&components) => {
                Err(Error::config("base.components", format!("{components} components"), "use 1 to 10000"))
            }
            BaseConfig::Uniform { low, high } if !(low.is_finite() && high.is_finite() && low < high) => {
                Err(Error::config("base", format!("the interval [{low}, {high}]"), "give finite low < high"))
            }
            _ => Ok(()),
        }
    }

    /// The normals that it is a mixture of, 0 for a base without learned ones.
    pub fn normals(&self) -> usize {
        match self {
            BaseConfig::StandardNormal | BaseConfig::Uniform { .. } => 0,
            BaseConfig::DiagonalNormal => 1,
            BaseConfig::Mixture { components } => *components,
        }
    }

    pub(super) fn tensors(&self, dimensions: usize, visit: &mut Visit<'_>) {
        let normals = self.normals();
        if normals > 0 {
            for name in ["mean", "log_std"] {
                visit(format_args!("{name}"), &[normals, dimensions], Role::Trainable, Range::Finite);
            }
        }
        if let BaseConfig::Mixture { components } = self {
            visit(format_args!("logits"), &[*components], Role::Trainable, Range::Finite);
        }
    }
}
