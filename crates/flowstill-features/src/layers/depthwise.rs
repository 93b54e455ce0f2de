//! Convolve each channel by itself, vectorised over the channels.

use super::conv::{Normalization, Padding};
use super::grid::View;
use super::vectorized;

/// Channels that one pass over the taps keeps in registers.
const LANES: usize = 64;

/// A depthwise convolution with SAME padding, its normalization and ReLU6.
pub(crate) struct Depthwise {
    /// `[kernel rows, kernel columns, channels]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    kernel: usize,
    stride: usize,
}

impl Depthwise {
    /// Folds `norm` into torch's `[channels, 1, kernel, kernel]`.
    pub fn new(weight: &[f32], kernel: usize, norm: &Normalization<'_>, stride: usize) -> Self {
        let taps = kernel * kernel;
        let channels = weight.len() / taps;
        let mut folded = vec![0.0; weight.len()];
        let mut bias = vec![0.0; channels];
        for c in 0..channels {
            let (factor, shift) = norm.affine(c);
            bias[c] = shift as f32;
            for tap in 0..taps {
                folded[tap * channels + c] = (f64::from(weight[c * taps + tap]) * factor) as f32;
            }
        }
        Self { weight: folded, bias, kernel, stride }
    }

    /// Height and width of the output.
    pub fn output(&self, height: usize, width: usize) -> (usize, usize) {
        (height.div_ceil(self.stride), width.div_ceil(self.stride))
    }

    /// Writes the output, of as many channels as the input.
    pub fn run(&self, input: View<'_>, out: &mut [f32]) {
        let (channels, k) = (self.bias.len(), self.kernel);
        assert_eq!(input.channels, channels, "channels of a depthwise convolution");
        let (top, h_out) = Padding::Same.along(input.height, k, self.stride, true);
        let (before, w_out) = Padding::Same.along(input.width, k, self.stride, false);
        assert_eq!(out.len(), input.count * h_out * w_out * channels, "output of a depthwise convolution");
        let one = input.height * input.width * channels;
        vectorized(|| {
            for (pixel, out) in out.chunks_exact_mut(channels).enumerate() {
                let (picture, y, x) = (pixel / (h_out * w_out), pixel / w_out % h_out, pixel % w_out);
                let picture = &input.values[picture * one..(picture + 1) * one];
                // The taps that lie inside the picture.
                let inside = |start: usize, before: usize, size: usize| {
                    before.saturating_sub(start)..k.min((size + before).saturating_sub(start))
                };
                let rows = inside(y * self.stride, top, input.height);
                let columns = inside(x * self.stride, before, input.width);
                let corner = (y * self.stride, x * self.stride);
                for first in (0..channels).step_by(LANES) {
                    let lanes = LANES.min(channels - first);
                    let mut sums = [0.0f32; LANES];
                    sums[..lanes].copy_from_slice(&self.bias[first..first + lanes]);
                    for ky in rows.clone() {
                        for kx in columns.clone() {
                            let at = (corner.0 + ky - top) * input.width + corner.1 + kx - before;
                            let values = &picture[at * channels + first..][..lanes];
                            let weights = &self.weight[(ky * k + kx) * channels + first..][..lanes];
                            add_product(&mut sums, values, weights);
                        }
                    }
                    let out = &mut out[first..first + lanes];
                    out.iter_mut().zip(&sums).for_each(|(o, s)| *o = s.clamp(0.0, 6.0));
                }
            }
        });
    }
}

/// `sums += values * weights`, with the full width known to the compiler.
#[inline(always)]
fn add_product(sums: &mut [f32; LANES], values: &[f32], weights: &[f32]) {
    if let (Ok(values), Ok(weights)) = (<&[f32; LANES]>::try_from(values), <&[f32; LANES]>::try_from(weights)) {
        for lane in 0..LANES {
            sums[lane] += values[lane] * weights[lane];
        }
    } else {
        sums.iter_mut().zip(values.iter().zip(weights)).for_each(|(s, (v, w))| *s += v * w);
    }
}
