//! Describe any stack of bijectors as data, and build it.

use super::*;
use crate::{Error, Result};
use burn::tensor::Device;
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// What rebuilds a bijector, weights aside. It is written into every flow file, so variants and fields may be added but never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "bijector", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BijectorConfig {
    /// [`ActNorm`].
    ActNorm {
        /// Channels.
        channels: usize,
    },
    /// [`Affine`].
    Affine {
        /// Channels.
        channels: usize,
    },
    /// [`BatchNorm`].
    BatchNorm {
        /// Channels.
        channels: usize,
    },
    /// [`Linear`].
    Linear {
        /// Channels.
        channels: usize,
    },
    /// [`LuLinear`].
    LuLinear {
        /// Channels.
        channels: usize,
    },
    /// [`Permute`].
    Permute {
        /// Latent channel `i` is data channel `indices[i]`.
        indices: Vec<usize>,
    },
    /// [`Elementwise`].
    Elementwise {
        /// The function.
        map: ElementwiseMap,
    },
    /// [`Coupling`].
    Coupling(CouplingConfig),
    /// [`MaskedAutoregressive`].
    MaskedAutoregressive(MaskedAutoregressiveConfig),
    /// [`Squeeze`].
    Squeeze,
    /// [`Inverted`].
    Inverted {
        /// The bijector that is turned round.
        inner: Box<BijectorConfig>,
    },
    /// [`Chain`].
    Chain {
        /// The parts, data side first.
        steps: Vec<BijectorConfig>,
    },
    /// A layer of the user's own, known by its name and shape alone: only the program that has it can make it, so no file holds one.
    #[serde(skip)]
    Own {
        /// [`Bijector::name`].
        name: String,
        /// Height, width and channels before it.
        input: [usize; 3],
        /// Height, width and channels after it.
        output: [usize; 3],
    },
}

impl BijectorConfig {
    /// Check the settings and build the layer with fresh weights from `rng`.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that is out of range.
    pub fn build(&self, rng: &mut impl RngCore, device: &Device) -> Result<Box<dyn Bijector>> {
        // A closed function with a trait object keeps the recursion from instantiating itself for ever.
        build(self, rng, device)
    }

    /// How many channels the layer works on; `None` where any number will do.
    pub fn channels(&self) -> Option<usize> {
        match self {
            Self::ActNorm { channels } | Self::Affine { channels } | Self::BatchNorm { channels } => Some(*channels),
            Self::Linear { channels } | Self::LuLinear { channels } => Some(*channels),
            Self::Permute { indices } => Some(indices.len()),
            Self::Elementwise { .. } | Self::Squeeze | Self::Own { .. } => None,
            Self::Coupling(config) => Some(config.channels),
            Self::MaskedAutoregressive(config) => Some(config.channels),
            Self::Inverted { inner } => inner.channels(),
            Self::Chain { steps } => steps.iter().find_map(Self::channels),
        }
    }

    /// Check that the layer fits states of shape `event` (height, width, channels) and `context` conditioning values; the shape that it makes
    /// of such a state.
    ///
    /// # Errors
    /// [`Error::Shape`] says what does not fit.
    pub fn output_event(&self, event: [usize; 3], context: usize) -> Result<[usize; 3]> {
        let [h, w, c] = event;
        let wrong = |expected: String, got: String| Err(Error::shape(format!("layer {}", self.name()), expected, got));
        match self {
            Self::Chain { steps } => steps.iter().try_fold(event, |event, step| step.output_event(event, context)),
            Self::Inverted { inner } => match inner.as_ref() {
                Self::Squeeze if c % 4 == 0 => Ok([2 * h, 2 * w, c / 4]),
                Self::Squeeze => wrong("a multiple of 4 channels".into(), format!("{c}")),
                Self::Chain { steps } => steps.iter().rev().try_fold(event, |event, step| {
                    Self::Inverted { inner: Box::new(step.clone()) }.output_event(event, context)
                }),
                Self::Inverted { inner } => inner.output_event(event, context),
                inner => inner.output_event(event, context),
            },
            Self::Own { input, output, .. } if *input == event => Ok(*output),
            Self::Own { input, .. } => wrong(format!("{input:?}"), format!("{event:?}")),
            Self::Squeeze if h % 2 == 0 && w % 2 == 0 => Ok([h / 2, w / 2, 4 * c]),
            Self::Squeeze => wrong(
                "an even height and width (crop or resize the pictures, or use fewer levels)".into(),
                format!("{h}x{w}"),
            ),
            Self::Coupling(config) if config.mask.is_spatial() && h * w < 2 => {
                wrong("a picture of at least 2 positions, for a checkerboard".into(), format!("{h}x{w}"))
            }
            _ => {
                if let Some(own) = self.channels().filter(|own| *own != c) {
                    return wrong(format!("{c} channels"), format!("{own}"));
                }
                match self.context() {
                    Some(own) if own != context => wrong(format!("{context} conditioning values"), format!("{own}")),
                    _ => Ok(event),
                }
            }
        }
    }

