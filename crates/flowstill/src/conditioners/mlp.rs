//! Choose the network of a coupling: a plain or residual perceptron on the last axis alone, or a convolution.

use super::convnet::ConvNet;
use super::dense::activate;
use super::{Activation, ConditionerConfig, Dense};
use crate::shape::{context_rows, from_rows, positions, to_rows};
use burn::tensor::{Device, Tensor};
use rand::RngCore;

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
        match config {
            ConditionerConfig::Conv { hidden, activation } => return conv(Some(*hidden), *activation),
            ConditionerConfig::ZeroConv => return conv(None, Activation::default()),
            ConditionerConfig::Mlp { .. } | ConditionerConfig::Residual { .. } => {}
        }
        let mut width = inputs + context;
        for next in config.hidden() {
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
        self.forward_rows(rows, at)
    }

    /// Evaluate a network whose only input is the context, at positions of `[batch, h, w]`.
    pub(crate) fn forward_context(&self, context: Option<&Tensor<2>>, at: [usize; 3]) -> Tensor<4> {
        let context = context.expect("checked by the flow: a layer without channels to see has a context");
        self.forward_rows(context_rows(context, at), at)
    }

    fn forward_rows(&self, rows: Tensor<2>, at: [usize; 3]) -> Tensor<4> {
        if let Some(conv) = &self.conv {
            return conv.forward(from_rows(rows, at));
        }
        let (last, hidden) = self.layers.split_last().expect("a conditioner has at least its last layer");
        let rows = match &self.config {
            ConditionerConfig::Mlp { activation, .. } => {
                hidden.iter().fold(rows, |rows, layer| activate(*activation, layer.forward(rows)))
            }
            ConditionerConfig::Residual { activation, .. } => {
                let (first, blocks) = hidden.split_first().expect("a residual net has a first layer");
                blocks.chunks_exact(2).fold(first.forward(rows), |rows, pair| {
                    let inner = activate(*activation, pair[0].forward(activate(*activation, rows.clone())));
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
