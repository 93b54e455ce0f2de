//! Read what a flow is made of, as a flow file describes it.
//!
//! These types mirror the `architecture` of a flow file, field by field. Whatever is unknown here makes reading fail, never run differently.

use serde::Deserialize;

/// Everything that rebuilds a flow, weights aside.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Height, width and channels of one sample.
    pub event: [usize; 3],
    /// Conditioning values.
    pub context: usize,
    /// The steps of every level, data side first.
    pub levels: Vec<Vec<Bijector>>,
    /// What lets channels leave after each level but the last.
    #[serde(default)]
    pub splits: Vec<Split>,
    /// The density of the last level's latents.
    pub base: Base,
}

impl Architecture {
    /// The shape of the latents of every level, of an architecture whose sizes fit.
    pub(crate) fn latents(&self) -> Vec<[usize; 3]> {
        fn after(event: [usize; 3], bijector: &Bijector) -> [usize; 3] {
            match bijector {
                Bijector::Squeeze => [event[0] / 2, event[1] / 2, 4 * event[2]],
                Bijector::Chain { steps } => steps.iter().fold(event, after),
                Bijector::Inverted { inner } => before(event, inner),
                _ => event,
            }
        }
        fn before(event: [usize; 3], bijector: &Bijector) -> [usize; 3] {
            match bijector {
                Bijector::Squeeze => [2 * event[0], 2 * event[1], event[2] / 4],
                Bijector::Chain { steps } => steps.iter().rev().fold(event, before),
                Bijector::Inverted { inner } => after(event, inner),
                _ => event,
            }
        }
        let (mut event, mut out) = (self.event, Vec::new());
        for (index, steps) in self.levels.iter().enumerate() {
            event = steps.iter().fold(event, after);
            let kept = self.splits.get(index).map_or(0, |split| split.channels / 2);
            out.push([event[0], event[1], event[2] - kept]);
            event[2] = kept;
        }
        out
    }
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "bijector", rename_all = "snake_case")]
pub enum Bijector {
    /// `z = (x + shift) exp(log_scale)` per channel.
    ActNorm {
        /// Channels.
        channels: usize,
    },
    /// The same.
    Affine {
        /// Channels.
        channels: usize,
    },
    /// `z = (x - mean) exp(log_gamma) / sqrt(variance + 1e-5) + beta`.
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
    /// Latent channel `i` is data channel `indices[i]`.
    Permute {
        /// Where each channel comes from.
        indices: Vec<usize>,
    },
    /// A fixed function of every value.
    Elementwise {
        /// Which.
        map: ElementwiseMap,
    },
    /// Part of the channels moved by a network of the others.
    Coupling(Coupling),
    /// Every channel moved by a network of those before it.
    MaskedAutoregressive(Autoregressive),
    /// Every 2x2 block of positions becomes one position.
    Squeeze,
    /// Another layer, turned round.
    Inverted {
        /// The layer.
        inner: Box<Bijector>,
    },
    /// Several layers, data side first.
    Chain {
        /// The layers.
        steps: Vec<Bijector>,
    },
}

/// A fixed function of every value, from data to latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementwiseMap {
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `log(x / (1 - x))`.
    Logit,
    /// `tanh(x)`.
    Tanh,
    /// `atanh(x)`.
    Atanh,
}

/// Which channels (or positions) of a coupling condition the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// The first half conditions.
    #[default]
    FirstHalf,
    /// The second half conditions.
    SecondHalf,
    /// Even channels condition.
    Even,
    /// Odd channels condition.
    Odd,
    /// Positions of even parity condition.
    CheckerboardEven,
    /// Positions of odd parity condition.
    CheckerboardOdd,
    /// The first so many channels condition.
    Below(usize),
}

impl Mask {
    /// Whether positions are halved instead of channels.
    pub fn is_spatial(&self) -> bool {
        matches!(self, Mask::CheckerboardEven | Mask::CheckerboardOdd)
    }

    /// The channels that condition and those that move; `None` for masks over positions.
    pub fn halves(&self, channels: usize) -> Option<(Vec<usize>, Vec<usize>)> {
        let conditions = |i: usize| match self {
            Mask::FirstHalf => Some(i < channels / 2),
            Mask::SecondHalf => Some(i >= channels.div_ceil(2)),
            Mask::Even => Some(i.is_multiple_of(2)),
            Mask::Odd => Some(!i.is_multiple_of(2)),
            Mask::Below(first) => Some(i < *first),
            Mask::CheckerboardEven | Mask::CheckerboardOdd => None,
        };
        conditions(0)?;
        Some((0..channels).partition(|i| conditions(*i) == Some(true)))
    }
}

