//! Move flat vectors of weights against their gradient in one pass.
//!
//! Vectors are cut into chunks of a fixed length, so that a result is the same to the last bit whatever the number of threads.

use crate::planes::wide::Wide;
use pulp::{Arch, Scalar, Simd, WithSimd};
use rayon::prelude::*;

/// The rule that weights follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Kingma and Ba 2015, algorithm 1; decay is added to the gradient.
    Adam,
    /// Loshchilov and Hutter 2019: decay acts on the weights themselves.
    AdamW,
    /// Kingma and Ba 2015, algorithm 2, the infinity-norm form; decay is added to the gradient.
    Adamax,
}

/// One step's numbers. Products of them are taken in `f64` and rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Which rule.
    pub kind: Kind,
    /// The learning rate of this step.
    pub rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment, or of the infinity norm.
    pub beta2: f64,
    /// Added to the root of the second moment, or to the gradient's size.
    pub epsilon: f64,
    /// Weight decay, 0 for none.
    pub weight_decay: f64,
    /// `1 - beta1^t` at the step `t`, counted from 1.
    pub correction1: f64,
    /// `1 - beta2^t`; Adamax has no use for it.
    pub correction2: f64,
    /// What the gradient is multiplied by first, 1 for no clipping.
    pub gradient_scale: f64,
}

/// Values of a chunk in an update: five vectors of them fit the cache of a core.
const CHUNK: usize = 1 << 13;

/// Values whose squares are summed in `f32`.
const SUMMED: usize = 1 << 12;

/// Partial sums side by side, on every machine.
const PARTS: usize = 64;

/// The sum of the squares: in `f32`, 64 sums side by side, within 4096 values, from there on in `f64`. Infinite or NaN if a square is.
pub fn square_norm(gradient: &[f32]) -> f64 {
    let sums: Vec<f64> = gradient.par_chunks(SUMMED).map(|chunk| Arch::new().dispatch(Squares(chunk))).collect();
    sums.iter().sum()
}

struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sums = [0.0_f32; PARTS];
        let (blocks, rest) = self.0.as_chunks::<PARTS>();
        for block in blocks {
            let (sums, values) = (S::as_mut_simd_f32s(&mut sums).0, S::as_simd_f32s(block).0);
            for (sum, value) in sums.iter_mut().zip(values) {
                // Not fused, so that machines agree.
                *sum = simd.add_f32s(*sum, simd.mul_f32s(*value, *value));
            }
        }
        sums.iter_mut().zip(rest).for_each(|(sum, value)| *sum += value * value);
        sums.iter().map(|sum| f64::from(*sum)).sum()
    }
}

/// One step from the weights `before`; `weights` holds the gradient, and the new weights afterwards; `first` and `second` are the moments (the second the
/// infinity norm in Adamax), and all are `[values]`. `ema` is running averages of the new weights, `[values]`, with their decay.
///
/// ```text
/// g       = gradient * gradient_scale (+ before * weight_decay, not with AdamW)
/// weights = before * (1 - rate * weight_decay)                   (AdamW alone)
/// first   = first * beta1 + g * (1 - beta1)
/// second  = second * beta2 + g^2 * (1 - beta2)                   (Adamax: max(second * beta2, |g| + epsilon))
/// weights = weights - first / (sqrt(second / correction2) + epsilon) * (rate / correction1)
///                                                                (Adamax: first / second * (rate / correction1))
/// ema     = ema * decay + weights * (1 - decay)
/// ```
///
/// # Panics
/// If the lengths do not agree.
pub fn update(
    rule: &Rule,
    before: &[f32],
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    ema: Option<(&mut [f32], f32)>,
) {
    let n = weights.len();
    assert!(before.len() == n && first.len() == n && second.len() == n, "lengths of an update");
    let chunks = weights.par_chunks_mut(CHUNK).zip(before.par_chunks(CHUNK));
    let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
    let step = |(((weights, before), first), second), ema| {
        Arch::new().dispatch(Step { rule, before, weights, first, second, ema });
    };
    match ema {
        None => chunks.for_each(|chunk| step(chunk, None)),
        Some((ema, decay)) => {
            assert_eq!(ema.len(), n, "averages of an update");
            chunks.zip(ema.par_chunks_mut(CHUNK)).for_each(|(chunk, ema)| step(chunk, Some((ema, decay))));
        }
    }
}

