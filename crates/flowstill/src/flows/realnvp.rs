//! Assemble RealNVP: couplings whose halves take turns, with a normalisation between them.

use super::Architecture;
use super::glow::check_levels;
use super::named::{check_steps, with_base};
use crate::Result;
use crate::base::BaseConfig;
use crate::bijectors::{BijectorConfig, CouplingConfig, Mask, SplitConfig, SplitPrior, Univariate};
use crate::conditioners::{Activation, ConditionerConfig};
use crate::flows::Norm;
use serde::{Deserialize, Serialize};

/// RealNVP (Dinh et al. 2017). On tables step `k` conditions on the even channels, step `k + 1` on the odd ones. On pictures every level takes
/// `steps` couplings in a checkerboard, squeezes, takes `steps` couplings by channels, and all but the last let half of the channels leave;
/// the last level has the checkerboards alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RealNvpConfig {
    /// Couplings on tables, couplings of each kind on every level of pictures; default 10.
    pub steps: usize,
    /// Levels of a flow on pictures; default 3. On tables it is not used.
    pub levels: usize,
    /// Widths of the hidden layers; default `[100, 100]`. On pictures the first is the width of the convolutions.
    pub hidden: Vec<usize>,
    /// Nonlinearity; default `relu`.
    pub activation: Activation,
    /// Map of the transformed half; default affine with bounded log-scale (`additive` gives NICE).
    pub transform: Univariate,
    /// Normalisation after each coupling; default `actnorm`.
    pub norm: Norm,
    /// Prior of the half that leaves after each level; default as it is (`standard`), as in the paper.
    pub split: SplitPrior,
    /// Density of the latents; default standard normal.
    pub base: BaseConfig,
    /// Let the mean and the scale of the latents (over pictures: of the last level's channels) depend linearly on the context, for class-conditional priors and
    /// conditional densities; default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional_base: bool,
}

impl Default for RealNvpConfig {
    fn default() -> Self {
        Self {
            steps: 10,
            levels: 3,
            hidden: vec![100, 100],
            activation: Activation::Relu,
            transform: Univariate::default(),
            norm: Norm::Actnorm,
            split: SplitPrior::Standard,
            base: BaseConfig::StandardNormal,
            conditional_base: false,
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
        with_base(Architecture::table(columns, context, steps.collect(), self.base.clone()), self.conditional_base)
    }
    /// The flow over pictures of shape `event` (height, width, channels).
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the setting; a height or width that the levels do not divide is one.
    pub fn assemble_picture(&self, event: [usize; 3], context: usize) -> Result<Architecture> {
        check_steps("realnvp.steps", self.steps)?;
        check_levels("realnvp.levels", self.levels, self.levels.saturating_sub(1), event)?;
        let hidden = self.hidden.first().copied().unwrap_or(32);
        let layers = |channels: usize, masks: [Mask; 2], squeeze: bool| {
            (0..self.steps).map(move |k| {
                let coupling = BijectorConfig::Coupling(CouplingConfig {
                    channels,
                    mask: masks[k % 2].clone(),
                    transform: self.transform,
                    conditioner: ConditionerConfig::Conv { hidden, activation: self.activation },
                    context,
                });
                let squeeze = (squeeze && k == 0).then_some(BijectorConfig::Squeeze);
                let steps = [squeeze, Some(coupling), self.norm.layer(channels)];
                BijectorConfig::Chain { steps: steps.into_iter().flatten().collect() }
            })
        };
        let boards = [Mask::CheckerboardEven, Mask::CheckerboardOdd];
        let (mut levels, mut splits, mut channels) = (Vec::new(), Vec::new(), event[2]);
        for level in 1..=self.levels {
            let mut steps: Vec<_> = layers(channels, boards.clone(), false).collect();
            if level < self.levels {
                channels *= 4;
                steps.extend(layers(channels, [Mask::FirstHalf, Mask::SecondHalf], true));
                let split = SplitConfig { channels, prior: self.split, context };
                channels = split.kept();
                splits.push(split);
            }
            levels.push(steps);
        }
        with_base(Architecture { event, context, levels, splits, base: self.base.clone() }, self.conditional_base)
    }
}
