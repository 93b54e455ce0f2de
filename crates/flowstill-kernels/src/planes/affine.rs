//! Map values by `z = (x + shift) exp(s)` or by `z = x + shift`, one feature over all its lanes.
//!
//! Everywhere `raw` is `[2][lanes]`, the shifts and then what [`LogScale`] makes `s` of; for the additive map it is `[1][lanes]`, the shifts.

use super::LANES;
use super::math::{exp, ln, sigmoid, softplus, tanh};
use super::wide::Wide;
use crate::univariate::LogScale;
use pulp::Simd;

/// `s` from a raw value, and `ds / d raw`.
#[inline(always)]
fn log_scale<S: Simd>(scale: LogScale, raw: Wide<S>) -> (Wide<S>, Wide<S>) {
    let one = raw.all(1.0);
    match scale {
        LogScale::Tanh(bound) => {
            let y = tanh(raw * bound.recip());
            (y * bound, one - y * y)
        }
        LogScale::Softsign(bound) => {
            let inverse = one / ((raw * bound.recip()).abs() + 1.0);
            (raw * inverse, inverse * inverse)
        }
        LogScale::Sigmoid(0.0) => (-softplus(-(raw + 2.0)), sigmoid(-(raw + 2.0))),
        LogScale::Sigmoid(floor) => {
            let y = sigmoid(raw + 2.0);
            (ln(y + floor), y * sigmoid(-(raw + 2.0)) / (y + floor))
        }
        LogScale::Exp => (raw, one),
    }
}

#[inline(always)]
fn check(scale: Option<LogScale>, lanes: usize, raw: usize) {
    assert!(lanes.is_multiple_of(LANES), "{lanes} lanes");
    assert_eq!(raw, lanes * if scale.is_some() { 2 } else { 1 }, "raw values of an affine map");
}

/// Data to latent: `x` and `z` are `[lanes]`; `log dz/dx` is added to `log_slope`, `[lanes]`. Without a `scale` the map is additive.
///
/// # Panics
/// If the lengths do not agree, or `lanes` is no multiple of [`LANES`].
#[inline(always)]
pub fn forward<S: Simd>(
    simd: S,
    scale: Option<LogScale>,
    x: &[f32],
    raw: &[f32],
    z: &mut [f32],
    log_slope: &mut [f32],
) {
    values(simd, scale, x, raw, z, log_slope, |x, shift| x + shift, |x, shift, s| (x + shift) * exp(s));
}

/// Latent to data: `z` and `x` are `[lanes]`; the same `log dz/dx` as in [`forward`] is added to `log_slope`, `[lanes]`.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
pub fn inverse<S: Simd>(
    simd: S,
    scale: Option<LogScale>,
    z: &[f32],
    raw: &[f32],
    x: &mut [f32],
    log_slope: &mut [f32],
) {
    values(simd, scale, z, raw, x, log_slope, |z, shift| z - shift, |z, shift, s| z * exp(-s) - shift);
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn values<S: Simd>(
    simd: S,
    scale: Option<LogScale>,
    from: &[f32],
    raw: &[f32],
    to: &mut [f32],
    log_slope: &mut [f32],
    moved: impl Fn(Wide<S>, Wide<S>) -> Wide<S>,
    mapped: impl Fn(Wide<S>, Wide<S>, Wide<S>) -> Wide<S>,
) {
    let lanes = from.len();
    check(scale, lanes, raw.len());
    assert!(to.len() == lanes && log_slope.len() == lanes, "lanes of an affine map");
    let (shift, raw) = raw.split_at(lanes);
    let (from, shift, raw) = (S::as_simd_f32s(from).0, S::as_simd_f32s(shift).0, S::as_simd_f32s(raw).0);
    let (to, log_slope) = (S::as_mut_simd_f32s(to).0, S::as_mut_simd_f32s(log_slope).0);
    let wide = |value: &S::f32s| Wide::new(simd, *value);
    let moves = from.iter().zip(shift).zip(to);
    let Some(scale) = scale else {
        moves.for_each(|((from, shift), to)| *to = moved(wide(from), wide(shift)).value());
        return;
    };
    for ((((from, shift), to), raw), log_slope) in moves.zip(raw).zip(log_slope) {
        let (s, _) = log_scale(scale, wide(raw));
        *to = mapped(wide(from), wide(shift), s).value();
        *log_slope = (wide(log_slope) + s).value();
    }
}

/// The gradients of [`forward`] at `x`: from those of `z` and of `log_slope`, all `[lanes]`, to those of `x`, `[lanes]`, and of `raw`, shaped as
/// it is, both overwritten.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn backward<S: Simd>(
    simd: S,
    scale: Option<LogScale>,
    x: &[f32],
    raw: &[f32],
    g_z: &[f32],
    g_log_slope: &[f32],
    g_x: &mut [f32],
    g_raw: &mut [f32],
) {
    gradients(simd, scale, x, raw, g_z, g_log_slope, g_x, g_raw, 1.0, |x, shift, s, g_z| {
        let g_x = g_z * exp(s);
        (g_x, g_x, g_x * (x + shift))
    });
}

