//! Condition every feature on the features before it, in one pass, by masked weights.

use super::dense::activate;
use super::{Dense, MadeConfig};
use crate::Param;
use crate::bijectors::Univariate;
use crate::random::symmetric;
use burn::tensor::{Device, Tensor};
use flowstill_runtime::hidden_degrees;
use rand::RngCore;

/// Raw transform parameters of feature `d` computed from the features before it and the context.
///
/// ```text
/// a_1 = x (W_1 * M_1) + b_1 + context V      a_{l+1} = act(a_l) (W_{l+1} * M_{l+1}) + b_{l+1}
/// M_l[i, j] = degree(j) >= degree(i) between inputs and hidden units, degree(j) > degree(i) into the outputs
/// ```
///
/// Feature `d` (from 1) and its outputs have degree `d`; hidden degrees cycle over `1..=channels - 1`, and over `0..=channels - 1` where
/// there is a context, so that the first feature sees it too (units of degree 0 see nothing else). They are sorted, so that the masks are
/// staircases. The last layer starts at zero.
///
/// Source: Germain et al. 2015, "MADE: Masked Autoencoder for Distribution Estimation", equations 12 and 13.
#[derive(Clone, Debug)]
pub struct Made {
    config: MadeConfig,
    layers: Vec<Dense>,
    masks: Vec<Param>,
    /// `V`, `[context, width of the first layer]`.
    context: Option<Param>,
}

crate::parameters!(Made { layers, masks, context });

impl Made {
    /// Random hidden layers, a last layer of zeros. Check the configuration first.
    pub fn new(
        config: &MadeConfig,
        channels: usize,
        context: usize,
        transform: &Univariate,
        rng: &mut impl RngCore,
        device: &Device,
    ) -> Self {
        let outputs: Vec<usize> =
            (0..channels * transform.params()).map(|output| transform.feature_of(output, channels) + 1).collect();
        let mut before: Vec<usize> = (1..=channels).collect();
        let (mut layers, mut masks) = (Vec::new(), Vec::new());
        for &width in &config.hidden {
            let after = hidden_degrees(width, channels, context > 0);
            layers.push(Dense::new(before.len(), width, rng, device));
            masks.push(mask(&before, &after, |from, to| to >= from, device));
            before = after;
        }
        layers.push(Dense::zeros(before.len(), outputs.len(), device));
        masks.push(mask(&before, &outputs, |from, to| to > from, device));
        let context = (context > 0).then(|| match config.hidden.first() {
            None => Param::zeros(&[context, outputs.len()], device),
            Some(&width) => {
                let bound = 1.0 / (context as f32).sqrt();
                Param::new(symmetric(context * width, bound, rng), &[context, width], device)
            }
        });
        Self { config: config.clone(), layers, masks, context }
    }

    /// `[rows, channels]` and an optional `[rows, context]` to `[rows, channels * params]`.
    pub fn forward(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let shift = self.context_shift(context);
        self.forward_shifted(x, shift.as_ref())
    }

    /// What the context adds to the first layer; computed once where the net runs many times on one context.
    pub fn context_shift(&self, context: Option<&Tensor<2>>) -> Option<Tensor<2>> {
        let weight = self.context.as_ref()?;
        Some(context?.clone().matmul(weight.tensor::<2>()))
    }

    /// [`forward`](Made::forward) with the context's share of the first layer computed before.
    pub fn forward_shifted(&self, x: Tensor<2>, shift: Option<&Tensor<2>>) -> Tensor<2> {
        self.run(x, shift)
    }

    fn run(&self, x: Tensor<2>, shift: Option<&Tensor<2>>) -> Tensor<2> {
        let layer = |index: usize, x: Tensor<2>| self.layers[index].forward_masked(x, &self.masks[index]);
        let activate = |x: Tensor<2>| activate(self.config.activation, x);
        let first = layer(0, x);
        let first = match shift {
            Some(shift) => first + shift.clone(),
            None => first,
        };
        let last = self.layers.len() - 1;
        if last == 0 {
            first
        } else if self.config.residual {
            // As in Neural Spline Flows, nothing bends between the last block and the last layer.
            let hidden = (1..last).step_by(2).fold(first, |rows, index| {
                let inner = layer(index, activate(rows.clone()));
                rows + layer(index + 1, activate(inner))
            });
            layer(last, hidden)
        } else {
            (1..=last).fold(first, |rows, index| layer(index, activate(rows)))
        }
    }

    /// What rebuilds this network.
    pub fn config(&self) -> &MadeConfig {
        &self.config
    }
}

fn mask(before: &[usize], after: &[usize], open: fn(usize, usize) -> bool, device: &Device) -> Param {
    let values = before.iter().flat_map(|&from| after.iter().map(move |&to| if open(from, to) { 1.0 } else { 0.0 }));
    Param::constant(values.collect(), &[before.len(), after.len()], device)
}
