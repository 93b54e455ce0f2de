//! Carry tiles through the network, keeping the activations where a backward pass will follow.

use super::{Shape, Weights};
use crate::elementwise::add_bias_and_relu;
use crate::patches::{gather_lines, scatter_lines};
use crate::product::{Matrix, multiply};
use crate::scratch::with_scratch;
use crate::tiles::split;
use rayon::prelude::*;
use std::ops::Range;

/// What [`backward`](super::backward()) needs from the forward pass: both hidden layers, `[positions, hidden]` each.
#[derive(Clone, Debug)]
pub struct Activations {
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
}

/// `x`, `[batch, height, width, inputs]`, to `[batch, height, width, outputs]`.
///
/// # Panics
/// If a length does not agree with `shape`.
pub fn forward(x: &[f32], shape: Shape, weights: &Weights<'_>) -> Vec<f32> {
    run(x, shape, weights, None)
}

/// The same, to the last bit, with the activations that the gradients need.
///
/// # Panics
/// If a length does not agree with `shape`.
pub fn forward_keeping(x: &[f32], shape: Shape, weights: &Weights<'_>) -> (Vec<f32>, Activations) {
    let space = || vec![0.0; shape.positions() * shape.hidden];
    let mut kept = Activations { first: space(), second: space() };
    let out = run(x, shape, weights, Some(&mut kept));
    (out, kept)
}

/// One tile: its lines, where its hidden layers go if they are kept, and what it fills: its part of the output if it holds whole samples, of the
/// patches of the output if not.
struct Tile<'a> {
    lines: Range<usize>,
    kept: Option<[&'a mut [f32]; 2]>,
    target: &'a mut [f32],
}

fn run(x: &[f32], shape: Shape, weights: &Weights<'_>, kept: Option<&mut Activations>) -> Vec<f32> {
    shape.check(x, weights);
    let mut out = vec![0.0; shape.positions() * shape.outputs];
    if out.is_empty() {
        return out;
    }
    let tiles = shape.tiles();
    let mut patches = if tiles.whole { Vec::new() } else { vec![0.0; shape.positions() * shape.narrow_out()] };
    let (target, channels) = if tiles.whole { (&mut out, shape.outputs) } else { (&mut patches, shape.narrow_out()) };
    let cut = |values, channels| split(values, tiles.ranges.iter().map(|lines| lines.len() * shape.width * channels));
    let kept: Vec<_> = match kept {
        None => tiles.ranges.iter().map(|_| None).collect(),
        Some(Activations { first, second }) => {
            cut(first, shape.hidden).into_iter().zip(cut(second, shape.hidden)).map(|(a, b)| Some([a, b])).collect()
        }
    };
    let parts = tiles.ranges.iter().cloned().zip(kept).zip(cut(target, channels));
    let jobs: Vec<_> = parts.map(|((lines, kept), target)| Tile { lines, kept, target }).collect();

    let event = shape.output_event();
    jobs.into_par_iter().for_each(|Tile { lines, kept, target }| {
        let count = lines.len();
        if !tiles.whole {
            return layers(x, shape, weights, tiles.bands(&lines), kept, target);
        }
        with_scratch([count * shape.width * shape.narrow_out()], |[patches]| {
            layers(x, shape, weights, tiles.bands(&lines), kept, patches);
            scatter_lines(patches, event, 0..count, Some(weights.last_bias), target);
        });
    });
    if !tiles.whole {
        out.par_chunks_mut(shape.width * shape.outputs).enumerate().for_each(|(line, out)| {
            scatter_lines(&patches, event, line..line + 1, Some(weights.last_bias), out);
        });
    }
    out
}

/// The three layers of consecutive bands without the final scatter; `kept` and `wide` begin where the first band does.
fn layers(
    x: &[f32],
    shape: Shape,
    weights: &Weights<'_>,
    bands: impl Iterator<Item = Range<usize>>,
    mut kept: Option<[&mut [f32]; 2]>,
    wide: &mut [f32],
) {
    let Shape { width, hidden, .. } = shape;
    let (narrow_in, narrow_out) = (shape.narrow_in(), shape.narrow_out());
    let first = Matrix::new(weights.first, narrow_in, hidden);
    let second = Matrix::new(weights.second, hidden, hidden);
    let last = Matrix::new(weights.last, hidden, narrow_out);
    let mut done = 0;
    for lines in bands {
        let count = lines.len() * width;
        let spare = if kept.is_some() { 0 } else { count * hidden };
        with_scratch([count * narrow_in, spare, spare], |[patches, spare_first, spare_second]| {
            let part = done * hidden..(done + count) * hidden;
            let (h1, h2) = match &mut kept {
                Some([h1, h2]) => (&mut h1[part.clone()], &mut h2[part]),
                None => (spare_first, spare_second),
            };
            gather_lines(x, shape.input_event(), lines, patches);
            multiply(Matrix::new(patches, count, narrow_in), first, h1);
            add_bias_and_relu(h1, weights.first_bias);
            multiply(Matrix::new(h1, count, hidden), second, h2);
            add_bias_and_relu(h2, weights.second_bias);
            let out = &mut wide[done * narrow_out..(done + count) * narrow_out];
            multiply(Matrix::new(h2, count, hidden), last, out);
        });
        done += count;
    }
}
