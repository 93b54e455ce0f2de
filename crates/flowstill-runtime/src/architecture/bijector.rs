//! List every kind of layer, and describe each.

use super::descriptor::{Parts, Reshape};
use super::{
    CouplingConfig, Descriptor, MaskedAutoregressiveConfig, Range, Reordering, Role, SylvesterLayerConfig, Visit,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which function maps data to latents, value by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementwiseMap {
    /// `z = 1 / (1 + exp(-x))`, from the whole line into (0, 1).
    Sigmoid,
    /// `z = log(x / (1 - x))`, from (0, 1) to the whole line.
    Logit,
    /// `z = tanh(x)`, from the whole line into (-1, 1).
    Tanh,
    /// `z = atanh(x)`, from (-1, 1) to the whole line.
    Atanh,
}

/// What rebuilds a bijector, weights aside. It is written into every flow file, so variants and fields may be added but never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "bijector", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BijectorConfig {
    /// `z = (x + shift) exp(log_scale)` per channel, set once from data.
    ActNorm {
        /// Channels.
        channels: usize,
    },
    /// The same, learned from the start.
    Affine {
        /// Channels.
        channels: usize,
    },
    /// `z = (x - mean) exp(log_gamma) / sqrt(variance + 1e-5) + beta`, by stored statistics.
    BatchNorm {
        /// Channels.
        channels: usize,
    },
    /// `z = W x + b`.
    Linear {
        /// Channels.
        channels: usize,
    },
    /// The same with `W = P L U`.
    LuLinear {
        /// Channels.
        channels: usize,
    },
    /// Another fixed order of the channels.
    Permute {
        /// Latent channel `i` is data channel `indices[i]`.
        indices: Vec<usize>,
    },
    /// One fixed function of every value.
    Elementwise {
        /// The function.
        map: ElementwiseMap,
    },
    /// Part of the channels (or positions) moved by a network of the others.
    Coupling(CouplingConfig),
    /// Every channel moved by a network of those before it.
    MaskedAutoregressive(MaskedAutoregressiveConfig),
    /// A bounded function of a few orthogonal directions is added, within which every value is moved by those behind it.
    Sylvester(SylvesterLayerConfig),
    /// Every 2x2 block of positions becomes one position.
    Squeeze,
    /// Another layer, turned round.
    Inverted {
        /// The bijector that is turned round.
        inner: Box<BijectorConfig>,
    },
    /// Several layers, data side first.
    Chain {
        /// The parts, data side first.
        steps: Vec<BijectorConfig>,
    },
    /// A layer of the user's own, known by its name and shape alone: only the program that has it can make it, so no file holds one.
    #[serde(skip)]
    Own {
        /// What its author calls it.
        name: String,
        /// Height, width and channels before it.
        input: [usize; 3],
        /// Height, width and channels after it.
        output: [usize; 3],
    },
}

