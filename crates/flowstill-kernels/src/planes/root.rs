//! Solve `u + d tanh(u) = s` for every value of a plane, and count the slopes of `u -> u + d tanh(u)`.
//!
//! The equation is odd, and for `u >= 0` its left side is concave where `d >= 0` and convex where not. So Newton's method, started on the right side of the root,
//! never leaves it: it converges from every `s`, without safeguards, in a number of steps that the steepest `d` bounds.

use super::math::{ln, tanh};
use super::wide::Wide;
use pulp::{Arch, Simd, WithSimd};

/// Newton steps after which the root is exact to rounding for every `|d| <= 0.9025`: in f64 the sixth moves nothing by more than `1e-13` of a value of size 1.
pub const STEPS: usize = 6;

/// `s` becomes `tanh(u)` of the root `u`.
pub fn tanh_of_root(d: f32, s: &mut [f32]) {
    Arch::new().dispatch(Root { d, s });
}

struct Root<'a> {
    d: f32,
    s: &'a mut [f32],
}

impl WithSimd for Root<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let d = self.d;
        let steepest = (1.0 + d).recip();
        for value in S::as_mut_simd_f32s(self.s).0 {
            let signed = Wide::new(simd, *value);
            let s = signed.abs();
            // Two lines that bound the function: the tangent at 0, and what it comes to for large u.
            let (near, far) = (s * steepest, s - d);
            let mut u = if d < 0.0 { near.at_most(far) } else { near.at_least(far) };
            let mut h = tanh(u);
            for _ in 0..STEPS {
                let slope = (-(h * h)).mul_add(d, 1.0 + d);
                u = u - (h.mul_add(d, u) - s) / slope;
                h = tanh(u);
            }
            *value = Wide::select(signed.less(0.0), -h, h).value();
        }
    }
}

/// Add `log(1 + d (1 - h^2))` of every value of `h`, which is a hyperbolic tangent.
///
/// # Panics
/// If the lengths do not agree.
pub fn add_log_slopes(d: f32, h: &[f32], slopes: &mut [f32]) {
    assert_eq!(h.len(), slopes.len(), "lanes");
    Arch::new().dispatch(Slopes { d, h, slopes });
}

struct Slopes<'a> {
    d: f32,
    h: &'a [f32],
    slopes: &'a mut [f32],
}

impl WithSimd for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (h, slopes) in S::as_simd_f32s(self.h).0.iter().zip(S::as_mut_simd_f32s(self.slopes).0) {
            let h = Wide::new(simd, *h);
            let slope = (-(h * h)).mul_add(self.d, 1.0 + self.d);
            *slopes = (Wide::new(simd, *slopes) + ln(slope)).value();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root by halving an interval that holds it.
    fn halved(d: f64, s: f64) -> f64 {
        let (mut low, mut high) = (s - 1.0, s + 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            match middle + d * middle.tanh() < s {
                true => low = middle,
                false => high = middle,
            }
        }
        low
    }

    #[test]
    fn roots_are_those_of_halving_for_every_slope_and_value() {
        for step in -20..=20 {
            let d = step as f32 * 0.9025 / 20.0;
            let values =
                (-1600..1600).map(|i| i as f32 / 200.0).chain([-1e30, -40.0, -1e-6, -0.0, 1e-6, 1e-30, 40.0, 1e30]);
            let values: Vec<f32> = values.chain([0.0; 8]).collect();
            let (mut h, mut slopes) = (values.clone(), vec![1.0; values.len()]);
            tanh_of_root(d, &mut h);
            add_log_slopes(d, &h, &mut slopes);
            for ((s, h), slope) in values.iter().zip(&h).zip(&slopes) {
                let exact = halved(f64::from(d), f64::from(*s)).tanh();
                // A rounding of s is ten at the root where the slope is a tenth.
                assert!((f64::from(*h) - exact).abs() < 4e-6, "{d} {s}: {h} and {exact}");
                let exact = (1.0 + f64::from(d) * (1.0 - f64::from(*h).powi(2))).ln() + 1.0;
                assert!((f64::from(*slope) - exact).abs() < 2e-6, "{d} {s}: {slope} and {exact}");
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let mut s = [0.5; 16];
        s[3] = f32::NAN;
        tanh_of_root(-0.5, &mut s);
        assert!(s[3].is_nan() && s[2].is_finite());
    }
}