/// The update of one chunk.
struct Step<'a> {
    rule: &'a Rule,
    before: &'a [f32],
    weights: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    ema: Option<(&'a mut [f32], f32)>,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Step { rule, before, weights, first, second, ema } = self;
        let whole = weights.len() - weights.len() % S::F32_LANES;
        let (weights, last_weights) = weights.split_at_mut(whole);
        let (before, last_before) = before.split_at(whole);
        let (first, last_first) = first.split_at_mut(whole);
        let (second, last_second) = second.split_at_mut(whole);
        let (ema, last_ema) = match ema {
            None => (None, None),
            Some((ema, decay)) => {
                let (ema, last) = ema.split_at_mut(whole);
                (Some((ema, decay)), Some((last, decay)))
            }
        };
        run(simd, rule, before, weights, first, second, ema);
        // Nothing is fused, so a value's bits do not depend on where it stands.
        run(Scalar::new(), rule, last_before, last_weights, last_first, last_second, last_ema);
    }
}

#[inline(always)]
fn run<S: Simd>(
    simd: S,
    rule: &Rule,
    before: &[f32],
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    ema: Option<(&mut [f32], f32)>,
) {
    match rule.kind {
        Kind::Adam => run_kind::<S, false, false>(simd, rule, before, weights, first, second, ema),
        Kind::AdamW => run_kind::<S, true, false>(simd, rule, before, weights, first, second, ema),
        Kind::Adamax => run_kind::<S, false, true>(simd, rule, before, weights, first, second, ema),
    }
}

#[inline(always)]
fn run_kind<S: Simd, const DECOUPLED: bool, const INFINITY: bool>(
    simd: S,
    rule: &Rule,
    before: &[f32],
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    ema: Option<(&mut [f32], f32)>,
) {
    let (decay, shrink) = (rule.weight_decay as f32, (1.0 - rule.rate * rule.weight_decay) as f32);
    let (beta1, rest1) = (rule.beta1 as f32, (1.0 - rule.beta1) as f32);
    let (beta2, rest2) = (rule.beta2 as f32, (1.0 - rule.beta2) as f32);
    let (rate, correction2) = ((rule.rate / rule.correction1) as f32, rule.correction2 as f32);
    let (epsilon, scale) = (rule.epsilon as f32, rule.gradient_scale as f32);
    let weights = S::as_mut_simd_f32s(weights).0;
    let (first, second) = (S::as_mut_simd_f32s(first).0, S::as_mut_simd_f32s(second).0);
    let wide = |value: S::f32s| Wide::new(simd, value);
    let before = S::as_simd_f32s(before).0;
    for (((weight, before), first), second) in weights.iter_mut().zip(before).zip(first).zip(second) {
        let (mut w, mut g) = (wide(*before), wide(*weight) * scale);
        if DECOUPLED {
            w = w * shrink;
        } else if rule.weight_decay != 0.0 {
            g = g + w * decay;
        }
        let m = wide(*first) * beta1 + g * rest1;
        let step = if INFINITY {
            let v = (g.abs() + epsilon).at_least(wide(*second) * beta2);
            *second = v.value();
            m / v
        } else {
            let v = wide(*second) * beta2 + (g * g) * rest2;
            *second = v.value();
            m / ((v / correction2).sqrt() + epsilon)
        };
        *first = m.value();
        *weight = (w - step * rate).value();
    }
    let Some((ema, decay)) = ema else { return };
    // The chunk still lies in the cache.
    for (ema, weight) in S::as_mut_simd_f32s(ema).0.iter_mut().zip(weights) {
        *ema = (wide(*ema) * decay + wide(*weight) * (1.0 - decay)).value();
    }
}

#[cfg(test)]
#[path = "optimiser_tests.rs"]
mod tests;
