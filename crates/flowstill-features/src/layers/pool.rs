//! Pool 3 x 3 windows, and average over all pixels.

use super::grid::View;
use super::vectorized;

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Its largest value.
    Max,
    /// The mean of the pixels that lie inside the picture: zeros of the padding do not count.
    MeanInside,
}

/// Pixels of the output along one axis.
pub(crate) fn pooled(input: usize, stride: usize, padding: usize) -> usize {
    (input + 2 * padding).saturating_sub(3) / stride + 1
}

/// Pools 3 x 3 windows into `out`, whose pixels are `step` values apart; gives the output's height and width.
pub(crate) fn pool(
    kind: Kind,
    stride: usize,
    padding: usize,
    input: View<'_>,
    out: &mut [f32],
    step: usize,
) -> (usize, usize) {
    let (h_out, w_out) = (pooled(input.height, stride, padding), pooled(input.width, stride, padding));
    let channels = input.channels;
    let inside = |at: usize, size: usize| (at * stride).saturating_sub(padding)..(at * stride + 3 - padding).min(size);
    vectorized(|| {
        for pixel in 0..input.count * h_out * w_out {
            let (picture, y, x) = (pixel / (h_out * w_out), pixel / w_out % h_out, pixel % w_out);
            let target = &mut out[pixel * step..pixel * step + channels];
            let (rows, columns) = (inside(y, input.height), inside(x, input.width));
            let share = 1.0 / (rows.len() * columns.len()) as f32;
            target.fill(if kind == Kind::Max { f32::NEG_INFINITY } else { 0.0 });
            for row in rows {
                for column in columns.clone() {
                    let at = ((picture * input.height + row) * input.width + column) * channels;
                    let values = target.iter_mut().zip(&input.values[at..at + channels]);
                    match kind {
                        Kind::Max => values.for_each(|(t, &v)| *t = if v > *t { v } else { *t }),
                        Kind::MeanInside => values.for_each(|(t, v)| *t += v),
                    }
                }
            }
            if kind == Kind::MeanInside {
                target.iter_mut().for_each(|t| *t *= share);
            }
        }
    });
    (h_out, w_out)
}

/// Averages each channel over the pixels of each picture, into `[count, channels]`.
pub(crate) fn mean_over_pixels(input: View<'_>, out: &mut [f32]) {
    let pixels = input.height * input.width;
    vectorized(|| {
        let pictures = input.values.chunks_exact(pixels * input.channels);
        for (picture, out) in pictures.zip(out.chunks_exact_mut(input.channels)) {
            out.fill(0.0);
            for pixel in picture.chunks_exact(input.channels) {
                out.iter_mut().zip(pixel).for_each(|(o, v)| *o += v);
            }
            out.iter_mut().for_each(|o| *o /= pixels as f32);
        }
    });
}