impl BijectorConfig {
    /// All that is known of the layer before it is built.
    pub fn describe(&self) -> Descriptor<'_> {
        use Range::{Finite, Flag, NonNegative, Permutation, Sign};
        use Role::{Buffer, Trainable};
        match self {
            Self::ActNorm { channels } => Descriptor::new("act_norm", Some(*channels)).with_tensors(|visit| {
                each(visit, &["shift", "log_scale"], &[*channels], Trainable, Finite);
                each(visit, &["initialized"], &[1], Buffer, Flag);
            }),
            Self::Affine { channels } => Descriptor::new("affine", Some(*channels))
                .with_tensors(|visit| each(visit, &["shift", "log_scale"], &[*channels], Trainable, Finite)),
            Self::BatchNorm { channels } => Descriptor::new("batch_norm", Some(*channels)).with_tensors(|visit| {
                each(visit, &["mean"], &[*channels], Buffer, Finite);
                each(visit, &["variance"], &[*channels], Buffer, NonNegative);
                each(visit, &["log_gamma", "beta"], &[*channels], Trainable, Finite);
                each(visit, &["initialized"], &[1], Buffer, Flag);
            }),
            Self::Linear { channels } => Descriptor::new("linear", Some(*channels)).mixed().with_tensors(|visit| {
                each(visit, &["weight"], &[*channels, *channels], Trainable, Finite);
                each(visit, &["bias"], &[*channels], Trainable, Finite);
            }),
            Self::LuLinear { channels } => {
                Descriptor::new("lu_linear", Some(*channels)).mixed().with_tensors(|visit| {
                    let square = [*channels, *channels];
                    each(visit, &["permutation"], &square, Buffer, Permutation);
                    each(visit, &["sign"], &[*channels], Buffer, Sign);
                    each(visit, &["lower", "upper"], &square, Trainable, Finite);
                    each(visit, &["log_s", "bias"], &[*channels], Trainable, Finite);
                })
            }
            Self::Permute { indices } => {
                let reordering = Reordering::Kept.then(Reordering::Permuted(indices.clone()));
                let descriptor = Descriptor::new("permute", Some(indices.len()));
                Descriptor { reordering, ..descriptor }.checked(|| check_permutation(indices))
            }
            Self::Elementwise { .. } => Descriptor::new("elementwise", None),
            Self::Coupling(config) => config.describe(),
            Self::MaskedAutoregressive(config) => config.describe(),
            Self::Sylvester(config) => config.describe(),
            Self::Squeeze => Descriptor { reshape: Reshape::Squeeze, ..Descriptor::new("squeeze", None) },
            Self::Own { name, input, output } => {
                Descriptor { reshape: Reshape::Own { input: *input, output: *output }, ..Descriptor::new(name, None) }
            }
            Self::Inverted { inner } => {
                let tensors = |visit: &mut Visit<'_>| {
                    let prefixed = &mut |name: std::fmt::Arguments<'_>, shape: &[usize], role, range| {
                        visit(format_args!("inner.{name}"), shape, role, range);
                    };
                    inner.describe().tensors(prefixed);
                };
                Descriptor { parts: Parts::Inverted(inner), ..Descriptor::new("inverted", None) }.with_tensors(tensors)
            }
            Self::Chain { steps } => {
                let tensors = |visit: &mut Visit<'_>| {
                    for (index, step) in steps.iter().enumerate() {
                        let prefixed = &mut |name: std::fmt::Arguments<'_>, shape: &[usize], role, range| {
                            visit(format_args!("steps.{index}.{name}"), shape, role, range);
                        };
                        step.describe().tensors(prefixed);
                    }
                };
                Descriptor { parts: Parts::Chain(steps), ..Descriptor::new("chain", None) }.with_tensors(tensors)
            }
        }
    }

    /// What files call the kind of layer.
    pub fn name(&self) -> &str {
        self.describe().name
    }

    /// How many channels the layer works on; `None` where any number will do.
    pub fn channels(&self) -> Option<usize> {
        let descriptor = self.describe();
        match descriptor.parts {
            Parts::None => descriptor.channels,
            Parts::Chain(steps) => steps.iter().find_map(Self::channels),
            Parts::Inverted(inner) => inner.channels(),
        }
    }

    /// How the layer rearranges the channels.
    pub fn reordering(&self) -> Reordering {
        let descriptor = self.describe();
        match descriptor.parts {
            Parts::None => descriptor.reordering,
            Parts::Chain(steps) => steps.iter().fold(Reordering::Kept, |before, step| before.then(step.reordering())),
            Parts::Inverted(inner) => inner.reordering().inverse(),
        }
    }

    /// Check the settings of the layer and of all its parts.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let descriptor = self.describe();
        match descriptor.parts {
            Parts::None => descriptor.check(),
            Parts::Chain(steps) => steps.iter().try_for_each(Self::check),
            Parts::Inverted(inner) => inner.check(),
        }
    }

    /// Check that the layer fits states of shape `event` (height, width, channels) and `context` conditioning values; the shape that it makes
    /// of such a state.
    ///
    /// # Errors
    /// [`Error::Shape`] says what does not fit.
    pub fn output_event(&self, event: [usize; 3], context: usize) -> Result<[usize; 3]> {
        let descriptor = self.describe();
        match descriptor.parts {
            Parts::None => descriptor.output_event(event, context),
            Parts::Chain(steps) => steps.iter().try_fold(event, |event, step| step.output_event(event, context)),
            Parts::Inverted(inner) => inner.input_event(event, context),
        }
    }

    /// The shape of the data that the layer makes latents of shape `event` from.
    ///
    /// # Errors
    /// As [`BijectorConfig::output_event`].
    pub fn input_event(&self, event: [usize; 3], context: usize) -> Result<[usize; 3]> {
        let descriptor = self.describe();
        match descriptor.parts {
            Parts::None => descriptor.input_event(event, context),
            Parts::Chain(steps) => steps.iter().rev().try_fold(event, |event, step| step.input_event(event, context)),
            Parts::Inverted(inner) => inner.output_event(event, context),
        }
    }
}

fn each(visit: &mut Visit<'_>, names: &[&str], shape: &[usize], role: Role, range: Range) {
    names.iter().for_each(|name| visit(format_args!("{name}"), shape, role, range));
}

fn check_permutation(indices: &[usize]) -> Result<()> {
    let mut seen = indices.to_vec();
    seen.sort_unstable();
    match seen.iter().enumerate().all(|(i, &j)| i == j) {
        true => Ok(()),
        false => Err(Error::config("permute.indices", "not a permutation", "name every channel from 0 once")),
    }
}
