//! Map pixels as tensors, differentiable in the noise, as their scaling maps them on the host.

use crate::shape::{expand_to_batch, sum_event};
use burn::tensor::Tensor;

pub use flowstill_runtime::pictures::{PictureScaling, Range};

/// [`PictureScaling::forward`] of tensors `[batch, height, width, channels]`, differentiable in the noise; the log-det is `[batch]`.
pub fn scaled_tensor(scaling: &PictureScaling, pixels: Tensor<4>, noise: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
    let (step, values) = (1.0 / scaling.values(), scaling.values());
    let [_, h, w, c] = pixels.dims();
    let dimensions = (h * w * c) as f64;
    match scaling.range {
        // Pixels are multiples of a power of two, so only the noise is rounded.
        Range::Centred => {
            let x = (pixels * step - 0.5) + noise * step;
            let log_det = Tensor::from_data([-values.ln() * dimensions], (&x.device().without_autodiff(), x.dtype()));
            let log_det = expand_to_batch(log_det, &x);
            (x, log_det)
        }
        Range::Logit { alpha } => {
            let slope = 1.0 - 2.0 * alpha;
            // 1 - t has its own sum: near 1 the difference would be rounded away.
            let low = pixels.clone() * step + noise.clone() * step;
            let high = (-pixels + (values - 1.0)) * step + (-noise + 1.0) * step;
            let [low, high] = [low, high].map(|t| (t * slope + alpha).log());
            let log_det = -sum_event(low.clone() + high.clone()) + dimensions * (slope.ln() - values.ln());
            (low - high, log_det)
        }
    }
}

/// Pixel values as a net sees them, whatever the range: `(v + 1/2) / 2^bits - 1/2`.
pub fn centred(scaling: &PictureScaling, pixels: Tensor<4>) -> Tensor<4> {
    (pixels + 0.5) / scaling.values() - 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_scaled_as_values_are() {
        for range in [Range::Centred, Range::Logit { alpha: 0.05 }, Range::Logit { alpha: 1e-5 }] {
            let scaling = PictureScaling { bits: 5, range };
            let (pixels, noise) = ([0, 31, 7, 30], [0.25, 0.875, 0.3, 0.999]);
            let mut x = Vec::new();
            let log_det = scaling.forward(&pixels, &noise, &mut x);
            let tensor = |values: [f32; 4]| {
                Tensor::from_data(burn::tensor::TensorData::new(values.to_vec(), [1, 2, 2, 1]), &Default::default())
            };
            let (got, got_log_det) = scaled_tensor(&scaling, tensor(pixels.map(f32::from)), tensor(noise));
            let worst = crate::to_f32(got).iter().zip(&x).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let gap = (crate::to_f64(got_log_det)[0] - log_det).abs();
            assert!(worst < 1e-5 && gap < 1e-4, "{scaling:?}: {worst} {gap}");
        }
    }
}
