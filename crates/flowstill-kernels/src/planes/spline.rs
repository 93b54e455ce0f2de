//! Bend values by a monotone rational-quadratic spline on `[-bound, bound]`, one feature over all its lanes, and leave them alone outside.
//!
//! Source: Gregory and Delbourgo 1982; Durkan et al. 2019, "Neural Spline Flows", section 3.1 and appendix A.1.
//!
//! Bin `k` has the width `w`, the height `h`, the mean slope `s = h / w` and the slopes `d0`, `d1` at its two knots. With
//! `t = (x - x_k) / w` in [0, 1]:
//!
//! ```text
//! z         = z_k + h (s t^2 + d0 t (1 - t)) / (s (1 - 2 t (1 - t)) + (d0 + d1) t (1 - t))
//! log dz/dx = log(d1 t^2 + 2 s t (1 - t) + d0 (1 - t)^2) + 2 log(s / (s (1 - 2 t (1 - t)) + (d0 + d1) t (1 - t)))
//! ```
//!
//! Everywhere `raw` is `[3 * bins - 1][lanes]`: `bins` widths, `bins` heights, `bins - 1` inner slopes. Widths and heights are softmaxes over a
//! floor of a thousandth of the interval, slopes are softplus over a floor of a thousandth; raw slope 0 is slope 1, and so are the slopes at both
//! ends. Raw slopes count as at most 1e9. A value that is NaN passes as those outside do.

use super::LANES;
use super::bin::{Bin, Exponentials, Grid, Raw, Side, Wanted};
use super::wide::Wide;
use pulp::Simd;

/// Call one of the functions below with room for the bins: 8 is the usual number, compiled as such.
macro_rules! with_room {
    ($bins:expr, $run:ident::<$simd:ty, $side:ident>($($argument:expr),*)) => {
        match $bins {
            8 => $run::<$simd, 8>(Side::$side, 8, $($argument),*),
            2..=16 => $run::<$simd, 16>(Side::$side, $bins, $($argument),*),
            _ => $run::<$simd, 256>(Side::$side, $bins, $($argument),*),
        }
    };
}

/// Data to latent: `x` and `z` are `[lanes]`; `log dz/dx` is added to `log_slope`, `[lanes]`.
///
/// # Panics
/// If the lengths do not agree, `lanes` is no multiple of [`LANES`], or `bins` is not between 2 and 256.
#[inline(always)]
pub fn forward<S: Simd>(
    simd: S,
    x: &[f32],
    raw: &[f32],
    bins: usize,
    bound: f32,
    z: &mut [f32],
    log_slope: &mut [f32],
) {
    with_room!(bins, values::<S, Data>(simd, x, raw, bound, z, log_slope));
}

/// Latent to data: `z` and `x` are `[lanes]`; the same `log dz/dx` as in [`forward`] is added to `log_slope`, `[lanes]`.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
pub fn inverse<S: Simd>(
    simd: S,
    z: &[f32],
    raw: &[f32],
    bins: usize,
    bound: f32,
    x: &mut [f32],
    log_slope: &mut [f32],
) {
    with_room!(bins, values::<S, Latent>(simd, z, raw, bound, x, log_slope));
}

/// The gradients of [`forward`] at `x`: from those of `z` and of `log_slope`, all `[lanes]`, to those of `x`, `[lanes]`, and of `raw`,
/// `[3 * bins - 1][lanes]`, both overwritten.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn backward<S: Simd>(
    simd: S,
    x: &[f32],
    raw: &[f32],
    bins: usize,
    bound: f32,
    g_z: &[f32],
    g_log_slope: &[f32],
    g_x: &mut [f32],
    g_raw: &mut [f32],
) {
    with_room!(bins, gradients::<S, Data>(simd, x, raw, bound, g_z, g_log_slope, g_x, g_raw));
}

/// The gradients of [`inverse`] at `z`: from those of `x` and of `log_slope`, all `[lanes]`, to those of `z`, `[lanes]`, and of `raw`,
/// `[3 * bins - 1][lanes]`, both overwritten.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn backward_inverse<S: Simd>(
    simd: S,
    z: &[f32],
    raw: &[f32],
    bins: usize,
    bound: f32,
    g_x: &[f32],
    g_log_slope: &[f32],
    g_z: &mut [f32],
    g_raw: &mut [f32],
) {
    with_room!(bins, gradients::<S, Latent>(simd, z, raw, bound, g_x, g_log_slope, g_z, g_raw));
}

