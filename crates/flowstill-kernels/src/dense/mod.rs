//! Multiply planes by a matrix whose blocks of zeros are never touched.
//!
//! A plane is one quantity over all lanes (rows of a table, positions of pictures): `[plane, lanes]`. So `out[n] = sum_k w[n, k] in[k]` is wide
//! across lanes, whatever the number of planes, and a lane's result depends neither on the other lanes nor on how many there are.
//!
//! Weights are kept in groups of [`UNITS`] outputs, `[group][input][UNITS]`, each group only over the span of inputs that any of its outputs may see.
//! The hidden units of a masked net, sorted by degree, make that span a staircase: about half of the arithmetic is never done.

mod kernel;
mod packed;

pub use kernel::{End, Start};
pub use packed::{Packed, UNITS};

use crate::product::{Matrix, multiply_add_at};

/// Lanes come in multiples of this: one of the widest vectors.
pub const LANES: usize = 16;

/// Outputs whose gradients are summed at a time where a span saves arithmetic.
const STRIP: usize = 48;

/// `sums[k, n] += sum over lanes of input[k] gradient[n]`, row-major `[inputs, outputs]`, for the `k` below `limit(n)` at least; `limit` never falls. What lies
/// beyond the limit holds anything afterwards.
///
/// # Panics
/// If the lengths do not agree.
pub fn add_weight_gradient(
    gradient: &[f32],
    input: &[f32],
    lanes: usize,
    limit: impl Fn(usize) -> usize,
    sums: &mut [f32],
) {
    let (outputs, inputs) = (gradient.len() / lanes, input.len() / lanes);
    assert_eq!(sums.len(), inputs * outputs, "sums of {inputs} x {outputs} weights");
    if sums.is_empty() {
        return;
    }
    let strip = if limit(0) == inputs { outputs } else { STRIP };
    for first in (0..outputs).step_by(strip) {
        let end = (first + strip).min(outputs);
        let seen = limit(end - 1).min(inputs);
        let gradient = Matrix::new(&gradient[first * lanes..end * lanes], end - first, lanes).transposed();
        let input = Matrix::new(&input[..seen * lanes], seen, lanes);
        multiply_add_at(input, gradient, sums, first, outputs);
    }
}

#[cfg(test)]
mod tests;
