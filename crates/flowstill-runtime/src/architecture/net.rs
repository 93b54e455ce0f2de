//! Describe the networks of couplings and autoregressive layers.

use super::{Range, Role, Univariate, Visit};
use crate::{Error, Result};
use flowstill_kernels::windows::WINDOW;
use serde::{Deserialize, Serialize};

/// The nonlinearity between layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`, the default.
    #[default]
    Relu,
    /// `tanh(x)`, the MAF paper's choice on GAS.
    Tanh,
    /// `x * sigmoid(x)`.
    Silu,
}

/// Which network a coupling layer asks for its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConditionerConfig {
    /// `hidden.len() + 1` linear layers.
    Mlp {
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// The nonlinearity.
        #[serde(default)]
        activation: Activation,
    },
    /// A linear layer, `blocks` pre-activation residual blocks of two linears each, a linear layer (as in Neural Spline Flows).
    Residual {
        /// Width.
        hidden: usize,
        /// Number of blocks.
        blocks: usize,
        /// The nonlinearity.
        #[serde(default)]
        activation: Activation,
    },
    /// Convolutions 3x3, 1x1, 3x3 with normalisations between them, as in Glow on pictures.
    Conv {
        /// Channels of the two hidden layers.
        hidden: usize,
        /// The nonlinearity.
        #[serde(default)]
        activation: Activation,
    },
    /// One 3x3 convolution, zero at the start: the prior of Glow's splits.
    ZeroConv,
}

impl Default for ConditionerConfig {
    fn default() -> Self {
        ConditionerConfig::Mlp { hidden: two_of_64(), activation: Activation::Relu }
    }
}

impl ConditionerConfig {
    /// Check every range; `name` is what errors call the setting.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting.
    pub fn check(&self, name: &str) -> Result<()> {
        let widths = match self {
            ConditionerConfig::Mlp { hidden, .. } => hidden.as_slice(),
            ConditionerConfig::Residual { hidden, .. } | ConditionerConfig::Conv { hidden, .. } => {
                std::slice::from_ref(hidden)
            }
            ConditionerConfig::ZeroConv => &[],
        };
        if let ConditionerConfig::Residual { blocks, .. } = self
            && *blocks > MOST_BLOCKS
        {
            let problem = format!("{blocks} residual blocks");
            return Err(Error::config(format!("{name}.blocks"), problem, format!("use 0 to {MOST_BLOCKS}")));
        }
        check_widths(&format!("{name}.hidden"), widths)
    }

    /// Widths of the hidden layers of a perceptron.
    pub fn hidden(&self) -> Vec<usize> {
        match self {
            ConditionerConfig::Mlp { hidden, .. } => hidden.clone(),
            ConditionerConfig::Residual { hidden, blocks, .. } => vec![*hidden; 1 + 2 * blocks],
            ConditionerConfig::Conv { .. } | ConditionerConfig::ZeroConv => Vec::new(),
        }
    }

    /// The tensors of the network from `inputs` (conditioning values among them) to `outputs`.
    pub(super) fn tensors(&self, inputs: usize, outputs: usize, visit: &mut Visit<'_>) {
        match self {
            ConditionerConfig::Mlp { hidden, .. } => dense(inputs, hidden.iter().copied(), outputs, visit),
            ConditionerConfig::Residual { hidden, blocks, .. } => {
                dense(inputs, std::iter::repeat_n(*hidden, 1 + 2 * blocks), outputs, visit);
            }
            ConditionerConfig::Conv { hidden, .. } => {
                for (index, shape) in [[WINDOW, inputs, *hidden], [1, *hidden, *hidden]].iter().enumerate() {
                    let path = format_args!("net.conv.hidden.{index}");
                    visit(format_args!("{path}.weight"), shape, Role::Trainable, Range::Finite);
                    for name in ["shift", "log_scale"] {
                        visit(format_args!("{path}.{name}"), &[*hidden], Role::Trainable, Range::Finite);
                    }
                    visit(format_args!("{path}.initialized"), &[1], Role::Buffer, Range::Flag);
                }
                zero_conv("net", *hidden, outputs, visit);
            }
            ConditionerConfig::ZeroConv => zero_conv("net", inputs, outputs, visit),
        }
    }
}

/// The tensors of a single zero convolution.
pub(super) fn zero_conv(net: &str, inputs: usize, outputs: usize, visit: &mut Visit<'_>) {
    let path = format_args!("{net}.conv.last");
    visit(format_args!("{path}.weight"), &[inputs, WINDOW, outputs], Role::Trainable, Range::Finite);
    for name in ["bias", "log_scale"] {
        visit(format_args!("{path}.{name}"), &[outputs], Role::Trainable, Range::Finite);
    }
}

fn dense(inputs: usize, hidden: impl Iterator<Item = usize>, outputs: usize, visit: &mut Visit<'_>) {
    let mut before = inputs;
    for (index, width) in hidden.chain([outputs]).enumerate() {
        visit(format_args!("net.layers.{index}.weight"), &[before, width], Role::Trainable, Range::Finite);
        visit(format_args!("net.layers.{index}.bias"), &[width], Role::Trainable, Range::Finite);
        before = width;
    }
}

/// What rebuilds a masked network (MADE, Germain et al. 2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeConfig {
    /// Widths of the hidden layers, from the input on; none makes the net linear. Default: two of 64.
    #[serde(default = "two_of_64")]
    pub hidden: Vec<usize>,
    /// The nonlinearity. Default: relu.
    #[serde(default)]
    pub activation: Activation,
    /// A first layer, then pre-activation residual blocks of two layers each, as in Neural Spline Flows; `hidden` must then hold an odd
    /// number of equal widths. Default: false.
    #[serde(default)]
    pub residual: bool,
}

fn two_of_64() -> Vec<usize> {
    vec![64, 64]
}

impl Default for MadeConfig {
    fn default() -> Self {
        Self { hidden: two_of_64(), activation: Activation::default(), residual: false }
    }
}

impl MadeConfig {
    /// Check every range; `name` is what errors call the setting.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting.
    pub fn check(&self, name: &str) -> Result<()> {
        let name = format!("{name}.hidden");
        check_widths(&name, &self.hidden)?;
        let equal = self.hidden.windows(2).all(|pair| pair[0] == pair[1]);
        if self.residual && (!equal || self.hidden.len().is_multiple_of(2)) {
            let problem = format!("{:?} with residual blocks", self.hidden);
            let remedy = "use an odd number of equal widths: one, and two for every block";
            return Err(Error::config(name, problem, remedy));
        }
        Ok(())
    }

    /// The tensors of the network over `channels` values of a map, with `context` conditioning ones.
    pub(super) fn tensors(&self, channels: usize, context: usize, transform: Univariate, visit: &mut Visit<'_>) {
        let outputs = channels * transform.params();
        dense(channels, self.hidden.iter().copied(), outputs, visit);
        if context > 0 {
            let first = self.hidden.first().copied().unwrap_or(outputs);
            visit(format_args!("net.context"), &[context, first], Role::Trainable, Range::Finite);
        }
    }
}

/// A width past which a layer is surely a slip, or a forgery.
const MOST_WIDTH: usize = 65_536;
/// The same for residual blocks of one net.
const MOST_BLOCKS: usize = 1_000;

fn check_widths(name: &str, widths: &[usize]) -> Result<()> {
    match widths.iter().find(|width| !(1..=MOST_WIDTH).contains(*width)) {
        Some(width) => Err(Error::config(name, format!("a width of {width}"), format!("use 1 to {MOST_WIDTH}"))),
        None => Ok(()),
    }
}
