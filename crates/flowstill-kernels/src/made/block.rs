//! Add up the last few inputs of units that become known together.

use pulp::Simd;

/// Weights of consecutive units over consecutive inputs, for sums that are short.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) units: usize,
    inputs: usize,
    /// Groups of 4, 2 and 1 units, each `[input][unit]`.
    weights: Vec<f32>,
}

/// Units of the next group.
fn group(left: usize) -> usize {
    match left {
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

impl Block {
    pub(super) fn new(units: usize, inputs: usize, weight: impl Fn(usize, usize) -> f32) -> Self {
        let mut weights = Vec::with_capacity(units * inputs);
        let mut first = 0;
        while first < units {
            let here = group(units - first);
            for input in 0..inputs {
                weights.extend((first..first + here).map(|unit| weight(unit, input)));
            }
            first += here;
        }
        Self { units, inputs, weights }
    }

    /// `out += W input`; `input` is `[inputs, lanes]`, `out` is `[units, lanes]`, lanes a multiple of 16.
    #[inline(always)]
    pub(super) fn add<S: Simd>(&self, simd: S, input: &[f32], lanes: usize, out: &mut [f32]) {
        let input = &input[..self.inputs * lanes];
        if input.is_empty() {
            return;
        }
        let (mut weights, mut out) = (self.weights.as_slice(), out);
        let mut left = self.units;
        while left > 0 {
            let here = group(left);
            let (own, rest) = weights.split_at(here * self.inputs);
            let (to, others) = std::mem::take(&mut out).split_at_mut(here * lanes);
            match here {
                4 => units::<S, 4>(simd, own, input, lanes, to),
                2 => units::<S, 2>(simd, own, input, lanes, to),
                _ => units::<S, 1>(simd, own, input, lanes, to),
            }
            (weights, out) = (rest, others);
            left -= here;
        }
    }
}

#[inline(always)]
fn units<S: Simd, const U: usize>(simd: S, weights: &[f32], input: &[f32], lanes: usize, out: &mut [f32]) {
    let vectors = lanes / S::F32_LANES;
    let mut at = 0;
    while at < vectors {
        let first = at * S::F32_LANES;
        at += match vectors - at {
            4.. => lanes_of::<S, U, 4>(simd, weights, input, lanes, first, out),
            2.. => lanes_of::<S, U, 2>(simd, weights, input, lanes, first, out),
            _ => lanes_of::<S, U, 1>(simd, weights, input, lanes, first, out),
        };
    }
}

#[inline(always)]
fn lanes_of<S: Simd, const U: usize, const V: usize>(
    simd: S,
    weights: &[f32],
    input: &[f32],
    lanes: usize,
    first: usize,
    out: &mut [f32],
) -> usize {
    // Loops of known lengths, here and below, or the sums would not stay in registers.
    let end = first + V * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); V]; U];
    for (u, sums) in sums.iter_mut().enumerate() {
        let (before, _) = S::as_simd_f32s(&out[u * lanes + first..u * lanes + end]);
        sums.copy_from_slice(&before[..V]);
    }
    let (weights, _) = weights.as_chunks::<U>();
    for (weights, plane) in weights.iter().zip(input.chunks_exact(lanes)) {
        let (values, _) = S::as_simd_f32s(&plane[first..end]);
        let values: [S::f32s; V] = std::array::from_fn(|v| values[v]);
        sums = std::array::from_fn(|u| {
            let weight = simd.splat_f32s(weights[u]);
            std::array::from_fn(|v| simd.mul_add_e_f32s(weight, values[v], sums[u][v]))
        });
    }
    for (u, sums) in sums.iter().enumerate() {
        let (out, _) = S::as_mut_simd_f32s(&mut out[u * lanes + first..u * lanes + end]);
        out[..V].copy_from_slice(sums);
    }
    V
}