/// The gradients of [`inverse`] at `z`: from those of `x` and of `log_slope`, all `[lanes]`, to those of `z`, `[lanes]`, and of `raw`, shaped as
/// it is, both overwritten.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn backward_inverse<S: Simd>(
    simd: S,
    scale: Option<LogScale>,
    z: &[f32],
    raw: &[f32],
    g_x: &[f32],
    g_log_slope: &[f32],
    g_z: &mut [f32],
    g_raw: &mut [f32],
) {
    gradients(simd, scale, z, raw, g_x, g_log_slope, g_z, g_raw, -1.0, |z, _, s, g_x| {
        let g_z = g_x * exp(-s);
        (g_z, -g_x, -(g_z * z))
    });
}

/// `sign` is the sign of the shift in the additive map; `rule` answers the gradients of the value, the shift and, without the log-slope, `s`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn gradients<S: Simd>(
    simd: S,
    scale: Option<LogScale>,
    from: &[f32],
    raw: &[f32],
    g_to: &[f32],
    g_log_slope: &[f32],
    g_from: &mut [f32],
    g_raw: &mut [f32],
    sign: f32,
    rule: impl Fn(Wide<S>, Wide<S>, Wide<S>, Wide<S>) -> (Wide<S>, Wide<S>, Wide<S>),
) {
    let lanes = from.len();
    check(scale, lanes, raw.len());
    assert!(g_to.len() == lanes && g_log_slope.len() == lanes && g_from.len() == lanes, "lanes of an affine map");
    assert_eq!(raw.len(), g_raw.len(), "raw values of an affine map");
    let ((shift, raw), (g_shift, g_raw)) = (raw.split_at(lanes), g_raw.split_at_mut(lanes));
    let wide = |value: &S::f32s| Wide::new(simd, *value);
    let (g_to, g_from) = (S::as_simd_f32s(g_to).0, S::as_mut_simd_f32s(g_from).0);
    let g_shift = S::as_mut_simd_f32s(g_shift).0;
    let Some(scale) = scale else {
        for ((g_to, g_from), g_shift) in g_to.iter().zip(g_from).zip(g_shift) {
            (*g_from, *g_shift) = (*g_to, (wide(g_to) * sign).value());
        }
        return;
    };
    let (from, shift, raw) = (S::as_simd_f32s(from).0, S::as_simd_f32s(shift).0, S::as_simd_f32s(raw).0);
    let (g_log_slope, g_raw) = (S::as_simd_f32s(g_log_slope).0, S::as_mut_simd_f32s(g_raw).0);
    let inputs = from.iter().zip(shift).zip(raw).zip(g_to).zip(g_log_slope);
    for (((((from, shift), raw), g_to), g_log), ((g_from, g_shift), g_raw)) in
        inputs.zip(g_from.iter_mut().zip(g_shift).zip(g_raw))
    {
        let (s, by_raw) = log_scale(scale, wide(raw));
        let (own, by_shift, by_s) = rule(wide(from), wide(shift), s, wide(g_to));
        *g_from = own.value();
        *g_shift = by_shift.value();
        *g_raw = ((by_s + wide(g_log)) * by_raw).value();
    }
}

#[cfg(test)]
#[path = "affine_tests.rs"]
mod tests;
