//! Trade positions for channels and back.

use super::{Layer, Purpose};
use crate::work::{Tape, Work, padded};

/// Every 2x2 block of positions becomes one position; channel `c` becomes `4 c + 2 dy + dx`.
#[derive(Debug)]
pub(crate) struct Squeeze;

/// From wide planes to four times as many of a quarter of the size, or back.
fn rearrange(work: &mut Work, narrow: bool, gradient: bool) {
    let (h, w, c) = match narrow {
        true => (work.height, work.width, work.channels),
        false => (2 * work.height, 2 * work.width, work.channels / 4),
    };
    let (wide, small) = (padded(work.samples * h * w), padded(work.samples * h * w / 4));
    let mut out = work.take(if narrow { 4 * c * small } else { c * wide });
    let samples = work.samples;
    let planes = if gradient { &mut work.gradient } else { &mut work.state };
    if narrow {
        out.chunks_exact_mut(small).for_each(|plane| plane[samples * h * w / 4..].fill(0.0));
    } else {
        out.chunks_exact_mut(wide).for_each(|plane| plane[samples * h * w..].fill(0.0));
    }
    for channel in 0..c {
        for part in 0..4 {
            let (dy, dx) = (part / 2, part % 2);
            for line in 0..samples * h / 2 {
                let big = channel * wide + (2 * line + dy) * w;
                let little = (4 * channel + part) * small + line * (w / 2);
                for x in 0..w / 2 {
                    match narrow {
                        true => out[little + x] = planes[big + 2 * x + dx],
                        false => out[big + 2 * x + dx] = planes[little + x],
                    }
                }
            }
        }
    }
    std::mem::swap(planes, &mut out);
    work.give(out);
}

fn resize(work: &mut Work, narrow: bool) {
    let (h, w, c) = (work.height, work.width, work.channels);
    (work.height, work.width, work.channels) = if narrow { (h / 2, w / 2, 4 * c) } else { (2 * h, 2 * w, c / 4) };
}

impl Layer for Squeeze {
    fn load(&mut self, _values: &[f32], _purpose: Purpose) {}

    fn forward(&self, work: &mut Work, _tape: &mut Tape) {
        rearrange(work, true, false);
        resize(work, true);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        rearrange(work, false, false);
        resize(work, false);
    }

    fn backward(&self, work: &mut Work, _tape: &mut Tape, _sums: &mut [f32]) {
        rearrange(work, false, true);
        resize(work, false);
    }

    fn backward_inverse(&self, work: &mut Work, _tape: &mut Tape, _sums: &mut [f32]) {
        // The state is squeezed already; the gradient is not.
        resize(work, false);
        rearrange(work, true, true);
        resize(work, true);
    }

    fn planes(&self) -> usize {
        0
    }
}
