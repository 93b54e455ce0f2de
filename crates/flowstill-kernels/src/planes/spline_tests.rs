//! Hold splines over planes to their plain twins, with their gradients.

use super::super::reference::{self, Numbers, each_simd, lane};
use super::*;
use proptest::prelude::*;

/// Arguments `[lanes]` well inside bins of `side`, with raw values of about `size`.
fn inputs(seed: u64, lanes: usize, bins: usize, bound: f32, size: f32, side: Side) -> (Vec<f32>, Vec<f32>) {
    let mut numbers = Numbers::new(seed);
    let raw = numbers.many(lanes * (3 * bins - 1), size);
    let argument = |at: usize| {
        let (widths, heights, _) = reference::division(&lane(&raw, lanes, at), bins, f64::from(bound));
        let sizes = if side == Side::Data { widths } else { heights };
        let bin = at % bins;
        let start: f64 = sizes[..bin].iter().sum::<f64>() - f64::from(bound);
        (start + sizes[bin] * f64::from(numbers.between(0.05, 0.95))) as f32
    };
    ((0..lanes).map(argument).collect(), raw)
}

fn close(got: f32, want: f64, tolerance: f64) -> bool {
    (f64::from(got) - want).abs() <= tolerance
}

/// How far the log-slope moves when the argument is off by a few roundings.
fn slope_moved(map: impl Fn(f64, &[f64]) -> (f64, f64), argument: f32, raw: &[f64], bound: f64) -> f64 {
    let slope = |offset: f64| map(f64::from(argument) + offset * bound, raw).1;
    (slope(ROUNDING) - slope(0.0)).abs().max((slope(-ROUNDING) - slope(0.0)).abs())
}

/// A few roundings, as a share of the bound.
const ROUNDING: f64 = 4e-7;

#[test]
fn values_follow_the_definition_in_both_directions() {
    for (seed, (bins, lanes)) in [(2, 16), (5, 32), (8, 48), (16, 32), (8, 16), (40, 16)].into_iter().enumerate() {
        for (size, bound) in [(1.0, 3.0), (4.0, 1.0), (0.0, 5.0)] {
            let wide = f64::from(bound);
            let (x, raw) = inputs(seed as u64, lanes, bins, bound, size, Side::Data);
            let (z, _) = inputs(seed as u64, lanes, bins, bound, size, Side::Latent);
            each_simd!(|simd| {
                let (mut value, mut slope) = (vec![0.0; lanes], vec![10.0; lanes]);
                forward(simd, &x, &raw, bins, bound, &mut value, &mut slope);
                for at in 0..lanes {
                    let (want, log) = reference::spline(f64::from(x[at]), &lane(&raw, lanes, at), bins, wide);
                    let steep = log.exp().max(1.0);
                    assert!(close(value[at], want, 5e-7 * wide * steep), "{} is not {want}", value[at]);
                    let moved = slope_moved(
                        |x, raw| reference::spline(x, raw, bins, wide),
                        x[at],
                        &lane(&raw, lanes, at),
                        wide,
                    );
                    assert!(close(slope[at] - 10.0, log, 1e-5 + moved), "slope {} is not {log}", slope[at] - 10.0);
                }
                let (mut value, mut slope) = (vec![0.0; lanes], vec![10.0; lanes]);
                inverse(simd, &z, &raw, bins, bound, &mut value, &mut slope);
                for at in 0..lanes {
                    let (want, log) = reference::spline_inverse(f64::from(z[at]), &lane(&raw, lanes, at), bins, wide);
                    let steep = (-log).exp().max(1.0);
                    assert!(close(value[at], want, 5e-7 * wide * steep), "{} is not {want}", value[at]);
                    let map = |z, raw: &[f64]| reference::spline_inverse(z, raw, bins, wide);
                    let moved = slope_moved(map, z[at], &lane(&raw, lanes, at), wide);
                    assert!(close(slope[at] - 10.0, log, 1e-5 + moved), "slope {} is not {log}", slope[at] - 10.0);
                }
            });
        }
    }
}

