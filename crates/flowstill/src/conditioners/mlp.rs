//! Choose the network of a coupling: a plain or residual perceptron on the last axis alone, or a convolution.

use super::convnet::ConvNet;
use super::{Activation, Dense};
use crate::Error;
use crate::shape::{context_rows, from_rows, positions, to_rows};
use burn::tensor::{Device, Tensor};
use rand::RngCore;
use serde::{Deserialize, Serialize};

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
        ConditionerConfig::Mlp { hidden: vec![64, 64], activation: Activation::Relu }
    }
}

impl ConditionerConfig {
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let (widths, least): (Vec<usize>, usize) = match self {
            ConditionerConfig::Mlp { hidden, .. } => (hidden.clone(), 1),
            ConditionerConfig::Residual { hidden, .. } | ConditionerConfig::Conv { hidden, .. } => (vec![*hidden], 1),
            ConditionerConfig::ZeroConv => (Vec::new(), 1),
        };
        match widths.iter().find(|&&width| !(least..=65_536).contains(&width)) {
            Some(width) => {
                Err(Error::config(format!("{name}.hidden"), format!("a width of {width}"), "use 1 to 65536"))
            }
            None => Ok(()),
        }
    }
}

/// A network from `[batch, h, w, inputs]` and an optional context `[batch, context]` to `[batch, h, w, outputs]`. Its last layer starts at zero.
#[doc(alias = "hypernet")]
#[doc(alias = "transform_net")]
#[derive(Clone, Debug)]
pub struct Conditioner {
    config: ConditionerConfig,
    layers: Vec<Dense>,
    conv: Option<ConvNet>,
}

crate::parameters!(Conditioner { layers, conv });

impl Conditioner {
    /// Random hidden layers, a last layer of zeros.
    pub fn new(
        config: &ConditionerConfig,
        inputs: usize,
        context: usize,
        outputs: usize,
        rng: &mut impl RngCore,
        device: &Device,
    ) -> Self {
        let mut layers = Vec::new();
        let mut conv = |hidden, activation| {
            let net = ConvNet::new(inputs + context, hidden, outputs, activation, &mut *rng, device);
            Self { config: config.clone(), layers: Vec::new(), conv: Some(net) }
        };
        let widths = match config {
            ConditionerConfig::Mlp { hidden, .. } => hidden.clone(),
            ConditionerConfig::Residual { hidden, blocks, .. } => vec![*hidden; 1 + 2 * blocks],
            ConditionerConfig::Conv { hidden, activation } => return conv(Some(*hidden), *activation),
            ConditionerConfig::ZeroConv => return conv(None, Activation::default()),
        };
        let mut width = inputs + context;
        for &next in &widths {
            layers.push(Dense::new(width, next, rng, device));
            width = next;
        }
        layers.push(Dense::zeros(width, outputs, device));
        Self { config: config.clone(), layers, conv: None }
    }

    /// Evaluate.
    pub fn forward(&self, x: Tensor<4>, context: Option<&Tensor<2>>) -> Tensor<4> {
        let at = positions(&x);
        let mut rows = to_rows(x);
        if let Some(context) = context {
            rows = Tensor::cat(vec![rows, context_rows(context, at)], 1);
        }
        if let Some(conv) = &self.conv {
            return conv.forward(from_rows(rows, at));
        }
        let (last, hidden) = self.layers.split_last().expect("a conditioner has at least its last layer");
        let rows = match &self.config {
            ConditionerConfig::Mlp { activation, .. } => {
                hidden.iter().fold(rows, |rows, layer| activation.apply(layer.forward(rows)))
            }
            ConditionerConfig::Residual { activation, .. } => {
                let (first, blocks) = hidden.split_first().expect("a residual net has a first layer");
                blocks.chunks_exact(2).fold(first.forward(rows), |rows, pair| {
                    let inner = activation.apply(pair[0].forward(activation.apply(rows.clone())));
                    rows + pair[1].forward(inner)
                })
            }
            ConditionerConfig::Conv { .. } | ConditionerConfig::ZeroConv => rows,
        };
        from_rows(last.forward(rows), at)
    }

    /// Set data-dependent normalisations from a batch, once; perceptrons have none.
    pub fn initialize(&mut self, x: &Tensor<4>, context: Option<&Tensor<2>>) {
        let Some(conv) = &mut self.conv else { return };
        let at = positions(x);
        let x = match context {
            Some(context) => from_rows(Tensor::cat(vec![to_rows(x.clone()), context_rows(context, at)], 1), at),
            None => x.clone(),
        };
        conv.initialize(&x);
    }

    /// What rebuilds this network.
    pub fn config(&self) -> &ConditionerConfig {
        &self.config
    }
}
