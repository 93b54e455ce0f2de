//! Hold affine maps over planes to their plain twins.

use super::super::reference::{self, Numbers, each_simd, lane};
use super::*;
use proptest::prelude::*;

const SCALES: [Option<LogScale>; 6] = [
    Some(LogScale::Tanh(2.0)),
    Some(LogScale::Softsign(3.0)),
    Some(LogScale::Sigmoid(0.0)),
    Some(LogScale::Sigmoid(1e-3)),
    Some(LogScale::Exp),
    None,
];

fn close(got: f32, want: f64) -> bool {
    (f64::from(got) - want).abs() <= 2e-5 * (1.0 + want.abs())
}

fn check(seed: u64, lanes: usize, size: f32) {
    for scale in SCALES {
        let planes = if scale.is_some() { 2 } else { 1 };
        let mut numbers = Numbers::new(seed);
        let (from, raw) = (numbers.many(lanes, 3.0), numbers.many(planes * lanes, size));
        let (g_to, g_log) = (numbers.many(lanes, 2.0), numbers.many(lanes, 2.0));
        each_simd!(|simd| {
            let new = || (vec![0.0; lanes], vec![10.0; lanes], vec![f32::NAN; lanes], vec![f32::NAN; raw.len()]);
            let (mut z, mut up, mut g_x, mut g_raw_up) = new();
            let (mut x, mut down, mut g_z, mut g_raw_down) = new();
            forward(simd, scale, &from, &raw, &mut z, &mut up);
            inverse(simd, scale, &from, &raw, &mut x, &mut down);
            backward(simd, scale, &from, &raw, &g_to, &g_log, &mut g_x, &mut g_raw_up);
            backward_inverse(simd, scale, &from, &raw, &g_to, &g_log, &mut g_z, &mut g_raw_down);
            for at in 0..lanes {
                let (argument, own) = (f64::from(from[at]), lane(&raw, lanes, at));
                let (g_to, g_log) = (f64::from(g_to[at]), f64::from(g_log[at]));
                let both = [
                    (z[at], up[at], g_x[at], &g_raw_up, reference::affine as fn(_, _, &_) -> _),
                    (x[at], down[at], g_z[at], &g_raw_down, reference::affine_inverse),
                ];
                for (value, slope, g_from, g_raw, map) in both {
                    let (want, log) = map(scale, argument, &own);
                    assert!(close(value, want) && close(slope - 10.0, log), "{scale:?}: {value} {slope}, {want} {log}");
                    let want = reference::gradient(|x, raw| map(scale, x, raw), argument, &own, g_to, g_log);
                    let got = std::iter::once(g_from).chain(g_raw.iter().skip(at).step_by(lanes).copied());
                    for (got, want) in got.zip(&want) {
                        assert!(close(got, *want), "{scale:?}: gradient {got} is not {want}");
                    }
                }
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn values_and_gradients_follow_the_definition(seed in 0_u64..1 << 40, vectors in 1_usize..4, size in 0.0_f32..4.0) {
        check(seed, 16 * vectors, size);
    }
}

#[test]
fn bounded_scales_stay_finite_for_any_finite_raw_value() {
    let lanes = 16;
    let x = vec![0.5; lanes];
    let ones = vec![1.0; lanes];
    let sizes = [0.0, 1e-40, 1.0, 30.0, 80.0, 200.0, 1e30, f32::MAX];
    let raw: Vec<f32> = (0..2 * lanes)
        .map(|i| if i < lanes { 0.25 } else { sizes[i % 8] * if i % 16 < 8 { 1.0 } else { -1.0 } })
        .collect();
    for scale in [LogScale::Tanh(2.0), LogScale::Softsign(3.0), LogScale::Sigmoid(1e-3)] {
        each_simd!(|simd| {
            let mut out = vec![vec![0.0; lanes]; 6];
            let mut g_raw = vec![vec![0.0; 2 * lanes]; 2];
            let [z, up, back, down, g_x, g_z] = &mut out[..] else { unreachable!() };
            forward(simd, Some(scale), &x, &raw, z, up);
            inverse(simd, Some(scale), &x, &raw, back, down);
            backward(simd, Some(scale), &x, &raw, &ones, &ones, g_x, &mut g_raw[0]);
            backward_inverse(simd, Some(scale), &x, &raw, &ones, &ones, g_z, &mut g_raw[1]);
            for values in out.iter().chain(&g_raw) {
                assert!(values.iter().all(|value| value.is_finite()), "{scale:?}: {values:?}");
            }
        });
    }
}

#[test]
fn a_lane_depends_on_itself_alone() {
    let lanes = 48;
    let mut numbers = Numbers::new(5);
    let (x, raw) = (numbers.many(lanes, 3.0), numbers.many(2 * lanes, 2.0));
    for scale in SCALES.into_iter().flatten() {
        each_simd!(|simd| {
            let run = |chosen: &[usize]| {
                let pick = |values: &[f32]| -> Vec<f32> {
                    values.chunks_exact(lanes).flat_map(|plane| chosen.iter().map(|at| plane[*at])).collect()
                };
                let (mut z, mut slope) = (vec![0.0; chosen.len()], vec![0.0; chosen.len()]);
                forward(simd, Some(scale), &pick(&x), &pick(&raw), &mut z, &mut slope);
                z.iter().zip(&slope).map(|(z, slope)| (z.to_bits(), slope.to_bits())).collect::<Vec<_>>()
            };
            let whole = run(&(0..lanes).collect::<Vec<_>>());
            let chosen: Vec<usize> = (0..16).map(|at| (at * 29 + 7) % lanes).collect();
            assert!(chosen.iter().zip(run(&chosen)).all(|(at, own)| whole[*at] == own));
        });
    }
}
