//! Lay out the 3x3 neighbourhoods of planes, and add them up again.
//!
//! Lanes are (sample, y, x), then padding. The plane of window `(k, l)` of a plane holds at every position what stands at `(y + k - 1, x + l - 1)`, zero
//! outside of the picture and in the padding.

use crate::elementwise::widest;
use std::cell::RefCell;
use std::ops::Range;

/// Positions of a window.
pub const WINDOW: usize = 9;

/// The windows of planes of whole samples, `[samples, height, width] = shape`: those of `x` lie `stride` values apart, the first at its beginning; `windows` is
/// `[WINDOW, channels, lanes]`, `lanes` at least as many as positions.
///
/// # Panics
/// If the lengths do not agree.
pub fn gather(x: &[f32], stride: usize, shape: [usize; 3], lanes: usize, windows: &mut [f32]) {
    let channels = windows.len() / (WINDOW * lanes).max(1);
    let count = check(x.len(), stride, channels, shape, lanes);
    with_masks(shape, |masks| {
        for (window, planes) in windows.chunks_exact_mut((channels * lanes).max(1)).enumerate() {
            let (range, from) = overlap(window, shape[2], count);
            let mask = &masks[window * count..][range.clone()];
            for (channel, to) in planes.chunks_exact_mut(lanes).enumerate() {
                let x = &x[channel * stride + from..][..range.len()];
                to[..range.start].fill(0.0);
                to[range.end..].fill(0.0);
                widest(|| {
                    for ((to, x), mask) in to[range.clone()].iter_mut().zip(x).zip(mask) {
                        // Not a product: what lies beyond the edge may be NaN.
                        *to = if *mask > 0.0 { *x } else { 0.0 };
                    }
                });
            }
        }
    });
}

/// Add to every plane of `x` what its windows hold for it: the adjoint of [`gather`]. What lies behind the positions of a plane stays.
///
/// # Panics
/// If the lengths do not agree.
pub fn scatter(windows: &[f32], stride: usize, shape: [usize; 3], lanes: usize, x: &mut [f32]) {
    let channels = windows.len() / (WINDOW * lanes).max(1);
    let count = check(x.len(), stride, channels, shape, lanes);
    with_masks(shape, |masks| {
        for (window, planes) in windows.chunks_exact((channels * lanes).max(1)).enumerate() {
            // What a position gives to its neighbour at (k, l), the neighbour gets from the opposite side.
            let opposite = WINDOW - 1 - window;
            let (range, from) = overlap(opposite, shape[2], count);
            let mask = &masks[opposite * count..][range.clone()];
            for (channel, plane) in planes.chunks_exact(lanes).enumerate() {
                let to = &mut x[channel * stride..][range.clone()];
                let given = &plane[from..][..range.len()];
                widest(|| {
                    for ((to, given), mask) in to.iter_mut().zip(given).zip(mask) {
                        *to += if *mask > 0.0 { *given } else { 0.0 };
                    }
                });
            }
        }
    });
}

/// Positions of a plane.
fn check(length: usize, stride: usize, channels: usize, shape: [usize; 3], lanes: usize) -> usize {
    let count = shape.iter().product::<usize>();
    assert!(count <= lanes, "lanes of {shape:?}");
    assert!(channels == 0 || (count <= stride && length >= (channels - 1) * stride + count), "planes of {shape:?}");
    count
}

/// The positions whose neighbour in a window's direction is a position at all (if only of another line), and where the first one's neighbour stands.
fn overlap(window: usize, width: usize, count: usize) -> (Range<usize>, usize) {
    let forth = window / 3 * width + window % 3;
    // The middle of the window is no step.
    let back = width + 1;
    match forth.checked_sub(back) {
        Some(ahead) => (0..count.saturating_sub(ahead), ahead.min(count)),
        None => ((back - forth).min(count)..count, 0),
    }
}

thread_local! {
    /// For the shapes seen last: 1 at every position that has a neighbour in the direction of each window, `[WINDOW, positions]`, else 0.
    static MASKS: RefCell<Vec<([usize; 3], Vec<f32>)>> = const { RefCell::new(Vec::new()) };
}

/// Shapes remembered; a flow has as many as levels.
const SHAPES: usize = 16;

fn with_masks(shape: [usize; 3], run: impl FnOnce(&[f32])) {
    MASKS.with_borrow_mut(|known| {
        let at = known.iter().position(|(own, _)| *own == shape).unwrap_or_else(|| {
            if known.len() == SHAPES {
                known.remove(0);
            }
            known.push((shape, masks(shape)));
            known.len() - 1
        });
        run(&known[at].1);
    });
}

fn masks([samples, height, width]: [usize; 3]) -> Vec<f32> {
    let inside = |at: usize, step: usize, length: usize| at + step >= 1 && at + step <= length;
    let of_window = |window: usize| {
        let (k, l) = (window / 3, window % 3);
        let line = move |y: usize| (0..width).map(move |x| inside(y, k, height) && inside(x, l, width));
        (0..samples).flat_map(move |_| (0..height).flat_map(line))
    };
    (0..WINDOW).flat_map(of_window).map(|has| if has { 1.0 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_neighbours_and_scatter_is_the_adjoint() {
        for (shape, channels) in [([2, 3, 4], 2), ([1, 1, 1], 1), ([3, 5, 1], 2), ([1, 1, 7], 1), ([2, 8, 8], 3)] {
            let [samples, height, width] = shape;
            let lanes = usize::next_multiple_of(samples * height * width, 16);
            let x: Vec<f32> = (0..channels * lanes).map(|i| ((i * 37) % 101) as f32).collect();
            let mut windows = vec![9.0; WINDOW * x.len()];
            gather(&x, lanes, shape, lanes, &mut windows);
            let at = |channel: usize, sample: usize, y: isize, x_: isize| match (0..height as isize).contains(&y)
                && (0..width as isize).contains(&x_)
            {
                true => x[channel * lanes + (sample * height + y as usize) * width + x_ as usize],
                false => 0.0,
            };
            for window in 0..WINDOW {
                for channel in 0..channels {
                    for sample in 0..samples {
                        for y in 0..height {
                            for x in 0..width {
                                let lane = (sample * height + y) * width + x;
                                let (dy, dx) = (window as isize / 3 - 1, window as isize % 3 - 1);
                                let expect = at(channel, sample, y as isize + dy, x as isize + dx);
                                assert_eq!(windows[(window * channels + channel) * lanes + lane], expect);
                            }
                        }
                    }
                }
            }
            // <gather x, w> = <x, scatter w>, exactly in small whole numbers.
            let w: Vec<f32> = (0..windows.len()).map(|i| ((i * 53) % 17) as f32).collect();
            let mut back = vec![0.0; x.len()];
            scatter(&w, lanes, shape, lanes, &mut back);
            let live = |i: &usize| i % lanes < samples * height * width;
            let dot = |a: &[f32], b: &[f32]| {
                (0..a.len()).filter(live).map(|i| f64::from(a[i]) * f64::from(b[i])).sum::<f64>()
            };
            assert_eq!(dot(&windows, &w), dot(&x, &back));
        }
    }
}
