//! Describe couplings, autoregressive layers and splits.

use super::net::zero_conv;
use super::{ConditionerConfig, Descriptor, MadeConfig, ScaleMap, Univariate, Visit};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which channels, or which positions of a picture, condition; the others are transformed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// Channels below the middle condition (Glow). With an odd number the larger half is transformed.
    #[default]
    FirstHalf,
    /// Channels from the middle on condition.
    SecondHalf,
    /// Channels 0, 2, 4, ... condition (RealNVP on tables).
    Even,
    /// Channels 1, 3, 5, ... condition.
    Odd,
    /// Positions whose row and column have an even sum condition, in every channel (RealNVP on pictures).
    CheckerboardEven,
    /// Positions whose row and column have an odd sum condition.
    CheckerboardOdd,
    /// Channels below this one condition, the others are transformed: a first part of the state that is never moved (a picture beside its noise). With 0
    /// all channels are transformed by the context alone: as a last layer, a normal base whose mean and scale depend on the context.
    Below(usize),
}

impl Mask {
    /// Whether positions are halved instead of channels.
    pub fn is_spatial(&self) -> bool {
        matches!(self, Mask::CheckerboardEven | Mask::CheckerboardOdd)
    }

    /// 1 where a position conditions, row by row, for a checkerboard of `height x width`.
    pub fn board(&self, height: usize, width: usize) -> Vec<f32> {
        let parity = usize::from(*self == Mask::CheckerboardOdd);
        (0..height * width).map(|i| if (i / width + i % width) % 2 == parity { 1.0 } else { 0.0 }).collect()
    }

    /// The conditioning channels and the transformed ones; for a checkerboard all channels are both.
    pub fn halves(&self, channels: usize) -> (Vec<usize>, Vec<usize>) {
        let conditions = |&i: &usize| match self {
            Mask::FirstHalf => i < channels / 2,
            Mask::SecondHalf => i >= channels.div_ceil(2),
            Mask::Even => i.is_multiple_of(2),
            Mask::Odd => !i.is_multiple_of(2),
            Mask::Below(first) => i < *first,
            Mask::CheckerboardEven | Mask::CheckerboardOdd => true,
        };
        if self.is_spatial() {
            return ((0..channels).collect(), (0..channels).collect());
        }
        (0..channels).partition(conditions)
    }
}

/// What rebuilds a coupling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CouplingConfig {
    /// Channels of the whole state, at least 2 (1 for a checkerboard).
    pub channels: usize,
    /// Which of them condition.
    #[serde(default)]
    pub mask: Mask,
    /// The map of each transformed value.
    #[serde(default)]
    pub transform: Univariate,
    /// The network.
    #[serde(default)]
    pub conditioner: ConditionerConfig,
    /// Width of the conditioning input, 0 for none.
    #[serde(default)]
    pub context: usize,
}

impl CouplingConfig {
    fn check(&self) -> Result<()> {
        if self.channels < 2 && !self.mask.is_spatial() && self.mask != Mask::Below(0) {
            let problem = format!("{} channel", self.channels);
            return Err(Error::config("coupling.channels", problem, "a coupling needs at least 2"));
        }
        if let Mask::Below(first) = self.mask
            && (first >= self.channels || first == 0 && self.context == 0)
        {
            let problem = format!("below {first} of {} channels leaves nothing to condition or to move", self.channels);
            return Err(Error::config(
                "coupling.mask",
                problem,
                "use 1 to the number of channels less 1; 0 with a context",
            ));
        }
        self.transform.check("coupling.transform")?;
        self.conditioner.check("coupling.conditioner")
    }

    pub(super) fn describe(&self) -> Descriptor<'_> {
        let tensors = |visit: &mut Visit<'_>| {
            let (kept, moved) = self.mask.halves(self.channels);
            let outputs = moved.len() * self.transform.params();
            self.conditioner.tensors(kept.len() + self.context, outputs, visit);
        };
        let descriptor = Descriptor::new("coupling", Some(self.channels)).with_context(self.context);
        let positions = if self.mask.is_spatial() { 2 } else { 1 };
        Descriptor { positions, ..descriptor }.checked(|| self.check()).with_tensors(tensors)
    }
}

/// What rebuilds a masked autoregressive layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedAutoregressiveConfig {
    /// Channels, in the order of conditioning.
    pub channels: usize,
    /// The map of each value. Default: affine.
    #[serde(default)]
    pub transform: Univariate,
    /// The network.
    #[serde(default)]
    pub made: MadeConfig,
    /// Width of the conditioning input, 0 for none.
    #[serde(default)]
    pub context: usize,
}

impl MaskedAutoregressiveConfig {
    pub(super) fn describe(&self) -> Descriptor<'_> {
        let check = || {
            self.transform.check("masked_autoregressive.transform")?;
            self.made.check("masked_autoregressive.made")
        };
        Descriptor::new("masked_autoregressive", Some(self.channels))
            .with_context(self.context)
            .checked(check)
            .with_tensors(|visit| self.made.tensors(self.channels, self.context, self.transform, visit))
    }
}

/// How the half that leaves at a split meets the base density.
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

/// What rebuilds a split.
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

    /// Channels that leave.
    pub fn leaving(&self) -> usize {
        self.channels - self.kept()
    }

    /// Check every range.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting.
    pub fn check(&self) -> Result<()> {
        if self.channels < 2 {
            return Err(Error::config("split.channels", format!("{}", self.channels), "a split needs at least 2"));
        }
        match self.prior {
            SplitPrior::Standard => Ok(()),
            SplitPrior::Learned { scale } => scale.check("split.prior.scale"),
        }
    }

    pub(super) fn tensors(&self, visit: &mut Visit<'_>) {
        if let SplitPrior::Learned { .. } = self.prior {
            zero_conv("prior", self.kept() + self.context, 2 * self.leaving(), visit);
        }
    }
}
