//! Convolve by matrix products, with the batch normalization folded into the weights.

use super::grid::View;
use super::product::multiply;
use super::vectorized;
use crate::{FeatureError, Weights};

/// What follows the convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Nonlinearity {
    None,
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

/// How many zeros surround the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Padding {
    /// So many on both sides: rows, columns.
    Explicit(usize, usize),
    /// TensorFlow's SAME: the output has `ceil(input / stride)` pixels, and the odd zero comes after.
    Same,
}

impl Padding {
    /// Zeros before, and pixels of the output, along one axis.
    pub fn along(self, input: usize, kernel: usize, stride: usize, rows: bool) -> (usize, usize) {
        match self {
            Self::Explicit(r, c) => {
                let before = if rows { r } else { c };
                (before, ((input + 2 * before).saturating_sub(kernel)) / stride + 1)
            }
            Self::Same => {
                let output = input.div_ceil(stride);
                (((output - 1) * stride + kernel).saturating_sub(input) / 2, output)
            }
        }
    }
}

/// The statistics and parameters of a batch normalization, one value per channel.
#[derive(Clone, Copy)]
pub(crate) struct Normalization<'a> {
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub mean: &'a [f32],
    pub variance: &'a [f32],
    pub epsilon: f64,
}

impl<'a> Normalization<'a> {
    /// Takes `name.weight`, `.bias`, `.running_mean` and `.running_var`, each of `channels` values.
    pub fn load(
        weights: &'a Weights,
        name: &str,
        channels: usize,
        epsilon: f64,
        remedy: &'static str,
    ) -> Result<Self, FeatureError> {
        let get = |part: &str| weights.expect(&format!("{name}.{part}"), &[channels], remedy);
        let (weight, bias, mean, variance) = (get("weight")?, get("bias")?, get("running_mean")?, get("running_var")?);
        Ok(Self { weight, bias, mean, variance, epsilon })
    }

    /// The factor and the shift that it amounts to on one channel.
    pub fn affine(&self, channel: usize) -> (f64, f64) {
        let at = |values: &[f32]| f64::from(values[channel]);
        let factor = at(self.weight) / (at(self.variance) + self.epsilon).sqrt();
        (factor, at(self.bias) - at(self.mean) * factor)
    }
}

/// A dense convolution, its normalization and its activation.
pub(crate) struct Conv {
    /// `[kernel rows, kernel columns, channels in, channels out]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    channels: usize,
    kernel: (usize, usize),
    stride: usize,
    padding: Padding,
    activation: Nonlinearity,
}

/// At most so many values of gathered patches at a time: they stay in the second cache.
const PATCHES: usize = 96 * 1024;

impl Conv {
    /// Folds `norm` into torch's `[channels out, channels in, kernel rows, kernel columns]`.
    pub fn new(
        weight: &[f32],
        shape: [usize; 4],
        norm: &Normalization<'_>,
        stride: usize,
        padding: Padding,
        activation: Nonlinearity,
    ) -> Self {
        let [out, channels, kernel_rows, kernel_columns] = shape;
        let taps = kernel_rows * kernel_columns;
        let mut folded = vec![0.0; weight.len()];
        let mut bias = vec![0.0; out];
        for o in 0..out {
            let (factor, shift) = norm.affine(o);
            bias[o] = shift as f32;
            for c in 0..channels {
                for tap in 0..taps {
                    let value = f64::from(weight[(o * channels + c) * taps + tap]) * factor;
                    folded[(tap * channels + c) * out + o] = value as f32;
                }
            }
        }
        Self { weight: folded, bias, channels, kernel: (kernel_rows, kernel_columns), stride, padding, activation }
    }

    /// Channels of the output.
    pub fn width(&self) -> usize {
        self.bias.len()
    }

    /// Height and width of the output.
    pub fn output(&self, height: usize, width: usize) -> (usize, usize) {
        let rows = self.padding.along(height, self.kernel.0, self.stride, true).1;
        (rows, self.padding.along(width, self.kernel.1, self.stride, false).1)
    }

    /// Writes the output into `out`, whose pixels are `stride` values apart: a slice of wider activations, too.
    pub fn run(&self, input: View<'_>, out: &mut [f32], stride: usize, patches: &mut Vec<f32>) {
        assert_eq!(input.channels, self.channels, "channels of a convolution");
        let width = self.width();
        let (height_out, width_out) = self.output(input.height, input.width);
        let pixels = input.count * height_out * width_out;
        let inner = self.kernel.0 * self.kernel.1 * self.channels;
        let plain = self.kernel == (1, 1) && self.stride == 1;
        let tile = (PATCHES / inner.max(width)).max(64);
        for first in (0..pixels).step_by(tile) {
            let rows = tile.min(pixels - first);
            let left = if plain {
                &input.values[first * inner..(first + rows) * inner]
            } else {
                patches.resize(patches.len().max(rows * inner), 0.0);
                self.gather(input, first, rows, (height_out, width_out), patches);
                &patches[..rows * inner]
            };
            let last = (first + rows - 1) * stride + width;
            let target = &mut out[first * stride..last];
            multiply([rows, inner, width], left, &self.weight, target, stride);
            finish(target, stride, &self.bias, self.activation);
        }
    }

    /// Copies the patches under `rows` output pixels from `first`, one patch a row, with zeros outside the picture.
    fn gather(&self, input: View<'_>, first: usize, rows: usize, (h_out, w_out): (usize, usize), patches: &mut [f32]) {
        let (kernel_rows, kernel_columns) = self.kernel;
        let channels = self.channels;
        let (top, _) = self.padding.along(input.height, kernel_rows, self.stride, true);
        let (before, _) = self.padding.along(input.width, kernel_columns, self.stride, false);
        let line = kernel_columns * channels;
        let patches = patches.chunks_exact_mut(kernel_rows * line).take(rows);
        for (pixel, patch) in (first..).zip(patches) {
            let (picture, y, x) = (pixel / (h_out * w_out), pixel / w_out % h_out, pixel % w_out);
            // Columns x0.. of the patch, of which `from..to` lie inside the picture.
            let x0 = (x * self.stride) as isize - before as isize;
            let from = (-x0).clamp(0, kernel_columns as isize) as usize;
            let to = (input.width as isize - x0).clamp(from as isize, kernel_columns as isize) as usize;
            for (ky, part) in patch.chunks_exact_mut(line).enumerate() {
                let row = (y * self.stride + ky).wrapping_sub(top);
                if row >= input.height || from == to {
                    part.fill(0.0);
                    continue;
                }
                let start = ((picture * input.height + row) * input.width).wrapping_add_signed(x0 + from as isize);
                part[..from * channels].fill(0.0);
                part[to * channels..].fill(0.0);
                part[from * channels..to * channels]
                    .copy_from_slice(&input.values[start * channels..(start + to - from) * channels]);
            }
        }
    }
}

/// Adds the bias and applies the activation, row by row.
fn finish(rows: &mut [f32], stride: usize, bias: &[f32], activation: Nonlinearity) {
    vectorized(|| {
        for row in rows.chunks_mut(stride) {
            let values = row[..bias.len()].iter_mut().zip(bias);
            match activation {
                Nonlinearity::None => values.for_each(|(v, b)| *v += b),
                Nonlinearity::Relu => values.for_each(|(v, b)| *v = (*v + b).max(0.0)),
                Nonlinearity::Relu6 => values.for_each(|(v, b)| *v = (*v + b).clamp(0.0, 6.0)),
            }
        }
    });
}
