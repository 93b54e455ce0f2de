//! Lay out the 3x3 neighbourhoods of planes, and add them up again.
//!
//! Lanes are (sample, y, x), then padding. The plane of window `(k, l)` of a plane holds at every position what stands at `(y + k - 1, x + l - 1)`, zero
//! outside of the picture and in the padding.

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
    for (window, planes) in windows.chunks_exact_mut((channels * lanes).max(1)).enumerate() {
        for (channel, to) in planes.chunks_exact_mut(lanes).enumerate() {
            let from = &x[channel * stride..][..count];
            shifted(shape, window, to, from, |to, from| to.copy_from_slice(from), |to| to.fill(0.0));
        }
    }
}

/// Add to every plane of `x` what its windows hold for it: the adjoint of [`gather`]. What lies behind the positions of a plane stays.
///
/// # Panics
/// If the lengths do not agree.
pub fn scatter(windows: &[f32], stride: usize, shape: [usize; 3], lanes: usize, x: &mut [f32]) {
    let channels = windows.len() / (WINDOW * lanes).max(1);
    let count = check(x.len(), stride, channels, shape, lanes);
    let add = |to: &mut [f32], from: &[f32]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
    for (window, planes) in windows.chunks_exact((channels * lanes).max(1)).enumerate() {
        for (channel, from) in planes.chunks_exact(lanes).enumerate() {
            let to = &mut x[channel * stride..][..count];
            // What a position gives to its neighbour at (k, l), the neighbour gets from the opposite side.
            shifted(shape, WINDOW - 1 - window, to, from, add, |_| {});
        }
    }
}

/// Positions of a plane.
fn check(length: usize, stride: usize, channels: usize, shape: [usize; 3], lanes: usize) -> usize {
    let count = shape.iter().product::<usize>();
    assert!(count <= lanes, "lanes of {shape:?}");
    assert!(channels == 0 || (count <= stride && length >= (channels - 1) * stride + count), "planes of {shape:?}");
    count
}

/// Visit all stretches of `to` with those of `from` that lie one window further; `outside` gets the stretches that have none.
#[inline(always)]
fn shifted(
    [samples, height, width]: [usize; 3],
    window: usize,
    to: &mut [f32],
    from: &[f32],
    inside: impl Fn(&mut [f32], &[f32]),
    outside: impl Fn(&mut [f32]),
) {
    let (k, l) = (window / 3, window % 3);
    let (left, right) = (usize::from(l == 0).min(width), usize::from(l == 2).min(width));
    let area = height * width;
    for sample in 0..samples {
        for y in 0..height {
            let at = sample * area + y * width;
            let line = &mut to[at..at + width];
            if (k == 0 && y == 0) || (k == 2 && y + 1 == height) {
                outside(line);
                continue;
            }
            let other = at + k * width - width;
            let (first, rest) = line.split_at_mut(left);
            let (middle, last) = rest.split_at_mut(width - left - right.min(width - left));
            outside(first);
            outside(last);
            let start = other + left + l - 1;
            inside(middle, &from[start..start + middle.len()]);
        }
    }
    outside(&mut to[samples * area..]);
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
