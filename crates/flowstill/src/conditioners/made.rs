//! Condition every feature on the features before it, in one pass, by masked weights.

use super::{Activation, Dense};
use crate::bijectors::Univariate;
use crate::random::symmetric;
use crate::{Error, Param};
use burn::tensor::{Device, Tensor};
use flowstill_runtime::hidden_degrees;
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// What rebuilds a [`Made`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeConfig {
    /// Widths of the hidden layers, from the input on; none makes the net linear. Default: two of 64.
    #[serde(default = "default_hidden")]
    pub hidden: Vec<usize>,
    /// The nonlinearity. Default: relu.
    #[serde(default)]
    pub activation: Activation,
    /// A first layer, then pre-activation residual blocks of two layers each, as in Neural Spline Flows; `hidden` must then hold an odd
    /// number of equal widths. Default: false.
    #[serde(default)]
    pub residual: bool,
}

fn default_hidden() -> Vec<usize> {
    vec![64, 64]
}

impl Default for MadeConfig {
    fn default() -> Self {
        Self { hidden: default_hidden(), activation: Activation::default(), residual: false }
    }
}

impl MadeConfig {
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let name = format!("{name}.hidden");
        if let Some(width) = self.hidden.iter().find(|width| !(1..=65_536).contains(*width)) {
            return Err(Error::config(name, format!("a width of {width}"), "use 1 to 65536"));
        }
        let equal = self.hidden.windows(2).all(|pair| pair[0] == pair[1]);
        if self.residual && (!equal || self.hidden.len().is_multiple_of(2)) {
            let problem = format!("{:?} with residual blocks", self.hidden);
            return Err(Error::config(
                name,
                problem,
                "use an odd number of equal widths: one, and two for every block",
            ));
        }
        Ok(())
    }
}

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
    /// Degrees of every layer's outputs.
    degrees: Vec<Vec<usize>>,
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
        let (mut layers, mut masks, mut degrees) = (Vec::new(), Vec::new(), Vec::new());
        for &width in &config.hidden {
            let after = hidden_degrees(width, channels, context > 0);
            layers.push(Dense::new(before.len(), width, rng, device));
            masks.push(mask(&before, &after, |from, to| to >= from, device));
            degrees.push(after.clone());
            before = after;
        }
        layers.push(Dense::zeros(before.len(), outputs.len(), device));
        masks.push(mask(&before, &outputs, |from, to| to > from, device));
        degrees.push(outputs.clone());
        let context = (context > 0).then(|| match config.hidden.first() {
            None => Param::zeros(&[context, outputs.len()], device),
            Some(&width) => {
                let bound = 1.0 / (context as f32).sqrt();
                Param::new(symmetric(context * width, bound, rng), &[context, width], device)
            }
        });
        Self { config: config.clone(), layers, masks, degrees, context }
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
        self.run(x, shift, |_| {})
    }

    /// Evaluate, and show `before` what enters every nonlinearity, in order.
    fn run(&self, x: Tensor<2>, shift: Option<&Tensor<2>>, mut before: impl FnMut(&Tensor<2>)) -> Tensor<2> {
        let layer = |index: usize, x: Tensor<2>| self.layers[index].forward_masked(x, &self.masks[index]);
        let mut activate = |x: Tensor<2>| {
            before(&x);
            self.config.activation.apply(x)
        };
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

    /// The net's output at `x` and its linear part there, which carries many gradients back without a tape. No autodiff.
    pub(crate) fn linearize(&self, x: Tensor<2>, shift: Option<&Tensor<2>>) -> (Tensor<2>, Linearized) {
        let mut slopes = Vec::new();
        let raw = self.run(x, shift, |state| slopes.push(self.config.activation.slope(state.clone())));
        let weights = self.layers.iter().zip(&self.masks).map(|(layer, mask)| layer.masked_weight(mask).transpose());
        (raw, Linearized { weights: weights.collect(), slopes, residual: self.config.residual })
    }

    /// Flat weights (`[inputs, outputs]`, not masked) and biases of every layer, with the degrees of its outputs.
    pub(crate) fn layers_with_degrees(&self) -> impl Iterator<Item = (Tensor<1>, Tensor<1>, &[usize])> {
        self.layers.iter().zip(&self.degrees).map(|(layer, degrees)| {
            let (weight, bias) = layer.flat();
            (weight, bias, degrees.as_slice())
        })
    }

    /// What rebuilds this network.
    pub fn config(&self) -> &MadeConfig {
        &self.config
    }
}

/// A [`Made`] at one batch of inputs: transposed masked weights, and the slopes of the nonlinearities in order.
pub(crate) struct Linearized {
    weights: Vec<Tensor<2>>,
    slopes: Vec<Tensor<2>>,
    residual: bool,
}

impl Linearized {
    /// From a gradient of the outputs to that of the inputs.
    pub(crate) fn pull_back(&self, gradient: Tensor<2>) -> Tensor<2> {
        let layer = |index: usize, gradient: Tensor<2>| gradient.matmul(self.weights[index].clone());
        // Layer k > 0 reads what the nonlinearity number k - 1 has bent, but for the last layer of a residual net.
        let bent = |index: usize, gradient: Tensor<2>| layer(index, gradient) * self.slopes[index - 1].clone();
        let last = self.weights.len() - 1;
        let gradient = match last {
            0 => gradient,
            _ if self.residual => (1..last).step_by(2).rev().fold(layer(last, gradient), |rows, index| {
                let inner = bent(index + 1, rows.clone());
                rows + bent(index, inner)
            }),
            _ => (1..=last).rev().fold(gradient, |rows, index| bent(index, rows)),
        };
        layer(0, gradient)
    }
}

fn mask(before: &[usize], after: &[usize], open: fn(usize, usize) -> bool, device: &Device) -> Param {
    let values = before.iter().flat_map(|&from| after.iter().map(move |&to| if open(from, to) { 1.0 } else { 0.0 }));
    Param::constant(values.collect(), &[before.len(), after.len()], device)
}
