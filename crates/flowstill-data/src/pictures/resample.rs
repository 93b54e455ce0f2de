//! Scale pictures with Lanczos' filter, fast enough for a set of a hundred thousand.

/// Lobes on each side of the filter's middle.
const LOBES: f64 = 3.0;

/// Scales `from` (height, width) to `to`: sinc(x) sinc(x / 3) over three pixels on each side of the coarser of the two
/// grids, so that every pixel counts when a picture shrinks. Rows first, columns next, rounded once at the end. All sides
/// must be at least 1, and `pixels` hold `C` bytes for each pixel.
pub(super) fn lanczos<const C: usize>(pixels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let (rows, columns) = (taps(from[0], to[0]), taps(from[1], to[1]));
    let stride = from[1] * C;
    let mut line = vec![0f32; stride];
    let mut out = Vec::with_capacity(to[0] * to[1] * C);
    for tap in &rows {
        line.fill(0.0);
        for (row, &weight) in pixels[tap.start * stride..].chunks_exact(stride).zip(&tap.weights) {
            for (sum, &value) in line.iter_mut().zip(row) {
                *sum += weight * f32::from(value);
            }
        }
        let (line, _) = line.as_chunks::<C>();
        for tap in &columns {
            let mut sums = [0f32; C];
            for (pixel, &weight) in line[tap.start..].iter().zip(&tap.weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += weight * value;
                }
            }
            // The cast stops at 0 and 255, where the filter's lobes reach beyond.
            out.extend(sums.map(|sum| (sum + 0.5) as u8));
        }
    }
    out
}

/// What one output pixel is made of: this many inputs from `start` on, by weights that sum to 1.
struct Tap {
    start: usize,
    weights: Vec<f32>,
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let spread = scale.max(1.0);
    let tap = |output: usize| {
        let middle = (output as f64 + 0.5) * scale;
        let start = (middle - LOBES * spread).floor().max(0.0) as usize;
        let end = ((middle + LOBES * spread).ceil() as usize).min(from);
        let weights: Vec<f64> = (start..end).map(|input| filter((input as f64 + 0.5 - middle) / spread)).collect();
        let sum: f64 = weights.iter().sum();
        Tap { start, weights: weights.into_iter().map(|weight| (weight / sum) as f32).collect() }
    };
    (0..to).map(tap).collect()
}

fn filter(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
    if x.abs() < LOBES { sinc(x) * sinc(x / LOBES) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::imageops::{FilterType, resize};
    use image::{GrayImage, RgbImage};
    use proptest::prelude::*;

    fn noise(count: usize, seed: u64) -> Vec<u8> {
        let step = |state: &mut u64| {
            *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            Some((*state >> 56) as u8)
        };
        std::iter::repeat_n((), count).scan(seed, |state, ()| step(state)).collect()
    }

    proptest! {
        #[test]
        fn scaling_equals_the_image_crates(from in [1usize..40, 1usize..40], to in [1usize..40, 1usize..40], seed: u64) {
            let sides = |sides: [usize; 2]| (sides[1] as u32, sides[0] as u32);
            let ((width, height), (new_width, new_height)) = (sides(from), sides(to));
            let close = |ours: &[u8], theirs: &[u8]| {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.abs_diff(*b) <= 1)
            };
            let pixels = noise(from[0] * from[1] * 3, seed);
            let theirs = RgbImage::from_raw(width, height, pixels.clone()).unwrap();
            let theirs = resize(&theirs, new_width, new_height, FilterType::Lanczos3);
            prop_assert!(close(&lanczos::<3>(&pixels, from, to), theirs.as_raw()));
            let pixels = noise(from[0] * from[1], seed);
            let theirs = GrayImage::from_raw(width, height, pixels.clone()).unwrap();
            let theirs = resize(&theirs, new_width, new_height, FilterType::Lanczos3);
            prop_assert!(close(&lanczos::<1>(&pixels, from, to), theirs.as_raw()));
        }
    }

    #[test]
    fn an_even_picture_stays_even() {
        assert_eq!(lanczos::<1>(&[200; 35], [5, 7], [11, 3]), [200; 33]);
        assert_eq!(lanczos::<3>(&[1, 2, 3], [1, 1], [1, 2]), [1, 2, 3, 1, 2, 3]);
    }
}
