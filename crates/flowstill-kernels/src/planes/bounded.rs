//! Map planes from the whole line into a bounded interval and out of it, by sigmoid and logit, tanh and atanh.
//!
//! What comes from an interval is moved inside by [`EDGE`] first, so that all stays finite. The logarithm of the slope is always that of the map into the
//! interval, at the value on the line.

use super::math::{exp, ln, ln_1p_of_unit, sigmoid, tanh};
use super::wide::Wide;
use pulp::{Arch, Simd, WithSimd};
use std::f32::consts::LN_2;

/// How far inside of the interval what comes from it lies at least.
pub const EDGE: f32 = 1e-6;

/// Where the bounded values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// (0, 1): sigmoid, and logit back.
    Unit,
    /// (-1, 1): tanh, and atanh back.
    Symmetric,
}

impl Interval {
    fn ends(self) -> [f32; 2] {
        [if self == Interval::Unit { EDGE } else { EDGE - 1.0 }, 1.0 - EDGE]
    }

    /// The bounded value.
    #[inline(always)]
    fn bound<S: Simd>(self, y: Wide<S>) -> Wide<S> {
        match self {
            Interval::Unit => sigmoid(y),
            Interval::Symmetric => tanh(y),
        }
    }

    /// The value on the line.
    #[inline(always)]
    fn unbound<S: Simd>(self, p: Wide<S>) -> Wide<S> {
        match self {
            Interval::Unit => ln(p) - ln(-p + 1.0),
            Interval::Symmetric => (ln(p + 1.0) - ln(-p + 1.0)) * 0.5,
        }
    }

    /// `log dp/dy`: `-softplus(y) - softplus(-y)`, and `2 (log 2 - y - softplus(-2 y))`, of which both are even.
    #[inline(always)]
    fn log_slope<S: Simd>(self, y: Wide<S>) -> Wide<S> {
        let y = y.abs();
        match self {
            Interval::Unit => -(y + ln_1p_of_unit(exp(-y)) * 2.0),
            Interval::Symmetric => (-(y + ln_1p_of_unit(exp(-(y + y)))) + LN_2) * 2.0,
        }
    }

    /// `d log_slope / dy`.
    #[inline(always)]
    fn curvature<S: Simd>(self, y: Wide<S>) -> Wide<S> {
        match self {
            Interval::Unit => -tanh(y * 0.5),
            Interval::Symmetric => tanh(y) * -2.0,
        }
    }
}

/// Into the interval: `values` become `p(y)`; `log dp/dy` is added to `log_slope`. Both are `[lanes]`.
///
/// # Panics
/// If the lengths do not agree.
pub fn into(interval: Interval, values: &mut [f32], log_slope: &mut [f32]) {
    assert_eq!(values.len(), log_slope.len(), "lanes");
    Arch::new().dispatch(Apply::<true> { interval, values, log_slope });
}

/// Out of the interval: `values` become `y(p)`; `log dp/dy` is added to `log_slope`.
///
/// # Panics
/// As [`into`].
pub fn out_of(interval: Interval, values: &mut [f32], log_slope: &mut [f32]) {
    assert_eq!(values.len(), log_slope.len(), "lanes");
    Arch::new().dispatch(Apply::<false> { interval, values, log_slope });
}

struct Apply<'a, const INTO: bool> {
    interval: Interval,
    values: &'a mut [f32],
    log_slope: &'a mut [f32],
}

impl<const INTO: bool> WithSimd for Apply<'_, INTO> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [low, high] = self.interval.ends();
        let (values, slopes) = (S::as_mut_simd_f32s(self.values).0, S::as_mut_simd_f32s(self.log_slope).0);
        for (value, slope) in values.iter_mut().zip(slopes) {
            let from = Wide::new(simd, *value);
            let (to, y) = match INTO {
                true => (self.interval.bound(from), from),
                false => {
                    let y = self.interval.unbound(from.at_least(low).at_most(high));
                    (y, y)
                }
            };
            *value = to.value();
            *slope = (Wide::new(simd, *slope) + self.interval.log_slope(y)).value();
        }
    }
}

/// The gradient of [`into`] at `y`: `gradient` is that of `p` and becomes that of `y`; `g_log_slope` is that of `log dp/dy`.
///
/// # Panics
/// As [`into`].
pub fn into_back(interval: Interval, y: &[f32], g_log_slope: &[f32], gradient: &mut [f32]) {
    assert_eq!([y.len(), g_log_slope.len()], [gradient.len(); 2], "lanes");
    Arch::new().dispatch(Back::<true> { interval, from: y, slack: 0.0, g_log_slope, gradient });
}

/// The gradient of [`out_of`] at `p`: `gradient` is that of `y` and becomes that of `p`, zero where `p` was moved inside. Unless `p` is `exact` it may be off by a
/// rounding or two, and what lies so near to the edge counts as moved.
///
/// # Panics
/// As [`into`].
pub fn out_of_back(interval: Interval, p: &[f32], exact: bool, g_log_slope: &[f32], gradient: &mut [f32]) {
    assert_eq!([p.len(), g_log_slope.len()], [gradient.len(); 2], "lanes");
    let slack = if exact { 0.0 } else { 2.0 * f32::EPSILON };
    Arch::new().dispatch(Back::<false> { interval, from: p, slack, g_log_slope, gradient });
}

