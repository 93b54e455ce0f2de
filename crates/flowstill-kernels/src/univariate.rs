//! Undo monotone maps of single values, lane by lane: affine, additive, rational-quadratic spline.

use crate::functions::{exp, tanh};

/// From a raw value to a log-scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LogScale {
    /// `bound * tanh(raw / bound)`.
    Tanh(f32),
    /// `raw / (1 + |raw / bound|)`.
    Softsign(f32),
    /// `log(sigmoid(raw + 2) + floor)`.
    Sigmoid(f32),
    /// `raw`.
    Exp,
}

impl LogScale {
    #[inline(always)]
    fn of(self, raw: f32) -> f32 {
        match self {
            Self::Tanh(bound) => bound * tanh(raw * bound.recip()),
            Self::Softsign(bound) => raw / (1.0 + (raw * bound.recip()).abs()),
            Self::Sigmoid(0.0) => -softplus(-(raw + 2.0)),
            Self::Sigmoid(floor) => (1.0 / (1.0 + (-(raw + 2.0)).exp()) + floor).ln(),
            Self::Exp => raw,
        }
    }
}

/// A monotone map of one value, data to latent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Map {
    /// `z = (x + shift) exp(s)`; raw values: shift, then what `s` comes from.
    Affine(LogScale),
    /// `z = x + shift`.
    Additive,
    /// Rational-quadratic spline on `[-tail_bound, tail_bound]`, the identity outside; raw values: `bins` widths, `bins` heights, `bins - 1`
    /// slopes. Source: Durkan et al. 2019, "Neural Spline Flows", appendix A.1.
    Spline {
        /// The number of bins, at least 2.
        bins: usize,
        /// Half of the interval.
        tail_bound: f32,
    },
}

/// The least width and height of a bin, as a share of the interval, and the least slope.
const FLOOR: f32 = 1e-3;

impl Map {
    /// Raw values per value.
    pub fn params(self) -> usize {
        match self {
            Self::Affine(_) => 2,
            Self::Additive => 1,
            Self::Spline { bins, .. } => 3 * bins - 1,
        }
    }

    /// Latent to data for as many values as `z` has: `raw` is `[params, values]`, `x` is overwritten, `log dz/dx` is added to `log_slope`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    #[inline(always)]
    pub fn inverse(self, z: &[f32], raw: &[f32], x: &mut [f32], log_slope: &mut [f32]) {
        let n = z.len();
        assert!(raw.len() == n * self.params() && x.len() == n && log_slope.len() == n, "lengths of a map");
        match self {
            Self::Additive => x.iter_mut().zip(z).zip(raw).for_each(|((x, z), shift)| *x = z - shift),
            Self::Affine(scale) => {
                let (shift, raw) = raw.split_at(n);
                for ((((x, z), shift), raw), slope) in x.iter_mut().zip(z).zip(shift).zip(raw).zip(log_slope) {
                    let s = scale.of(*raw);
                    *x = z * if matches!(scale, LogScale::Tanh(_)) { exp(-s) } else { (-s).exp() } - shift;
                    *slope += s;
                }
            }
            Self::Spline { bins, tail_bound } => {
                for lane in 0..n {
                    let (value, slope) = spline(z[lane], |k| raw[k * n + lane], bins, tail_bound);
                    x[lane] = value;
                    log_slope[lane] += slope;
                }
            }
        }
    }
}

#[inline(always)]
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// One value of the spline's inverse, with `log dz/dx` there.
fn spline(z: f32, raw: impl Fn(usize) -> f32, bins: usize, bound: f32) -> (f32, f32) {
    // NaN goes the way of what lies outside, too.
    if z.is_nan() || z.abs() > bound {
        return (z, 0.0);
    }
    // The sum of the exponentials first, then the sizes one by one until the bin is found.
    let total = |from: usize| {
        let most = (0..bins).map(|k| raw(from + k)).fold(f32::NEG_INFINITY, f32::max);
        (most, (0..bins).map(|k| exp(raw(from + k) - most)).sum::<f32>())
    };
    let keep = 1.0 - FLOOR * bins as f32;
    let size = |from: usize, k: usize, (most, sum): (f32, f32)| {
        (exp(raw(from + k) - most) / sum * keep + FLOOR) * (2.0 * bound)
    };
    let heights = total(bins);
    let (mut bin, mut low) = (0, -bound);
    let mut height = size(bins, 0, heights);
    while bin + 1 < bins && z >= low + height {
        low += height;
        bin += 1;
        height = size(bins, bin, heights);
    }
    let widths = total(0);
    let left = (0..bin).fold(-bound, |left, k| left + size(0, k, widths));
    let width = size(0, bin, widths);
    // A raw slope of 0 is the slope 1; so are the slopes at both ends.
    let offset = (1.0 - FLOOR).exp_m1().ln();
    let knot = |k: usize| {
        let raw = if (1..bins).contains(&k) { raw(2 * bins + k - 1) } else { 0.0 };
        softplus(raw + offset) + FLOOR
    };
    let (d0, d1, s) = (knot(bin), knot(bin + 1), height / width);
    let e = ((z - low) / height).clamp(0.0, 1.0);
    let m = d1 * e - d0 * (1.0 - e);
    let r = (m * m + 4.0 * s * s * e * (1.0 - e)).sqrt();
    // Of the two forms of the root the one without a cancellation.
    let t = if m > 0.0 { (r + m) / (r + m + 2.0 * s * (1.0 - e)) } else { 2.0 * s * e / (2.0 * s * e - m + r) };
    let (rest, both) = (1.0 - t, t * (1.0 - t));
    let denominator = s * (1.0 - 2.0 * both) + (d0 + d1) * both;
    let numerator = d1 * t * t + 2.0 * s * both + d0 * rest * rest;
    (left + width * t, numerator.ln() + 2.0 * (s / denominator).ln())
}
