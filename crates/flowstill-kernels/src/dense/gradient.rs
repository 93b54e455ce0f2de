//! Sum products over lanes: the gradient of a matrix from planes before it and gradients behind it.
//!
//! The gradients are transposed once, `[lane, output]`, a panel of outputs at a time; then every block of sums stays in registers from the first lane to
//! the last, and the matrix of sums is touched once, however many lanes there are.

use super::packed::UNITS;
use super::transpose::{SIDE, transpose};
use crate::scratch::with_scratch;
use pulp::{Arch, Simd, WithSimd};

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
    assert!(lanes.is_multiple_of(super::LANES), "{lanes} lanes");
    assert_eq!([gradient.len(), input.len()], [outputs * lanes, inputs * lanes], "whole planes");
    assert_eq!(sums.len(), inputs * outputs, "sums of {inputs} x {outputs} weights");
    if !sums.is_empty() {
        // Outside of what is dispatched: a closure within would not get its instruction set.
        with_scratch([lanes * WIDEST, lanes], |[transposed, zeros]| {
            zeros.fill(0.0);
            Arch::new().dispatch(Sum { gradient, input, lanes, limit, sums, transposed, zeros });
        });
    }
}

struct Sum<'a, F> {
    gradient: &'a [f32],
    input: &'a [f32],
    lanes: usize,
    limit: F,
    sums: &'a mut [f32],
    transposed: &'a mut [f32],
    zeros: &'a [f32],
}

/// Outputs of a panel at most: four of the widest vectors.
const WIDEST: usize = 64;

impl<F: Fn(usize) -> usize> WithSimd for Sum<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::REGISTER_COUNT {
            32.. => self.panels::<S, 4>(simd),
            _ => self.panels::<S, 2>(simd),
        }
    }
}

impl<F: Fn(usize) -> usize> Sum<'_, F> {
    #[inline(always)]
    fn panels<S: Simd, const V: usize>(self, simd: S) {
        let Self { gradient, input, lanes, limit, sums, transposed, zeros } = self;
        let (outputs, inputs) = (gradient.len() / lanes, input.len() / lanes);
        // A scalar machine has panels of a few outputs; they are transposed by sixteen all the same.
        let panel = (V * S::F32_LANES).max(SIDE);
        let transposed = &mut transposed[..lanes * panel];
        for first in (0..outputs).step_by(panel) {
            let here = panel.min(outputs - first);
            transpose(simd, &gradient[first * lanes..(first + here) * lanes], lanes, panel, zeros, transposed);
            let seen = limit(first + here - 1).min(inputs);
            for begin in (0..seen).step_by(UNITS) {
                let rows: [&[f32]; UNITS] = std::array::from_fn(|u| match begin + u < seen {
                    true => &input[(begin + u) * lanes..][..lanes],
                    false => zeros,
                });
                let mut part = 0;
                while part < here {
                    // The last vectors of outputs may be fewer.
                    let to = &mut sums[begin * outputs + first + part..];
                    let place = Place { stride: outputs, rows: (seen - begin).min(UNITS), width: here - part };
                    part += S::F32_LANES
                        * match (here - part).div_ceil(S::F32_LANES).min(V) {
                            1 => place.add::<S, 1>(simd, rows, transposed, panel, part, to),
                            2 => place.add::<S, 2>(simd, rows, transposed, panel, part, to),
                            3 => place.add::<S, 3>(simd, rows, transposed, panel, part, to),
                            _ => place.add::<S, 4>(simd, rows, transposed, panel, part, to),
                        };
                }
            }
        }
    }
}

/// Where a block of sums is added.
struct Place {
    stride: usize,
    rows: usize,
    width: usize,
}

impl Place {
    /// Compute a block and add it; its vectors.
    #[inline(always)]
    fn add<S: Simd, const V: usize>(
        &self,
        simd: S,
        rows: [&[f32]; UNITS],
        transposed: &[f32],
        panel: usize,
        part: usize,
        to: &mut [f32],
    ) -> usize {
        let block = products::<S, V>(simd, rows, transposed, panel, part);
        let width = V * S::F32_LANES;
        for (block, to) in block.iter().zip(to.chunks_mut(self.stride)).take(self.rows) {
            if self.width >= width {
                let (to, _) = S::as_mut_simd_f32s(&mut to[..width]);
                to.iter_mut().zip(block).for_each(|(to, own)| *to = simd.add_f32s(*to, *own));
            } else {
                let own: &[f32] = pulp::bytemuck::cast_slice(block);
                to[..self.width].iter_mut().zip(own).for_each(|(to, own)| *to += own);
            }
        }
        V
    }
}

#[inline(always)]
fn products<S: Simd, const V: usize>(
    simd: S,
    rows: [&[f32]; UNITS],
    transposed: &[f32],
    panel: usize,
    part: usize,
) -> [[S::f32s; V]; UNITS] {
    let mut sums = [[simd.splat_f32s(0.0); V]; UNITS];
    let [a, b, c, d, e, f] = rows;
    // Nothing in the loop may panic, or it would be compiled for the least machine.
    let lanes = transposed.chunks_exact(panel).zip(a).zip(b).zip(c).zip(d).zip(e).zip(f);
    for ((((((transposed, a), b), c), d), e), f) in lanes {
        let (values, _) = S::as_simd_f32s(&transposed[part..part + V * S::F32_LANES]);
        let values: [S::f32s; V] = std::array::from_fn(|v| values[v]);
        let factors = [*a, *b, *c, *d, *e, *f];
        sums = std::array::from_fn(|u| {
            let factor = simd.splat_f32s(factors[u]);
            std::array::from_fn(|v| simd.mul_add_e_f32s(factor, values[v], sums[u][v]))
        });
    }
    sums
}