#[inline(always)]
fn check(lanes: usize, raw: usize, bins: usize) {
    assert!((2..=256).contains(&bins), "{bins} bins");
    assert!(lanes.is_multiple_of(LANES), "{lanes} lanes");
    assert_eq!(raw, lanes * (3 * bins - 1), "raw values of a spline");
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn values<S: Simd, const N: usize>(
    side: Side,
    bins: usize,
    simd: S,
    from: &[f32],
    raw: &[f32],
    bound: f32,
    to: &mut [f32],
    log_slope: &mut [f32],
) {
    let lanes = from.len();
    check(lanes, raw.len(), bins);
    assert!(to.len() == lanes && log_slope.len() == lanes, "lanes of a spline");
    let grid = Grid::new(bins, bound);
    let mut exps = Exponentials::<S, N>::new(simd);
    let (from, planes) = (S::as_simd_f32s(from).0, S::as_simd_f32s(raw).0);
    let (to, log_slope) = (S::as_mut_simd_f32s(to).0, S::as_mut_simd_f32s(log_slope).0);
    let vectors = from.len();
    for (at, ((from, to), log_slope)) in from.iter().zip(to).zip(log_slope).enumerate() {
        let value = Wide::new(simd, *from);
        let inside = value.abs().at_most_mask(bound);
        let inner = Wide::select(inside, value, value.all(0.0));
        let bin = Bin::find(inner, Raw { simd, planes, vectors, at }, grid, side, &mut exps);
        let (image, slope) = match side {
            Side::Data => {
                let (share, slope) = bin.evaluate(bin.place(inner));
                (bin.height.mul_add(share, bin.z), slope)
            }
            Side::Latent => {
                let t = bin.solve(inner);
                (bin.width.mul_add(t, bin.x), bin.evaluate(t).1)
            }
        };
        *to = Wide::select(inside, image, value).value();
        *log_slope = (Wide::new(simd, *log_slope) + Wide::select(inside, slope, slope.all(0.0))).value();
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn gradients<S: Simd, const N: usize>(
    side: Side,
    bins: usize,
    simd: S,
    from: &[f32],
    raw: &[f32],
    bound: f32,
    g_to: &[f32],
    g_log_slope: &[f32],
    g_from: &mut [f32],
    g_raw: &mut [f32],
) {
    let lanes = from.len();
    check(lanes, raw.len(), bins);
    assert!(g_to.len() == lanes && g_log_slope.len() == lanes && g_from.len() == lanes, "lanes of a spline");
    assert_eq!(raw.len(), g_raw.len(), "raw values of a spline");
    let grid = Grid::new(bins, bound);
    let mut exps = Exponentials::<S, N>::new(simd);
    let (from, planes) = (S::as_simd_f32s(from).0, S::as_simd_f32s(raw).0);
    let (g_to, g_log_slope) = (S::as_simd_f32s(g_to).0, S::as_simd_f32s(g_log_slope).0);
    let (g_from, g_raw) = (S::as_mut_simd_f32s(g_from).0, S::as_mut_simd_f32s(g_raw).0);
    let vectors = from.len();
    for (at, (((from, g_to), g_log), g_from)) in from.iter().zip(g_to).zip(g_log_slope).zip(g_from).enumerate() {
        let value = Wide::new(simd, *from);
        let zero = value.all(0.0);
        let inside = value.abs().at_most_mask(bound);
        let inner = Wide::select(inside, value, zero);
        let outer = Wide::new(simd, *g_to);
        let g_to = Wide::select(inside, outer, zero);
        let g_log = Wide::select(inside, Wide::new(simd, *g_log), zero);
        let bin = Bin::find(inner, Raw { simd, planes, vectors, at }, grid, side, &mut exps);
        let (gradient, own) = match side {
            Side::Data => {
                let gradient = bin.gradient(bin.place(inner), Wanted::Forward { g_z: g_to, g_log });
                let own = gradient.g_x;
                (gradient, own)
            }
            Side::Latent => {
                let gradient = bin.gradient(bin.solve(inner), Wanted::Inverse { g_x: g_to, g_log });
                let own = -gradient.g_z;
                (gradient, own)
            }
        };
        *g_from = Wide::select(inside, own, outer).value();
        bin.spread(&gradient, grid, &exps, vectors, at, g_raw);
    }
}

#[cfg(test)]
#[path = "spline_tests.rs"]
mod tests;