    fn context(&self) -> Option<usize> {
        match self {
            Self::Coupling(config) => Some(config.context),
            Self::MaskedAutoregressive(config) => Some(config.context),
            _ => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::ActNorm { .. } => "act_norm",
            Self::Affine { .. } => "affine",
            Self::BatchNorm { .. } => "batch_norm",
            Self::Linear { .. } => "linear",
            Self::LuLinear { .. } => "lu_linear",
            Self::Permute { .. } => "permute",
            Self::Elementwise { .. } => "elementwise",
            Self::Coupling(_) => "coupling",
            Self::MaskedAutoregressive(_) => "masked_autoregressive",
            Self::Squeeze => "squeeze",
            Self::Inverted { .. } => "inverted",
            Self::Chain { .. } => "chain",
            Self::Own { name, .. } => name,
        }
    }
}

/// Build several, in order.
///
/// # Errors
/// [`Error::Config`] names the setting that is out of range.
pub fn build_all(
    configs: &[BijectorConfig],
    rng: &mut impl RngCore,
    device: &Device,
) -> Result<Vec<Box<dyn Bijector>>> {
    configs.iter().map(|config| config.build(rng, device)).collect()
}

fn build(config: &BijectorConfig, mut rng: &mut dyn RngCore, device: &Device) -> Result<Box<dyn Bijector>> {
    let rng = &mut rng;
    if config.channels().is_some_and(|channels| channels == 0 || channels > 1 << 20) {
        return Err(Error::config("channels", "zero or more than a million channels", "check the shape of the data"));
    }
    Ok(match config {
        BijectorConfig::ActNorm { channels } => Box::new(ActNorm::new(*channels, device)),
        BijectorConfig::Affine { channels } => Box::new(Affine::new(*channels, device)),
        BijectorConfig::BatchNorm { channels } => Box::new(BatchNorm::new(*channels, device)),
        BijectorConfig::Linear { channels } => Box::new(Linear::new(*channels, rng, device)),
        BijectorConfig::LuLinear { channels } => Box::new(LuLinear::new(*channels, rng, device)),
        BijectorConfig::Permute { indices } => {
            let mut seen = indices.clone();
            seen.sort_unstable();
            if seen.iter().enumerate().any(|(i, &j)| i != j) {
                return Err(Error::config("permute.indices", "not a permutation", "name every channel from 0 once"));
            }
            Box::new(Permute::new(indices.clone()))
        }
        BijectorConfig::Elementwise { map } => Box::new(Elementwise::new(*map)),
        BijectorConfig::Coupling(config) => {
            config.check()?;
            Box::new(Coupling::new(config, rng, device))
        }
        BijectorConfig::MaskedAutoregressive(config) => {
            config.check()?;
            Box::new(MaskedAutoregressive::new(config, rng, device))
        }
        BijectorConfig::Squeeze => Box::new(Squeeze),
        BijectorConfig::Inverted { inner } => Box::new(Inverted::new(build(inner, rng, device)?)?),
        BijectorConfig::Chain { steps } => {
            let steps = steps.iter().map(|step| build(step, rng, device)).collect::<Result<_>>()?;
            Box::new(Chain::new(steps))
        }
        BijectorConfig::Own { name, .. } => {
            let problem = "is not of flowstill, which cannot make it";
            return Err(Error::config(format!("layer {name}"), problem, "hand it to Flow::from_bijectors"));
        }
    })
}