struct Back<'a, const INTO: bool> {
    interval: Interval,
    from: &'a [f32],
    slack: f32,
    g_log_slope: &'a [f32],
    gradient: &'a mut [f32],
}

impl<const INTO: bool> WithSimd for Back<'_, INTO> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { interval, from, slack, g_log_slope, gradient } = self;
        let [low, high] = interval.ends();
        // Near zero numbers are finer, and what is lost is lost on the line.
        let low = if interval == Interval::Unit { low * (1.0 + 16.0 * slack) } else { low + slack };
        let high = high - slack;
        let (from, g_log_slope) = (S::as_simd_f32s(from).0, S::as_simd_f32s(g_log_slope).0);
        let gradients = S::as_mut_simd_f32s(gradient).0.iter_mut();
        for ((gradient, from), g_log_slope) in gradients.zip(from).zip(g_log_slope) {
            let [from, g_slope, g] = [*from, *g_log_slope, *gradient].map(|value| Wide::new(simd, value));
            let to = match INTO {
                true => g * exp(interval.log_slope(from)) + g_slope * interval.curvature(from),
                false => {
                    let y = interval.unbound(from.at_least(low).at_most(high));
                    let to = (g + g_slope * interval.curvature(y)) * exp(-interval.log_slope(y));
                    let zero = to.all(0.0);
                    Wide::select(from.less(low), zero, Wide::select(zero.all(high).less(from), zero, to))
                }
            };
            *gradient = to.value();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `p(y)` and `log dp/dy`.
    fn exact(interval: Interval, y: f64) -> [f64; 2] {
        match interval {
            Interval::Unit => {
                let p = 1.0 / (1.0 + (-y).exp());
                [p, -(y.abs() + 2.0 * (-y.abs()).exp().ln_1p())]
            }
            Interval::Symmetric => {
                [y.tanh(), 2.0 * (std::f64::consts::LN_2 - y.abs() - (-2.0 * y.abs()).exp().ln_1p())]
            }
        }
    }

    #[test]
    fn values_slopes_and_gradients_are_those_of_the_functions() {
        for interval in [Interval::Unit, Interval::Symmetric] {
            let y: Vec<f32> = (-160..160).map(|i| i as f32 / 32.0 + 0.003).collect();
            let (mut p, mut slopes) = (y.clone(), vec![1.0; y.len()]);
            into(interval, &mut p, &mut slopes);
            let (mut again, mut slopes_back) = (p.clone(), vec![1.0; y.len()]);
            out_of(interval, &mut again, &mut slopes_back);
            let weights = vec![0.7; y.len()];
            let (mut of_y, mut of_p) = (vec![1.3; y.len()], vec![1.3; y.len()]);
            into_back(interval, &y, &weights, &mut of_y);
            out_of_back(interval, &p, true, &weights, &mut of_p);
            let h = 1e-5;
            for i in 0..y.len() {
                let at = f64::from(y[i]);
                let [value, slope] = exact(interval, at);
                let loss = |y: f64| 1.3 * exact(interval, y)[0] + 0.7 * exact(interval, y)[1];
                let back = |y: f64| 1.3 * y + 0.7 * exact(interval, y)[1];
                let near = |own: f32, expect: f64, tolerance: f64| {
                    assert!(
                        (f64::from(own) - expect).abs() < tolerance * expect.abs().max(1.0),
                        "{at}: {own} {expect}"
                    );
                };
                near(p[i], value, 1e-6);
                near(slopes[i] - 1.0, slope, 1e-6);
                near(of_y[i], (loss(at + h) - loss(at - h)) / (2.0 * h), 1e-5);
                // Near the ends a few roundings of p are much of what is left there.
                let lost = 3e-7 * (-slope).exp();
                near(again[i], at, 1e-5 + lost);
                near(slopes_back[i] - 1.0, slope, 1e-5 + 2.0 * lost);
                near(of_p[i], (back(at + h) - back(at - h)) / (2.0 * h) * (-slope).exp(), 1e-4 + 2.0 * lost);
            }
        }
    }

    #[test]
    fn what_lies_outside_is_moved_inside_and_has_no_gradient() {
        for (interval, low) in [(Interval::Unit, 0.0_f32), (Interval::Symmetric, -1.0)] {
            let mut p = [0.5_f32; 16];
            (p[0], p[1], p[2], p[3]) = (low - 3.0, low, 1.0, 7.0);
            p[4] = f32::NAN;
            let (mut y, mut slopes) = (p, [0.0; 16]);
            out_of(interval, &mut y, &mut slopes);
            assert!(y[..4].iter().chain(&slopes[..4]).all(|value| value.is_finite()));
            assert!(y[4].is_nan() && slopes[4].is_nan());
            let mut gradient = [1.0; 16];
            out_of_back(interval, &p, true, &[0.25; 16], &mut gradient);
            assert_eq!(gradient[..4], [0.0; 4]);
            assert!(gradient[4].is_nan() && gradient[5] != 0.0);
            // There and back again they are near the edge.
            into(interval, &mut y, &mut slopes);
            let mut gradient = [1.0; 16];
            out_of_back(interval, &y, false, &[0.25; 16], &mut gradient);
            assert_eq!(gradient[..4], [0.0; 4]);
        }
    }
}
