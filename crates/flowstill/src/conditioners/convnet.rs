//! Condition on a neighbourhood: the 3x3 - 1x1 - 3x3 network of Glow, and its single zero convolution.

use super::Activation;
use super::dense::activate;
use crate::Param;
use crate::ops::patches::{fold, patches};
use crate::random::normals;
use crate::shape::{from_rows, positions, to_rows};
use burn::tensor::{Device, Tensor};
use rand::RngCore;

/// A convolution without bias followed by a normalisation: `(x W + shift) * exp(log_scale)`.
///
/// The scale is multiplied into the weights, so that no pass over the (wide) output is spent on it.
#[derive(Clone, Debug)]
struct NormedConv {
    /// `[window, inputs, outputs]`, window 9 (row by row) or 1.
    weight: Param,
    shift: Param,
    log_scale: Param,
    /// 1 once the first batch has been seen.
    initialized: Param,
}

crate::parameters!(NormedConv { weight, shift, log_scale, initialized });

impl NormedConv {
    fn new(window: usize, inputs: usize, outputs: usize, rng: &mut impl RngCore, device: &Device) -> Self {
        let weight = normals(window * inputs * outputs, rng).into_iter().map(|v| 0.05 * v).collect();
        Self {
            weight: Param::new(weight, &[window, inputs, outputs], device),
            shift: Param::zeros(&[outputs], device),
            log_scale: Param::zeros(&[outputs], device),
            initialized: Param::buffer(vec![0.0], &[1], device),
        }
    }

    fn matrix(&self) -> Tensor<2> {
        let [window, inputs, outputs] = [self.weight.shape()[0], self.weight.shape()[1], self.weight.shape()[2]];
        self.weight.flat().clone().reshape([window * inputs, outputs])
    }

    /// The weights and the bias with the scale multiplied in.
    fn folded(&self) -> (Tensor<2>, Tensor<1>) {
        let scale = self.log_scale.flat().clone().exp();
        (self.matrix() * scale.clone().unsqueeze::<2>(), self.shift.flat().clone() * scale)
    }

    /// Rows (of patches, where the window is 9) to rows.
    fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let (weight, bias) = self.folded();
        rows.matmul(weight) + bias.unsqueeze::<2>()
    }

    /// Zero mean, unit variance of the output on this batch, once; outputs without spread keep their scale.
    fn initialize(&mut self, rows: &Tensor<2>) {
        if self.initialized.values()[0] != 0.0 || rows.dims()[0] == 0 {
            return;
        }
        let output = rows.clone().matmul(self.matrix());
        let [n, c] = output.dims();
        let (mean, variance) = crate::shape::channel_moments(&output.reshape([n, 1, 1, c]));
        let usable = |m: f64, v: f64| m.is_finite() && v.is_finite() && v > 1e-12;
        let pairs: Vec<(f64, f64)> = mean.into_iter().zip(variance).collect();
        self.shift.set_values(pairs.iter().map(|&(m, v)| if usable(m, v) { -m as f32 } else { 0.0 }).collect());
        let log_scale = pairs.iter().map(|&(m, v)| if usable(m, v) { (-0.5 * v.ln()) as f32 } else { 0.0 });
        self.log_scale.set_values(log_scale.collect());
        self.initialized.set_values(vec![1.0]);
    }
}

/// A 3x3 convolution that starts at zero, its output multiplied by `exp(3 log_scale)` per channel (Glow's way to a larger rate for the last layer).
#[derive(Clone, Debug)]
struct ZeroConv {
    /// `[inputs, window, outputs]`; the window is turned round: entry `(k, l)` reads the input at `(y + 1 - k, x + 1 - l)`.
    weight: Param,
    bias: Param,
    log_scale: Param,
}

crate::parameters!(ZeroConv { weight, bias, log_scale });

impl ZeroConv {
    fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            weight: Param::zeros(&[inputs, 9, outputs], device),
            bias: Param::zeros(&[outputs], device),
            log_scale: Param::zeros(&[outputs], device),
        }
    }

    /// The weights, `[inputs, 9 * outputs]`, and the bias, with the scale multiplied in.
    fn folded(&self) -> (Tensor<2>, Tensor<1>) {
        let (inputs, outputs) = (self.weight.shape()[0], self.bias.len());
        let scale = (self.log_scale.flat().clone() * 3.0).exp();
        let weight = self.weight.flat().clone().reshape([inputs * 9, outputs]) * scale.clone().unsqueeze::<2>();
        (weight.reshape([inputs, 9 * outputs]), self.bias.flat().clone() * scale)
    }

    fn forward(&self, rows: Tensor<2>, at: [usize; 3]) -> Tensor<4> {
        let (weight, bias) = self.folded();
        // The fold works on the narrow side.
        fold(from_rows(rows.matmul(weight), at)) + bias.reshape([1, 1, 1, self.bias.len()])
    }
}

/// `3x3 (hidden) - norm - activation - 1x1 (hidden) - norm - activation - 3x3 zero`; without hidden layers the zero convolution alone.
///
/// Source: Glow (Kingma and Dhariwal 2018), section 3.3 and its code.
#[derive(Clone, Debug)]
pub struct ConvNet {
    hidden: Vec<NormedConv>,
    last: ZeroConv,
    activation: Activation,
}

crate::parameters!(ConvNet { hidden, last });

impl ConvNet {
    /// `hidden` channels, or the single zero convolution.
    pub fn new(
        inputs: usize,
        hidden: Option<usize>,
        outputs: usize,
        activation: Activation,
        rng: &mut impl RngCore,
        device: &Device,
    ) -> Self {
        let layers = hidden.map(|hidden| {
            vec![NormedConv::new(9, inputs, hidden, rng, device), NormedConv::new(1, hidden, hidden, rng, device)]
        });
        let last = ZeroConv::new(hidden.unwrap_or(inputs), outputs, device);
        Self { hidden: layers.unwrap_or_default(), last, activation }
    }

    /// `[batch, h, w, inputs]` to `[batch, h, w, outputs]`, zero outside the picture.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let at = positions(&x);
        let rows = match self.hidden.as_slice() {
            [] => to_rows(x),
            layers => {
                layers.iter().fold(to_rows(patches(x)), |rows, layer| activate(self.activation, layer.forward(rows)))
            }
        };
        self.last.forward(rows, at)
    }

    /// Set the normalisations from a batch, once.
    pub fn initialize(&mut self, x: &Tensor<4>) {
        if self.hidden.is_empty() {
            return;
        }
        let mut rows = to_rows(patches(x.clone()));
        for layer in &mut self.hidden {
            layer.initialize(&rows);
            rows = activate(self.activation, layer.forward(rows));
        }
    }
}
