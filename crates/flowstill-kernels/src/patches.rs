//! Gather the 3x3 neighbourhood of every position into its channels, and the adjoint.
//!
//! ```text
//! gather:  P[n, y, x, (k, l), c] = X[n, y + k - 1, x + l - 1, c]      zero outside, k and l from 0 to 2
//! scatter: X[n, y, x, c] = sum over k, l of P[n, y - k + 1, x - l + 1, (k, l), c]
//! ```
//!
//! A line is one row of positions of one sample; lines are numbered through the batch.

use rayon::prelude::*;
use std::ops::Range;

/// Offsets of a 3x3 window.
pub const WINDOW: usize = 9;

/// `[batch, h, w, c]` to `[batch, h, w, 9 c]`, where `event` is `[h, w, c]`.
#[doc(alias = "im2col")]
pub fn gather(x: &[f32], event: [usize; 3]) -> Vec<f32> {
    let [_, w, c] = event;
    let mut out = vec![0.0; x.len() * WINDOW];
    if !out.is_empty() {
        out.par_chunks_mut(w * c * WINDOW)
            .enumerate()
            .for_each(|(line, out)| gather_lines(x, event, line..line + 1, out));
    }
    out
}

/// `[batch, h, w, 9 c]` to `[batch, h, w, c]`, where `event` is `[h, w, c]`.
#[doc(alias = "col2im")]
pub fn scatter(patches: &[f32], event: [usize; 3]) -> Vec<f32> {
    let [_, w, c] = event;
    let mut out = vec![0.0; patches.len() / WINDOW];
    if !out.is_empty() {
        out.par_chunks_mut(w * c)
            .enumerate()
            .for_each(|(line, out)| scatter_lines(patches, event, line..line + 1, None, out));
    }
    out
}

/// The patches of some lines of `x`.
pub(crate) fn gather_lines(x: &[f32], [h, w, c]: [usize; 3], lines: Range<usize>, out: &mut [f32]) {
    for (line, out) in lines.zip(out.chunks_exact_mut(w * c * WINDOW)) {
        for k in 0..3 {
            let from = (line % h + k).checked_sub(1).filter(|from| *from < h);
            let row = from.map(|from| &x[(line - line % h + from) * w * c..][..w * c]);
            for (column, out) in out.chunks_exact_mut(c * WINDOW).enumerate() {
                let out = &mut out[k * 3 * c..][..3 * c];
                let Some(row) = row else {
                    out.fill(0.0);
                    continue;
                };
                // The three columns around a position lie side by side.
                if column > 0 && column + 1 < w {
                    out.copy_from_slice(&row[(column - 1) * c..][..3 * c]);
                    continue;
                }
                let (first, last) = (column.saturating_sub(1), (column + 2).min(w));
                let skip = if column == 0 { c } else { 0 };
                let part = &row[first * c..last * c];
                out[..skip].fill(0.0);
                out[skip..skip + part.len()].copy_from_slice(part);
                out[skip + part.len()..].fill(0.0);
            }
        }
    }
}

/// Some lines of the adjoint, from the patches of all lines of their samples; `bias` is added at every position.
///
/// Lines are numbered as in `patches`.
pub(crate) fn scatter_lines(
    patches: &[f32],
    [h, w, c]: [usize; 3],
    lines: Range<usize>,
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    for (line, out) in lines.zip(out.chunks_exact_mut(w * c)) {
        match bias {
            Some(bias) => out.chunks_exact_mut(c).for_each(|out| out.copy_from_slice(bias)),
            None => out.fill(0.0),
        }
        for k in 0..3 {
            let Some(from) = (line % h + 1).checked_sub(k).filter(|from| *from < h) else { continue };
            let row = &patches[(line - line % h + from) * w * c * WINDOW..][..w * c * WINDOW];
            for (column, part) in row.chunks_exact(c * WINDOW).enumerate() {
                let (first, last) = (column.saturating_sub(1), (column + 2).min(w));
                let skip = if column == 0 { c } else { 0 };
                let to = &mut out[first * c..last * c];
                to.iter_mut().zip(&part[k * 3 * c + skip..]).for_each(|(to, from)| *to += from);
            }
        }
    }
}
