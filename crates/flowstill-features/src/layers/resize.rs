//! Resize 8-bit pictures bilinearly and bring their values to the range of a network.

use super::vectorized;
use crate::Pictures;

/// Where one output pixel looks along an axis: two input pixels and the share of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tap {
    left: usize,
    right: usize,
    share: f32,
}

/// A bilinear resize to `side` x `side`, then `value * scale + shift`, with three channels.
///
/// Half-pixel centres: output pixel `i` looks at `(i + 0.5) * input / side - 0.5`, held inside the picture. There is no
/// antialiasing, so a much larger picture is sampled, not averaged. It is torch's
/// `interpolate(mode="bilinear", align_corners=False)`.
pub(crate) struct Resize {
    pub side: usize,
    pub scale: f32,
    pub shift: f32,
}

impl Resize {
    /// Writes picture `index` as `[side, side, 3]`; a grey picture fills all three channels.
    pub fn run(&self, pictures: &Pictures<'_>, index: usize, out: &mut [f32]) {
        let [_, height, width, channels] = pictures.shape();
        let source = pictures.picture(index);
        let (rows, columns) = (taps(height, self.side), taps(width, self.side));
        vectorized(|| {
            for (row, line) in rows.iter().zip(out.chunks_exact_mut(self.side * 3)) {
                let (top, bottom) = (&source[row.left * width * channels..], &source[row.right * width * channels..]);
                for (column, pixel) in columns.iter().zip(line.chunks_exact_mut(3)) {
                    for (c, value) in pixel.iter_mut().enumerate() {
                        let c = c.min(channels - 1);
                        let (left, right) = (column.left * channels + c, column.right * channels + c);
                        let across = |line: &[u8]| {
                            f32::from(line[left]) * (1.0 - column.share) + f32::from(line[right]) * column.share
                        };
                        let mixed = across(top) * (1.0 - row.share) + across(bottom) * row.share;
                        *value = mixed * self.scale + self.shift;
                    }
                }
            }
        });
    }
}

fn taps(input: usize, output: usize) -> Vec<Tap> {
    let ratio = input as f64 / output as f64;
    let tap = |i: usize| {
        let centre = ((i as f64 + 0.5) * ratio - 0.5).max(0.0);
        let left = (centre as usize).min(input - 1);
        Tap { left, right: (left + 1).min(input - 1), share: (centre - left as f64) as f32 }
    };
    (0..output).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_keeps_every_pixel() {
        let bytes: Vec<u8> = (0..=255).collect();
        let pictures = Pictures::new(&bytes, [1, 16, 16, 1]).unwrap();
        let mut out = vec![0.0; 16 * 16 * 3];
        Resize { side: 16, scale: 1.0, shift: 0.0 }.run(&pictures, 0, &mut out);
        assert!(out.iter().enumerate().all(|(k, &v)| v == (k / 3) as f32));
    }

    #[test]
    fn half_pixel_centres() {
        let place = |t: &Tap| t.left as f32 * (1.0 - t.share) + t.right as f32 * t.share;
        assert_eq!(taps(2, 4).iter().map(place).collect::<Vec<_>>(), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(taps(4, 2).iter().map(place).collect::<Vec<_>>(), [0.5, 2.5]);
        assert!(taps(1, 3).iter().all(|t| t.left == 0 && t.right == 0));
    }
}
