//! Transform one half of the channels by parameters computed from the other half.

use super::permute::{invert, take_channels};
use super::{Bijector, BijectorConfig, Context, Univariate};
use crate::Error;
use crate::conditioners::{Conditioner, ConditionerConfig};
use crate::shape::{from_rows, positions, sum_event, to_rows};
use burn::tensor::{Device, Tensor};
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// Which channels condition; the others are transformed.
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
}

impl Mask {
    /// The conditioning channels and the transformed ones.
    pub fn halves(&self, channels: usize) -> (Vec<usize>, Vec<usize>) {
        let conditions = |&i: &usize| match self {
            Mask::FirstHalf => i < channels / 2,
            Mask::SecondHalf => i >= channels.div_ceil(2),
            Mask::Even => i % 2 == 0,
            Mask::Odd => i % 2 == 1,
        };
        (0..channels).partition(conditions)
    }
}

/// What rebuilds a [`Coupling`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CouplingConfig {
    /// Channels of the whole state, at least 2.
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
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.channels < 2 {
            return Err(Error::config(
                "coupling.channels",
                format!("{} channel", self.channels),
                "a coupling needs at least 2",
            ));
        }
        self.transform.check("coupling.transform")?;
        self.conditioner.check("coupling.conditioner")
    }
}

/// `z_a = x_a`, `z_b = t(x_b; net(x_a, context))`; the log-det is the sum of the log-slopes of `t`.
///
/// Source: NICE (Dinh et al. 2014), RealNVP (Dinh et al. 2017), Neural Spline Flows (Durkan et al. 2019).
#[doc(alias = "RealNVP")]
#[derive(Clone, Debug)]
pub struct Coupling {
    config: CouplingConfig,
    kept: Vec<usize>,
    moved: Vec<usize>,
    /// Where each channel lies in the concatenation of the kept and the moved ones.
    merge: Vec<usize>,
    net: Conditioner,
}

crate::parameters!(Coupling { net });

impl Coupling {
    /// The identity (for transforms whose zero parameters are the identity). Check the configuration first.
    pub fn new(config: &CouplingConfig, rng: &mut impl RngCore, device: &Device) -> Self {
        let (kept, moved) = config.mask.halves(config.channels);
        let merge = invert(&kept.iter().chain(&moved).copied().collect::<Vec<_>>());
        let outputs = moved.len() * config.transform.params();
        let net = Conditioner::new(&config.conditioner, kept.len(), config.context, outputs, rng, device);
        Self { config: config.clone(), kept, moved, merge, net }
    }

    fn apply(&self, state: Tensor<4>, context: Context<'_>, forward: bool) -> (Tensor<4>, Tensor<1>) {
        let at = positions(&state);
        let kept = take_channels(state.clone(), &self.kept);
        let moved = to_rows(take_channels(state, &self.moved));
        let raw = to_rows(self.net.forward(kept.clone(), context));
        let (moved, log_slope) = match forward {
            true => self.config.transform.forward(moved, raw),
            false => self.config.transform.inverse(moved, raw),
        };
        let merged = Tensor::cat(vec![kept, from_rows(moved, at)], 3);
        let sorted = self.merge.iter().enumerate().all(|(i, &j)| i == j);
        let merged = if sorted { merged } else { take_channels(merged, &self.merge) };
        (merged, sum_event(from_rows(log_slope, at)))
    }
}

impl Bijector for Coupling {
    fn forward(&self, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        self.apply(x, context, true)
    }

    fn inverse(&self, z: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        self.apply(z, context, false)
    }

    fn config(&self) -> BijectorConfig {
        BijectorConfig::Coupling(self.config.clone())
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }
}
