//! Hold the functions of planes to those of the standard library.

use super::super::reference::{self, each_simd};
use super::*;

/// A function of vectors applied to every number.
fn apply<S: Simd>(simd: S, numbers: &[f32], f: impl Fn(Wide<S>) -> Wide<S>) -> Vec<f32> {
    let mut out = numbers.to_vec();
    out.resize(numbers.len().next_multiple_of(16), 1.0);
    for value in S::as_mut_simd_f32s(&mut out).0 {
        *value = f(Wide::new(simd, *value)).value();
    }
    out.truncate(numbers.len());
    out
}

/// The largest distance in units in the last place of the true value.
fn worst(numbers: &[f32], ours: &[f32], exact: impl Fn(f64) -> f64) -> f64 {
    let error = |(x, ours): (&f32, &f32)| {
        let y = exact(f64::from(*x));
        if y as f32 == *ours {
            return 0.0;
        }
        let unit = f64::from(y.abs() as f32) * f64::from(f32::EPSILON);
        let error = (f64::from(*ours) - y).abs() / unit.max(f64::from(f32::from_bits(1)));
        if error.is_nan() { f64::INFINITY } else { error }
    };
    numbers.iter().zip(ours).map(error).fold(0.0, f64::max)
}

fn is_scalar<S: Simd>(_: S) -> bool {
    S::IS_SCALAR
}

fn spread(low: f32, high: f32) -> Vec<f32> {
    (0..=100_000).map(|i| low + (high - low) * i as f32 / 100_000.0).collect()
}

/// Positive numbers of every size, subnormal ones too, both sides of 1 thickly.
fn positive() -> Vec<f32> {
    let mut numbers: Vec<f32> = (1..0x7f80_0000_u32).step_by(20_011).map(f32::from_bits).collect();
    numbers.extend(spread(0.5, 2.0));
    numbers
}

#[test]
fn every_function_is_within_its_bound() {
    let wide = [spread(-103.0, 88.7), spread(-1.0, 1.0), spread(-1e-6, 1e-6)].concat();
    let sigmoid_of = |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
    each_simd!(|simd| {
        let check = |name: &str, numbers: &[f32], ours: Vec<f32>, exact: &dyn Fn(f64) -> f64, bound: f64| {
            let worst = worst(numbers, &ours, exact);
            assert!(worst <= bound, "{name} is off by {worst} with {simd:?}");
        };
        check("exp", &wide, apply(simd, &wide, exp), &f64::exp, 2.0);
        check("tanh", &wide, apply(simd, &wide, tanh), &f64::tanh, 4.0);
        check("sigmoid", &wide, apply(simd, &wide, sigmoid), &sigmoid_of, 4.0);
        check("softplus", &wide, apply(simd, &wide, softplus), &reference::softplus, 4.0);
        let moderate = spread(-80.0, 80.0);
        let pair = apply(simd, &moderate, |x| softplus_pair(x, -x).0);
        // Without fused instructions the reduction of the argument is less exact.
        let loose = if is_scalar(simd) { 6.0 } else { 1.0 };
        check("softplus_pair", &moderate, pair, &reference::softplus, loose * 14.0);
        let unit = spread(0.0, 1.0);
        check("ln_1p_of_unit", &unit, apply(simd, &unit, ln_1p_of_unit), &f64::ln_1p, 3.0);
        let positive = positive();
        check("ln", &positive, apply(simd, &positive, ln), &f64::ln, 2.0);
        for (low, bound) in [(-1.0, 2.125), (-8.0, 3.0), (-86.0, 13.0)] {
            let negative = spread(low, 0.0);
            check("exp_of_negative", &negative, apply(simd, &negative, exp_of_negative), &f64::exp, loose * bound);
        }
    });
}

#[test]
fn special_values_are_kept() {
    let special =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e30, -1e30, -1.0, f32::from_bits(0xffc0_0123)];
    each_simd!(|simd| {
        let same = |ours: Vec<f32>, exact: &[f32]| {
            let agree =
                ours.iter().zip(exact).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 4e-7);
            assert!(agree, "{ours:?} is not {exact:?} with {simd:?}");
        };
        let nan = f32::NAN;
        let inf = f32::INFINITY;
        let e = (-1.0_f32).exp();
        same(apply(simd, &special, exp), &[nan, inf, 0.0, 1.0, 1.0, inf, 0.0, e, nan]);
        same(apply(simd, &special, ln)[..5].to_vec(), &[nan, inf, nan, -inf, -inf]);
        same(apply(simd, &special, ln)[6..].to_vec(), &[nan, nan, nan]);
        same(apply(simd, &special, tanh)[..7].to_vec(), &[nan, 1.0, -1.0, 0.0, 0.0, 1.0, -1.0]);
        same(apply(simd, &special, sigmoid)[..7].to_vec(), &[nan, 1.0, 0.0, 0.5, 0.5, 1.0, 0.0]);
        same(apply(simd, &special, softplus)[..3].to_vec(), &[nan, inf, 0.0]);
        for f in [exp_of_negative, tanh, sigmoid, softplus, ln, exp] {
            assert!(apply(simd, &special, f).iter().enumerate().all(|(i, y)| (i != 0 && i != 8) || y.is_nan()));
        }
    });
}