/// All gradients of one lane against differences of the definition.
fn check_gradients(seed: u64, lanes: usize, bins: usize, bound: f32, size: f32) {
    let wide = f64::from(bound);
    for side in [Side::Data, Side::Latent] {
        let (from, raw) = inputs(seed, lanes, bins, bound, size, side);
        let mut numbers = Numbers::new(seed + 1);
        let (g_to, g_log) = (numbers.many(lanes, 2.0), numbers.many(lanes, 2.0));
        each_simd!(|simd| {
            // Both are overwritten, whatever they held.
            let (mut g_from, mut g_raw) = (vec![f32::NAN; lanes], vec![f32::NAN; raw.len()]);
            match side {
                Side::Data => backward(simd, &from, &raw, bins, bound, &g_to, &g_log, &mut g_from, &mut g_raw),
                Side::Latent => {
                    backward_inverse(simd, &from, &raw, bins, bound, &g_to, &g_log, &mut g_from, &mut g_raw)
                }
            }
            for at in 0..lanes {
                let (argument, own) = (f64::from(from[at]), lane(&raw, lanes, at));
                let (g_to, g_log) = (f64::from(g_to[at]), f64::from(g_log[at]));
                let differences = |argument: f64| match side {
                    Side::Data => {
                        let map = |x: f64, raw: &[f64]| reference::spline(x, raw, bins, wide);
                        reference::gradient(map, argument, &own, g_to, g_log)
                    }
                    Side::Latent => {
                        let map = |z: f64, raw: &[f64]| reference::spline_inverse(z, raw, bins, wide);
                        reference::gradient(map, argument, &own, g_to, g_log)
                    }
                };
                let want = differences(argument);
                // What a few roundings of the argument do to the true gradient, no arithmetic can avoid.
                let moved = |index: usize| {
                    let ends = [-ROUNDING, ROUNDING].map(|offset| differences(argument + offset * wide)[index]);
                    ends.iter().map(|end| (want[index] - end).abs()).fold(0.0, f64::max)
                };
                let largest = want.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
                let got = std::iter::once(g_from[at]).chain(g_raw.iter().skip(at).step_by(lanes).copied());
                for (index, (got, want)) in got.zip(&want).enumerate() {
                    let tight = 3e-5 * largest;
                    assert!(
                        close(got, *want, tight) || close(got, *want, tight + 2.0 * moved(index)),
                        "gradient {index} of lane {at}: {got} is not {want} (largest {largest})"
                    );
                }
            }
        });
    }
}

