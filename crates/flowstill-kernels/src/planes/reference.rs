//! Define the maps in `f64`, one value at a time, as the formulas have them; make values to try them on.

use crate::univariate::LogScale;

/// Numbers that look random, the same in every run.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Between `low` and `high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((self.0 >> 40) as f32 / (1u64 << 24) as f32)
    }

    pub fn many(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| self.between(-size, size)).collect()
    }
}

/// Widths, heights and the slopes at all knots.
pub fn division(raw: &[f64], bins: usize, bound: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let sizes = |raw: &[f64]| -> Vec<f64> {
        let most = raw.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = raw.iter().map(|value| (value - most).exp()).sum();
        let size = |value: &f64| ((value - most).exp() / sum * (1.0 - 1e-3 * bins as f64) + 1e-3) * 2.0 * bound;
        raw.iter().map(size).collect()
    };
    let offset = 0.999_f64.exp_m1().ln();
    let slope = |raw: &f64| softplus(raw + offset) + 1e-3;
    let slopes = [1.0].into_iter().chain(raw[2 * bins..].iter().map(slope)).chain([1.0]).collect();
    (sizes(&raw[..bins]), sizes(&raw[bins..2 * bins]), slopes)
}

pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The spline's value and log-slope.
pub fn spline(x: f64, raw: &[f64], bins: usize, bound: f64) -> (f64, f64) {
    if x.is_nan() || x.abs() > bound {
        return (x, 0.0);
    }
    let (widths, heights, slopes) = division(raw, bins, bound);
    let (mut left, mut bottom) = (-bound, -bound);
    let mut k = 0;
    while k + 1 < bins && x >= left + widths[k] {
        left += widths[k];
        bottom += heights[k];
        k += 1;
    }
    let (t, s, d0, d1) = ((x - left) / widths[k], heights[k] / widths[k], slopes[k], slopes[k + 1]);
    let u = t * (1.0 - t);
    let below = s * (1.0 - 2.0 * u) + (d0 + d1) * u;
    let z = bottom + heights[k] * (s * t * t + d0 * u) / below;
    (z, (d1 * t * t + 2.0 * s * u + d0 * (1.0 - t) * (1.0 - t)).ln() + 2.0 * (s / below).ln())
}

/// The same, undone by halving intervals.
pub fn spline_inverse(z: f64, raw: &[f64], bins: usize, bound: f64) -> (f64, f64) {
    if z.is_nan() || z.abs() > bound {
        return (z, 0.0);
    }
    let (mut low, mut high) = (-bound, bound);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if spline(middle, raw, bins, bound).0 < z {
            low = middle;
        } else {
            high = middle;
        }
    }
    let x = 0.5 * (low + high);
    (x, spline(x, raw, bins, bound).1)
}

/// The logarithm of the scale.
pub fn log_scale(scale: LogScale, raw: f64) -> f64 {
    match scale {
        LogScale::Tanh(bound) => f64::from(bound) * (raw / f64::from(bound)).tanh(),
        LogScale::Softsign(bound) => raw / (1.0 + (raw / f64::from(bound)).abs()),
        LogScale::Sigmoid(0.0) => -softplus(-(raw + 2.0)),
        LogScale::Sigmoid(floor) => (1.0 / (1.0 + (-(raw + 2.0)).exp()) + f64::from(floor)).ln(),
        LogScale::Exp => raw,
    }
}

/// The affine map's value and log-slope, or the additive one's.
pub fn affine(scale: Option<LogScale>, x: f64, raw: &[f64]) -> (f64, f64) {
    let s = scale.map_or(0.0, |scale| log_scale(scale, raw[1]));
    ((x + raw[0]) * s.exp(), s)
}

/// The same, undone.
pub fn affine_inverse(scale: Option<LogScale>, z: f64, raw: &[f64]) -> (f64, f64) {
    let s = scale.map_or(0.0, |scale| log_scale(scale, raw[1]));
    (z * (-s).exp() - raw[0], s)
}

/// The gradient of `g_value * value + g_log * log_slope` by the argument and by every raw value, from differences.
pub fn gradient(
    map: impl Fn(f64, &[f64]) -> (f64, f64),
    argument: f64,
    raw: &[f64],
    g_value: f64,
    g_log: f64,
) -> Vec<f64> {
    let loss = |argument: f64, raw: &[f64]| {
        let (value, log) = map(argument, raw);
        g_value * value + g_log * log
    };
    let step = 1e-6;
    let slope = |index: usize| {
        let at = |offset: f64| {
            let mut raw = raw.to_vec();
            match index {
                0 => loss(argument + offset, &raw),
                _ => {
                    raw[index - 1] += offset;
                    loss(argument, &raw)
                }
            }
        };
        (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step)
    };
    (0..=raw.len()).map(slope).collect()
}

/// The values of one lane in `f64`.
pub fn lane(planes: &[f32], lanes: usize, lane: usize) -> Vec<f64> {
    planes.iter().skip(lane).step_by(lanes).map(|value| f64::from(*value)).collect()
}

/// Run a function for every instruction set that this machine has.
macro_rules! each_simd {
    (|$simd:ident| $run:expr) => {{
        {
            let $simd = pulp::Scalar::new();
            $run;
        }
        #[cfg(target_arch = "x86_64")]
        {
            if let Some($simd) = pulp::x86::V3::try_new() {
                $run;
            }
            if let Some($simd) = pulp::x86::V4::try_new() {
                $run;
            }
        }
    }};
}
pub(crate) use each_simd;