/// A coupling.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coupling {
    /// Channels.
    pub channels: usize,
    /// Which half conditions.
    #[serde(default)]
    pub mask: Mask,
    /// What moves a value.
    #[serde(default)]
    pub transform: Univariate,
    /// The network.
    #[serde(default)]
    pub conditioner: Conditioner,
    /// Conditioning values.
    #[serde(default)]
    pub context: usize,
}

/// A masked autoregressive layer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autoregressive {
    /// Channels.
    pub channels: usize,
    /// What moves a value.
    #[serde(default)]
    pub transform: Univariate,
    /// The masked network.
    #[serde(default)]
    pub made: Made,
    /// Conditioning values.
    #[serde(default)]
    pub context: usize,
}

/// A masked network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Widths of the hidden layers.
    #[serde(default = "two_of_64")]
    pub hidden: Vec<usize>,
    /// The nonlinearity.
    #[serde(default)]
    pub activation: Activation,
    /// Whether layers join into residual blocks.
    #[serde(default)]
    pub residual: bool,
}

fn two_of_64() -> Vec<usize> {
    vec![64, 64]
}

impl Default for Made {
    fn default() -> Self {
        Self { hidden: two_of_64(), activation: Activation::default(), residual: false }
    }
}

/// The nonlinearity between layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`.
    #[default]
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// `x sigmoid(x)`.
    Silu,
}

/// The network of a coupling.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Conditioner {
    /// A perceptron.
    Mlp {
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// The nonlinearity.
        #[serde(default)]
        activation: Activation,
    },
    /// A residual perceptron.
    Residual {
        /// Width.
        hidden: usize,
        /// Blocks of two layers.
        blocks: usize,
        /// The nonlinearity.
        #[serde(default)]
        activation: Activation,
    },
    /// 3x3 - 1x1 - 3x3.
    Conv {
        /// Hidden channels.
        hidden: usize,
        /// The nonlinearity.
        #[serde(default)]
        activation: Activation,
    },
    /// One 3x3 convolution.
    ZeroConv,
}

impl Default for Conditioner {
    fn default() -> Self {
        Conditioner::Mlp { hidden: two_of_64(), activation: Activation::Relu }
    }
}

/// From a raw value to a log-scale.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScaleMap {
    /// `bound tanh(raw / bound)`.
    Tanh {
        /// The largest log-scale.
        bound: f64,
    },
    /// `raw / (1 + |raw / bound|)`.
    Softsign {
        /// The limit of the log-scale.
        bound: f64,
    },
    /// `log(sigmoid(raw + 2) + floor)`.
    Sigmoid {
        /// Added to the sigmoid.
        floor: f64,
    },
    /// `raw`.
    Exp,
}

impl Default for ScaleMap {
    fn default() -> Self {
        ScaleMap::Tanh { bound: 2.0 }
    }
}

/// A monotone map of one value.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Univariate {
    /// `z = (x + t) exp(s)`.
    Affine {
        /// What `s` comes from.
        #[serde(default)]
        scale: ScaleMap,
    },
    /// `z = x + t`.
    Additive,
    /// A rational-quadratic spline.
    RationalQuadratic {
        /// Bins.
        #[serde(default = "eight")]
        bins: usize,
        /// Half of the interval.
        #[serde(default = "three")]
        tail_bound: f64,
    },
}

fn eight() -> usize {
    8
}

fn three() -> f64 {
    3.0
}

impl Default for Univariate {
    fn default() -> Self {
        Univariate::Affine { scale: ScaleMap::default() }
    }
}

/// What lets channels leave between two levels.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Channels before the split; the first half, rounded down, stays.
    pub channels: usize,
    /// What the leaving half is standardised by.
    #[serde(default)]
    pub prior: SplitPrior,
    /// Conditioning values.
    #[serde(default)]
    pub context: usize,
}

/// What the leaving half of a split is standardised by.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitPrior {
    /// Nothing.
    Standard,
    /// A shift and a scale from the half that stays.
    Learned {
        /// What the log-scale comes from.
        scale: ScaleMap,
    },
}

impl Default for SplitPrior {
    fn default() -> Self {
        SplitPrior::Learned { scale: ScaleMap::Tanh { bound: 5.0 } }
    }
}

/// The density of the last level's latents.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Base {
    /// Independent standard normals.
    #[default]
    StandardNormal,
    /// Independent normals.
    DiagonalNormal,
    /// A mixture of diagonal normals.
    Mixture {
        /// Components.
        components: usize,
    },
    /// Uniform on an interval.
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}