#[test]
fn gradients_follow_differences_of_the_definition() {
    for (bins, lanes) in [(2, 16), (5, 32), (8, 48), (16, 16), (20, 16)] {
        for (size, bound) in [(1.0, 3.0), (2.5, 1.0), (0.0, 5.0)] {
            check_gradients(bins as u64, lanes, bins, bound, size);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn gradients_follow_differences_anywhere(seed in 0_u64..1 << 40, bins in 2_usize..12, bound in 0.5_f32..8.0, size in 0.0_f32..2.0) {
        check_gradients(seed, 16, bins, bound, size);
    }

    #[test]
    fn there_and_back_is_the_identity(seed in 0_u64..1 << 40, bins in 2_usize..20, bound in 0.5_f32..8.0, size in 0.0_f32..3.0) {
        let mut numbers = Numbers::new(seed);
        let lanes = 32;
        let (x, raw) = (numbers.many(lanes, bound * 1.2), numbers.many(lanes * (3 * bins - 1), size));
        each_simd!(|simd| {
            let (mut z, mut back, mut up, mut down) = (vec![0.0; lanes], vec![0.0; lanes], vec![0.0; lanes], vec![0.0; lanes]);
            forward(simd, &x, &raw, bins, bound, &mut z, &mut up);
            inverse(simd, &z, &raw, bins, bound, &mut back, &mut down);
            for at in 0..lanes {
                let flat = (-up[at]).exp().max(1.0);
                prop_assert!((x[at] - back[at]).abs() <= 4e-6 * bound * flat, "{} became {}", x[at], back[at]);
            }
        });
    }

    #[test]
    fn no_finite_input_makes_a_nan(
        seed in 0_u64..1 << 40,
        bins in 2_usize..20,
        size in prop_oneof![Just(0.0_f32), Just(1.0), Just(30.0), Just(1e4), Just(1e18), Just(1e30)],
    ) {
        edges(seed, bins, size)?;
    }
}

/// Values on knots, at the ends, beside them, far out; with raw values of `size`.
fn edges(seed: u64, bins: usize, size: f32) -> Result<(), TestCaseError> {
    let (lanes, bound) = (64, 3.0_f32);
    let raw = Numbers::new(seed).many(lanes * (3 * bins - 1), size);
    let far =
        [bound, -bound, bound.next_up(), -bound.next_up(), bound.next_down(), 1e30, -1e30, f32::MAX, 1e-40, -1e-40];
    for side in [Side::Data, Side::Latent] {
        let knot = |at: usize| {
            let (widths, heights, _) = reference::division(&lane(&raw, lanes, at), bins, f64::from(bound));
            let sizes = if side == Side::Data { widths } else { heights };
            (sizes[..at % (bins + 1)].iter().sum::<f64>() - f64::from(bound)) as f32
        };
        let from: Vec<f32> = (0..lanes).map(|at| far.get(at).copied().unwrap_or_else(|| knot(at))).collect();
        let ones = vec![1.0; lanes];
        each_simd!(|simd| {
            let (mut to, mut slope) = (vec![0.0; lanes], vec![0.0; lanes]);
            let (mut g_from, mut g_raw) = (vec![0.0; lanes], vec![0.0; raw.len()]);
            match side {
                Side::Data => {
                    forward(simd, &from, &raw, bins, bound, &mut to, &mut slope);
                    backward(simd, &from, &raw, bins, bound, &ones, &ones, &mut g_from, &mut g_raw);
                }
                Side::Latent => {
                    inverse(simd, &from, &raw, bins, bound, &mut to, &mut slope);
                    backward_inverse(simd, &from, &raw, bins, bound, &ones, &ones, &mut g_from, &mut g_raw);
                }
            }
            for values in [&to, &slope, &g_from, &g_raw] {
                prop_assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
            }
            for at in 0..lanes {
                if from[at].abs() > bound {
                    prop_assert_eq!((to[at], slope[at], g_from[at]), (from[at], 0.0, 1.0));
                    prop_assert!(g_raw.iter().skip(at).step_by(lanes).all(|value| *value == 0.0));
                } else {
                    prop_assert!(to[at].abs() <= bound * 1.000_001);
                }
            }
        });
    }
    Ok(())
}

#[test]
fn the_ends_are_fixed_with_slope_one() {
    let (lanes, bins, bound) = (16, 8, 3.0);
    let raw = Numbers::new(3).many(lanes * (3 * bins - 1), 2.0);
    let x: Vec<f32> = (0..lanes).map(|at| if at % 2 == 0 { bound } else { -bound }).collect();
    each_simd!(|simd| {
        let (mut z, mut slope) = (vec![0.0; lanes], vec![0.0; lanes]);
        forward(simd, &x, &raw, bins, bound, &mut z, &mut slope);
        for at in 0..lanes {
            assert!((z[at] - x[at]).abs() < 2e-6 && slope[at].abs() < 1e-3, "{} {}", z[at], slope[at]);
        }
    });
}

#[test]
fn nan_passes_as_what_lies_outside_and_nan_of_a_raw_value_shows() {
    let (lanes, bins, bound) = (16, 8, 3.0);
    let mut raw = Numbers::new(3).many(lanes * (3 * bins - 1), 2.0);
    // Lane 1 has a spoilt width, lane 2 a spoilt height, lane 3 spoilt slopes.
    (raw[4 * lanes + 1], raw[11 * lanes + 2]) = (f32::NAN, f32::NAN);
    (2 * bins..3 * bins - 1).for_each(|plane| raw[plane * lanes + 3] = f32::NAN);
    let mut x = vec![0.5; lanes];
    x[0] = f32::NAN;
    each_simd!(|simd| {
        for run in [forward, inverse] {
            let (mut z, mut slope) = (vec![0.0; lanes], vec![0.0; lanes]);
            run(simd, &x, &raw, bins, bound, &mut z, &mut slope);
            assert!(z[0].is_nan() && slope[0] == 0.0);
            assert!((1..4).all(|at| z[at].is_nan() && slope[at].is_nan()), "{z:?} {slope:?}");
            assert!((4..lanes).all(|at| z[at].is_finite() && slope[at].is_finite()));
        }
        for run in [backward, backward_inverse] {
            let (mut g_x, mut g_raw) = (vec![0.0; lanes], vec![0.0; raw.len()]);
            let ones = vec![1.0; lanes];
            run(simd, &x, &raw, bins, bound, &ones, &ones, &mut g_x, &mut g_raw);
            assert_eq!(g_x[0], 1.0);
            assert!(g_raw.iter().step_by(lanes).all(|value| *value == 0.0));
            assert!((4..lanes).all(|at| g_x[at].is_finite()));
        }
    });
}

#[test]
fn a_lane_depends_on_itself_alone() {
    let (lanes, bins, bound) = (48, 8, 3.0);
    let mut numbers = Numbers::new(17);
    let planes = 3 * bins - 1;
    let (from, raw) = (numbers.many(lanes, 3.5), numbers.many(lanes * planes, 2.0));
    let (g_to, g_log) = (numbers.many(lanes, 1.0), numbers.many(lanes, 1.0));
    each_simd!(|simd| {
        let all = |chosen: &[usize]| {
            let pick = |values: &[f32]| -> Vec<f32> {
                values.chunks_exact(lanes).flat_map(|plane| chosen.iter().map(|at| plane[*at])).collect()
            };
            let (from, raw, g_to, g_log) = (pick(&from), pick(&raw), pick(&g_to), pick(&g_log));
            let n = chosen.len();
            let mut out = vec![vec![0.0; n]; 6];
            let mut g_raw = vec![vec![0.0; n * planes]; 2];
            let [z, up, x, down, g_x, g_z] = &mut out[..] else { unreachable!() };
            forward(simd, &from, &raw, bins, bound, z, up);
            inverse(simd, &from, &raw, bins, bound, x, down);
            backward(simd, &from, &raw, bins, bound, &g_to, &g_log, g_x, &mut g_raw[0]);
            backward_inverse(simd, &from, &raw, bins, bound, &g_to, &g_log, g_z, &mut g_raw[1]);
            out.into_iter().chain(g_raw).flatten().map(f32::to_bits).collect::<Vec<_>>()
        };
        let whole = all(&(0..lanes).collect::<Vec<_>>());
        // Sixteen of the lanes in another order and in other places.
        let chosen: Vec<usize> = (0..16).map(|at| (at * 29 + 7) % lanes).collect();
        let part = all(&chosen);
        for (plane, part) in whole.chunks_exact(lanes).zip(part.chunks_exact(16)) {
            assert!(chosen.iter().zip(part).all(|(at, bits)| plane[*at] == *bits));
        }
    });
}

#[test]
fn the_offset_makes_raw_slope_zero_slope_one() {
    let exact = 0.999_f64.exp_m1().ln();
    assert_eq!(super::super::bin::UNIT_SLOPE, exact as f32);
}
