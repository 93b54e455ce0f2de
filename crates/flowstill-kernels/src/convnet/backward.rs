//! Carry tiles back through the network, each worker summing the gradients of the weights over its own tiles.

use super::{Activations, Shape, Weights};
use crate::elementwise::{add, mask_and_sum, sum_rows};
use crate::patches::{gather_lines, scatter_lines};
use crate::product::{Matrix, multiply, multiply_add};
use crate::scratch::with_scratch;
use crate::tiles::{Tiles, split};
use rayon::prelude::*;
use std::ops::Range;

/// Which gradients to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// That of the input.
    pub x: bool,
    /// Those of all weights.
    pub weights: bool,
}

/// The gradients of a loss, each of the length of what it belongs to, or empty if it was not wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// `[batch, height, width, inputs]`.
    pub x: Vec<f32>,
    /// Of the weights, in the order of the fields of [`Weights`].
    pub weights: [Vec<f32>; 6],
}

/// The gradients, given that of the output, `[batch, height, width, outputs]`, and what the forward pass kept.
///
/// # Panics
/// If a length does not agree with `shape`.
pub fn backward(
    x: &[f32],
    shape: Shape,
    weights: &Weights<'_>,
    kept: &Activations,
    gradient: &[f32],
    wanted: Wanted,
) -> Gradients {
    shape.check(x, weights);
    assert_eq!(gradient.len(), shape.positions() * shape.outputs, "gradient of the output of {shape:?}");
    for kept in [&kept.first, &kept.second] {
        assert_eq!(kept.len(), shape.positions() * shape.hidden, "activations of {shape:?}");
    }
    let mut gradients = Gradients::default();
    if wanted.x {
        gradients.x = vec![0.0; x.len()];
    }
    if wanted.weights {
        gradients.weights = shape.weight_lengths().map(|length| vec![0.0; length]);
    }
    if gradient.is_empty() {
        return gradients;
    }
    let tiles = shape.tiles();
    let call = Call { x, shape, weights, kept, gradient, wanted, tiles: &tiles };
    let [w, narrow_in] = [shape.width, shape.narrow_in()];
    let mut patches = if tiles.whole || !wanted.x { Vec::new() } else { vec![0.0; shape.positions() * narrow_in] };

    // Every group of tiles, in order, has its own sums and its own part of the gradient of x (or of its patches).
    let groups = tiles.groups(rayon::current_num_threads());
    let (target, channels) = if tiles.whole { (&mut gradients.x, shape.inputs) } else { (&mut patches, narrow_in) };
    let length = |tiles: &[Range<usize>]| tiles.iter().map(|lines| lines.len() * w).sum::<usize>();
    let targets = split(target, groups.iter().map(|group| if wanted.x { length(group) * channels } else { 0 }));
    let jobs: Vec<_> = groups.into_iter().zip(targets).collect();
    let sums: Vec<[Vec<f32>; 6]> = jobs.into_par_iter().map(|(group, target)| call.group(group, target)).collect();

    if wanted.weights {
        for sums in &sums {
            gradients.weights.iter_mut().zip(sums).for_each(|(to, from)| add(to, from));
        }
    }
    if !tiles.whole && wanted.x {
        gradients.x.par_chunks_mut(w * shape.inputs).enumerate().for_each(|(line, out)| {
            scatter_lines(&patches, shape.input_event(), line..line + 1, None, out);
        });
    }
    gradients
}

struct Call<'a> {
    x: &'a [f32],
    shape: Shape,
    weights: &'a Weights<'a>,
    kept: &'a Activations,
    gradient: &'a [f32],
    wanted: Wanted,
    tiles: &'a Tiles,
}

impl Call<'_> {
    /// Some tiles, one after the other; `target` is their part of the gradient of `x`, or of its patches if tiles are not whole samples.
    fn group(&self, group: &[Range<usize>], target: &mut [f32]) -> [Vec<f32>; 6] {
        let (shape, wanted, whole) = (self.shape, self.wanted, self.tiles.whole);
        let (narrow_in, width) = (shape.narrow_in(), shape.width);
        let lengths = shape.weight_lengths();
        let mut sums: [Vec<f32>; 6] = std::array::from_fn(|i| {
            // The sums of biases fall out of a pass that is made anyway.
            let unused = !wanted.weights && i % 2 == 0;
            vec![0.0; if unused { 0 } else { lengths[i] }]
        });
        let channels = match (wanted.x, whole) {
            (false, _) => 0,
            (true, false) => narrow_in,
            (true, true) => shape.inputs,
        };
        let targets = split(target, group.iter().map(|lines| lines.len() * width * channels));
        for (lines, target) in group.iter().zip(targets) {
            if !(whole && wanted.x) {
                self.layers(lines, target, &mut sums);
                continue;
            }
            with_scratch([lines.len() * width * narrow_in], |[patches]| {
                self.layers(lines, patches, &mut sums);
                scatter_lines(patches, shape.input_event(), 0..lines.len(), None, target);
            });
        }
        sums
    }

    /// Back through the layers, band by band; `narrow` receives the gradient of the patches of `x`.
    fn layers(&self, tile: &Range<usize>, narrow: &mut [f32], sums: &mut [Vec<f32>; 6]) {
        let Self { x, shape, weights, kept, gradient, wanted, tiles } = *self;
        let Shape { width, hidden, outputs, .. } = shape;
        let (narrow_in, narrow_out) = (shape.narrow_in(), shape.narrow_out());
        let first = Matrix::new(weights.first, narrow_in, hidden).transposed();
        let second = Matrix::new(weights.second, hidden, hidden).transposed();
        let last = Matrix::new(weights.last, hidden, narrow_out).transposed();
        let [first_sum, first_bias, second_sum, second_bias, last_sum, last_bias] = sums;
        let band = tiles.band * width;
        with_scratch([band * narrow_in.max(narrow_out), band * hidden, band * hidden], |[patches, g2, g1]| {
            for lines in tiles.bands(tile) {
                let count = lines.len() * width;
                let part = |channels: usize| lines.start * width * channels..lines.end * width * channels;
                let (h1, h2) = (&kept.first[part(hidden)], &kept.second[part(hidden)]);
                let (g1, g2) = (&mut g1[..count * hidden], &mut g2[..count * hidden]);

                let g = &mut patches[..count * narrow_out];
                gather_lines(gradient, shape.output_event(), lines.clone(), g);
                let g = Matrix::new(g, count, narrow_out);
                sum_rows(&gradient[part(outputs)], last_bias);
                multiply(g, last, g2);
                mask_and_sum(g2, h2, second_bias);
                let g2 = Matrix::new(g2, count, hidden);
                multiply(g2, second, g1);
                mask_and_sum(g1, h1, first_bias);
                if wanted.weights {
                    multiply_add(Matrix::new(h2, count, hidden).transposed(), g, last_sum);
                    multiply_add(Matrix::new(h1, count, hidden).transposed(), g2, second_sum);
                    let patches = &mut patches[..count * narrow_in];
                    gather_lines(x, shape.input_event(), lines.clone(), patches);
                    let g1 = Matrix::new(g1, count, hidden);
                    multiply_add(Matrix::new(patches, count, narrow_in).transposed(), g1, first_sum);
                }
                if wanted.x {
                    let start = (lines.start - tile.start) * width * narrow_in;
                    multiply(Matrix::new(g1, count, hidden), first, &mut narrow[start..start + count * narrow_in]);
                }
            }
        });
    }
}
