//! Describe Sylvester layers, and say what bounds them.

use super::{Descriptor, Range, Role, Visit};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How the orthonormal columns Q of a Sylvester layer follow from free vectors, `[vectors, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Basis {
    /// The vectors made orthonormal one after the other, by Gram and Schmidt twice over: exact to rounding, where the paper's iteration stops at a tolerance.
    Orthogonal {
        /// How many, M: 1 to the number of channels. With 1 the layer is a planar flow (Rezende and Mohamed 2015).
        rank: usize,
    },
    /// The product of the reflections along the vectors: as many columns as channels.
    Householder {
        /// How many, H: 1 to 1000.
        reflections: usize,
    },
}

/// What rebuilds a Sylvester layer: `z = x + Q R tanh(R~ Q^T x + bias)`, with context `c` `bias + C^T c` in place of the bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SylvesterLayerConfig {
    /// Channels, D.
    pub channels: usize,
    /// Where Q comes from.
    pub basis: Basis,
    /// Width of the conditioning input, 0 for none.
    #[serde(default)]
    pub context: usize,
}

impl SylvesterLayerConfig {
    /// The largest absolute value of a diagonal entry of R and of R~, `bound * tanh(raw)`. So `r r~` is above -0.9025, and no direction is shrunk to less than a tenth.
    pub const DIAGONAL_BOUND: f64 = 0.95;

    /// Newton steps of each of the scalar equations that the inverse solves, one per column of Q.
    pub const NEWTON_STEPS: usize = flowstill_kernels::planes::root::STEPS;

    /// The most that the solution of such an equation is off, rounding aside; a test holds every slope to it.
    pub const TOLERANCE: f64 = 1e-12;

    /// Columns of Q, M.
    pub fn rank(&self) -> usize {
        match self.basis {
            Basis::Orthogonal { rank } => rank,
            Basis::Householder { .. } => self.channels,
        }
    }

    /// Vectors that Q is made of.
    pub fn vectors(&self) -> usize {
        match self.basis {
            Basis::Orthogonal { rank } => rank,
            Basis::Householder { reflections } => reflections,
        }
    }

    fn check(&self) -> Result<()> {
        match self.basis {
            Basis::Orthogonal { rank } if !(1..=self.channels).contains(&rank) => Err(Error::config(
                "sylvester.rank",
                format!("{rank} orthonormal columns of {} values", self.channels),
                format!("use 1 to {}", self.channels),
            )),
            Basis::Householder { reflections } if !(1..=1000).contains(&reflections) => {
                Err(Error::config("sylvester.reflections", format!("{reflections} reflections"), "use 1 to 1000"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn describe(&self) -> Descriptor<'_> {
        let tensors = |visit: &mut Visit<'_>| {
            let (rank, channels) = (self.rank(), self.channels);
            let mut show = |name: &str, shape: &[usize]| {
                visit(format_args!("{name}"), shape, Role::Trainable, Range::Finite);
            };
            show("vectors", &[self.vectors(), channels]);
            show("outer", &[rank, rank]);
            show("outer_diagonal", &[rank]);
            show("inner", &[rank, rank]);
            show("inner_diagonal", &[rank]);
            show("bias", &[rank]);
            if self.context > 0 {
                show("context", &[self.context, rank]);
            }
        };
        // What is added is bounded, so channel i of the latents stays that of the data.
        Descriptor::new("sylvester", Some(self.channels))
            .with_context(self.context)
            .checked(|| self.check())
            .with_tensors(tensors)
    }
}
