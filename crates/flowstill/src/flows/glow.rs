//! Assemble GLOW: activation normalisation, a learned mixing of the channels, an affine coupling.

use super::Architecture;
use super::named::{check_steps, with_base};
use crate::base::BaseConfig;
use crate::bijectors::{BijectorConfig, CouplingConfig, Mask, SplitConfig, SplitPrior, Univariate};
use crate::conditioners::{Activation, ConditionerConfig};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// GLOW (Kingma and Dhariwal 2018): on pictures with levels of squeeze, steps and split, on tables one level of steps, as distilled by Walton et
/// al. 2025.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GlowConfig {
    /// Steps K, of each level; default 5.
    pub steps: usize,
    /// Levels L of a flow on pictures, each of which halves height and width; default 3. On tables it is not used.
    pub levels: usize,
    /// Width of the coupling networks; default 32.
    pub hidden: usize,
    /// Linear layers of each coupling network on tables, at least 1; default 6, as in the distillation paper's code. On pictures the
    /// networks are convolutions 3x3, 1x1, 3x3.
    pub layers: usize,
    /// Nonlinearity; default `relu`.
    pub activation: Activation,
    /// Map of the transformed half; default affine with bounded log-scale. Additive and splines work too.
    pub transform: Univariate,
    /// Keep the mixing as LU factors; default true. False learns the plain matrix.
    pub lu: bool,
    /// Prior of the half that leaves after each level; default learned, from the half that stays.
    pub split: SplitPrior,
    /// Density of the latents; default standard normal.
    pub base: BaseConfig,
    /// Let the mean and the scale of the latents (over pictures: of the last level's channels) depend linearly on the context, for class-conditional priors and
    /// conditional densities; default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional_base: bool,
}

impl Default for GlowConfig {
    fn default() -> Self {
        Self {
            steps: 5,
            levels: 3,
            hidden: 32,
            layers: 6,
            activation: Activation::Relu,
            transform: Univariate::default(),
            lu: true,
            split: SplitPrior::default(),
            base: BaseConfig::StandardNormal,
            conditional_base: false,
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
        let conditioner =
            ConditionerConfig::Mlp { hidden: vec![self.hidden; self.layers - 1], activation: self.activation };
        let step = BijectorConfig::Chain { steps: self.step(columns, context, conditioner) };
        with_base(
            Architecture::table(columns, context, vec![step; self.steps], self.base.clone()),
            self.conditional_base,
        )
    }

    /// The flow over pictures of shape `event` (height, width, channels): every level squeezes, takes K steps, and all but the last let half of
    /// the channels leave.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting; a height or width that the levels do not divide is one.
    pub fn assemble_picture(&self, event: [usize; 3], context: usize) -> Result<Architecture> {
        check_steps("glow.steps", self.steps)?;
        check_levels("glow.levels", self.levels, self.levels, event)?;
        let conditioner = ConditionerConfig::Conv { hidden: self.hidden, activation: self.activation };
        let (mut levels, mut splits, mut channels) = (Vec::new(), Vec::new(), event[2]);
        for level in 1..=self.levels {
            channels *= 4;
            let step = self.step(channels, context, conditioner.clone());
            let mut first = vec![BijectorConfig::Squeeze];
            first.extend(step.clone());
            let rest = vec![BijectorConfig::Chain { steps: step }; self.steps - 1];
            levels.push([vec![BijectorConfig::Chain { steps: first }], rest].concat());
            if level < self.levels {
                let split = SplitConfig { channels, prior: self.split, context };
                channels = split.kept();
                splits.push(split);
            }
        }
        with_base(Architecture { event, context, levels, splits, base: self.base.clone() }, self.conditional_base)
    }

    fn step(&self, channels: usize, context: usize, conditioner: ConditionerConfig) -> Vec<BijectorConfig> {
        vec![
            BijectorConfig::ActNorm { channels },
            match self.lu {
                true => BijectorConfig::LuLinear { channels },
                false => BijectorConfig::Linear { channels },
            },
            BijectorConfig::Coupling(CouplingConfig {
                channels,
                mask: Mask::FirstHalf,
                transform: self.transform,
                conditioner,
                context,
            }),
        ]
    }
}

/// Refuse pictures that cannot be halved as often as there are levels.
pub(super) fn check_levels(name: &str, levels: usize, halvings: usize, event: [usize; 3]) -> Result<()> {
    let [h, w, c] = event;
    if !(1..=10).contains(&levels) {
        return Err(Error::config(name, format!("{levels} levels"), "use 1 to 10"));
    }
    let unit = 1 << halvings;
    if h == 0 || w == 0 || c == 0 || h % unit != 0 || w % unit != 0 {
        return Err(Error::config(
            name,
            format!("{levels} levels halve height and width {halvings} times, and {h}x{w} is no multiple of {unit}"),
            "use fewer levels, or crop or resize the pictures",
        ));
    }
    Ok(())
}
