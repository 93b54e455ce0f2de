//! Pass once over values that lie in the cache, with the widest instructions of the machine.

use pulp::{Arch, Simd, WithSimd};

/// Run a loop compiled for the instruction set found while the program runs.
#[inline(always)]
pub fn widest<R>(run: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(run)
}

/// `to += from`.
pub fn add(to: &mut [f32], from: &[f32]) {
    widest(|| to.iter_mut().zip(from).for_each(|(to, from)| *to += *from));
}

/// Partial sums side by side, on every machine.
const PARTS: usize = 16;

/// The sum of `values`, whose number is a multiple of 16.
pub fn sum(values: &[f32]) -> f32 {
    Arch::new().dispatch(SumAndDot::<false>(values, values))[0]
}

/// The sum of `a`, and of `a b`; they are of one length, a multiple of 16.
pub fn sum_and_dot(a: &[f32], b: &[f32]) -> [f32; 2] {
    Arch::new().dispatch(SumAndDot::<true>(a, b))
}

struct SumAndDot<'a, const DOT: bool>(&'a [f32], &'a [f32]);

impl<const DOT: bool> WithSimd for SumAndDot<'_, DOT> {
    type Output = [f32; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; 2] {
        let (mut sums, mut dots) = ([0.0_f32; PARTS], [0.0_f32; PARTS]);
        for (a, b) in self.0.as_chunks::<PARTS>().0.iter().zip(self.1.as_chunks::<PARTS>().0) {
            let (a, b) = (S::as_simd_f32s(a).0, S::as_simd_f32s(b).0);
            let (sums, dots) = (S::as_mut_simd_f32s(&mut sums).0, S::as_mut_simd_f32s(&mut dots).0);
            for (((sum, dot), a), b) in sums.iter_mut().zip(dots).zip(a).zip(b) {
                *sum = simd.add_f32s(*sum, *a);
                if DOT {
                    // Not fused, so that machines agree.
                    *dot = simd.add_f32s(*dot, simd.mul_f32s(*a, *b));
                }
            }
        }
        [sums, dots].map(|parts| parts.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_sixteen_parts() {
        for n in [0, 16, 160] {
            let a: Vec<f32> = (0..n).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
            let b: Vec<f32> = (0..n).map(|i| ((i * 53) % 17) as f32).collect();
            // Small whole numbers: exact in any order.
            let dot = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>();
            assert_eq!(sum_and_dot(&a, &b), [a.iter().sum::<f32>(), dot]);
            assert_eq!(sum(&a), a.iter().sum::<f32>());
        }
    }
}
