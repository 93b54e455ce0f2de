//! Edges: empty batches, knots, bounds, tails, enormous and subnormal values.

use crate::common::*;
use crate::table::{Case, TRANSFORMS, autoregressive, for_every_case};
use burn::tensor::{DType, Tensor};
use flowstill::bijectors::{BijectorConfig, Univariate, UnivariateOps};
use flowstill::conditioners::MadeConfig;
use flowstill::to_f64;
use proptest::prelude::*;

#[test]
fn empty_batches_and_single_rows_work() {
    for_every_case(|case| {
        let layer = case.build();
        for way in Way::BOTH {
            let (out, log_det) = case.batch(0).run(layer.as_ref(), way);
            assert!(out.is_empty() && log_det.is_empty());
        }
        // A row does not feel its neighbours.
        let batch = case.batch(3);
        let (all, log_dets) = batch.run(layer.as_ref(), Way::Forward);
        for sample in 0..3 {
            let (one, log_det) = batch.repeat_sample(sample, 1).run(layer.as_ref(), Way::Forward);
            assert_close(&one, &all[sample * batch.event()..][..batch.event()], 1e-12, "row");
            assert_close(&log_det, &log_dets[sample..=sample], 1e-12, "log_det");
        }
    });
}

/// Outputs, log-slopes and all gradients of a univariate map, asserted finite.
fn assert_all_finite(transform: Univariate, values: &[f64], raw: &[f64], dtype: DType) {
    let (n, width) = (values.len(), transform.params());
    let raw: Vec<f64> = raw.iter().cycle().take(n * width).copied().collect();
    for way in Way::BOTH {
        let x = tensor_as(values, [n, 1], dtype).autodiff().require_grad();
        let raw = tensor_as(&raw, [n, width], dtype).autodiff().require_grad();
        let (out, log_slope) = match way {
            Way::Forward => transform.forward(x.clone(), raw.clone()),
            Way::Inverse => transform.inverse(x.clone(), raw.clone()),
        };
        let (host_out, host_slope) = (to_f64(out.clone()), to_f64(log_slope.clone()));
        let grads = (out + log_slope).sum().backward();
        let x_grad = x.grad(&grads).map(to_f64).unwrap_or_default();
        let raw_grad = raw.grad(&grads).map(to_f64).unwrap_or_default();
        for (what, numbers) in [("out", host_out), ("slope", host_slope), ("dx", x_grad), ("draw", raw_grad)] {
            let bad = numbers.iter().find(|v| !v.is_finite());
            assert!(bad.is_none(), "{transform:?} {way:?} {dtype:?} {what}: {bad:?} at {values:?}");
        }
    }
}

const BOUND: f64 = 3.0;
const EDGES: [f64; 16] = [
    0.0, -0.0, BOUND, -BOUND, 1.5, -1.5, 0.75, 1e30, -1e30, 1e-40, -1e-40, 1e-310, 3.0000002, -3.0000002, 2.9999998,
    3.3e38,
];

#[test]
fn the_spline_is_finite_on_knots_bounds_tails_and_extremes() {
    let transform = Univariate::RationalQuadratic { bins: 4, tail_bound: BOUND };
    for dtype in [DType::F32, DType::F64] {
        for raw in [vec![0.0], vec![30.0, -30.0], vec![-80.0], vec![500.0, -500.0, 0.0], vec![3e4, -3e4]] {
            assert_all_finite(transform, &EDGES, &raw, dtype);
            assert_all_finite(transform, &[1e30; 4], &raw, dtype);
            assert_all_finite(transform, &[BOUND; 4], &raw, dtype);
            assert_all_finite(transform, &[], &raw, dtype);
        }
    }
}

#[test]
fn a_spline_of_zeros_is_the_identity() {
    for (dtype, tolerance) in [(DType::F32, 5e-7), (DType::F64, 1e-15)] {
        for bins in [2, 3, 8, 64] {
            let transform = Univariate::RationalQuadratic { bins, tail_bound: BOUND };
            let values: Vec<f64> = (-40..=40).map(|i| f64::from(i) * 0.1).collect();
            let x = tensor_as(&values, [values.len(), 1], dtype);
            let raw = Tensor::zeros([values.len(), transform.params()], (&device(), dtype));
            for (out, log_slope) in [transform.forward(x.clone(), raw.clone()), transform.inverse(x.clone(), raw)] {
                let expected = to_f64(x.clone());
                assert_close(&to_f64(out), &expected, tolerance * 4.0, "the identity");
                assert_close(&to_f64(log_slope), &vec![0.0; values.len()], tolerance * bins as f64, "slope 1");
            }
        }
    }
}

#[test]
fn the_spline_joins_its_tails_smoothly_and_grows() {
    let transform = Univariate::RationalQuadratic { bins: 5, tail_bound: BOUND };
    let raw: Vec<f64> = noise(transform.params(), "raw", 2).iter().map(|v| 2.0 * v).collect();
    let at = |values: Vec<f64>| {
        let n = values.len();
        let (z, log_slope) = transform.forward(tensor(&values, [n, 1]), tensor(&raw.repeat(n), [n, raw.len()]));
        (to_f64(z), to_f64(log_slope))
    };
    let (z, log_slope) = at(vec![BOUND, -BOUND, BOUND + 1e-9, -BOUND - 1e-9]);
    assert_close(&z, &[BOUND, -BOUND, BOUND, -BOUND], 1e-8, "ends stay");
    assert_close(&log_slope, &[0.0; 4], 1e-10, "slope 1 at the ends");
    let (z, _) = at((0..=2000).map(|i| -4.0 + f64::from(i) * 0.004).collect());
    assert!(z.windows(2).all(|pair| pair[0] < pair[1]), "monotone");
}

/// Rows that are enormous, subnormal or on the bounds, between good rows: the good rows must not notice.
#[test]
fn strange_rows_stay_finite_and_leave_their_neighbours_alone() {
    let strange = [1e30, -1e30, 1e-40, -0.0, BOUND, -BOUND];
    for (index, transform) in TRANSFORMS.into_iter().enumerate() {
        let coupling = serde_json::json!({
            "bijector": "coupling", "channels": 3, "transform": transform, "conditioner": {"kind": "mlp", "hidden": [6]}
        });
        let coupling: BijectorConfig = serde_json::from_value(coupling).expect("parses");
        let made = MadeConfig { hidden: vec![6], ..MadeConfig::default() };
        for config in [coupling, autoregressive(3, transform, made, 0)] {
            let case = Case { config, channels: 3, context: 0, space: [1, 1], seed: 40 + index as u64 };
            let mut layer = case.build();
            cast(layer.as_mut(), DType::F32);
            let good = case.batch(2);
            let bounded = !matches!(transform, Univariate::Affine { scale } if unbounded(scale));
            for value in strange {
                let mut mixed = good.repeat_sample(0, 3);
                mixed.values[3..6].fill(value);
                mixed.values[6..].copy_from_slice(&good.values[3..]);
                for way in Way::BOTH {
                    let (clean, _) = good.run_as(layer.as_ref(), way, DType::F32);
                    let (out, log_det) = mixed.run_as(layer.as_ref(), way, DType::F32);
                    assert_close(&out[..3], &clean[..3], 1e-6, "the row before");
                    assert_close(&out[6..], &clean[3..], 1e-6, "the row after");
                    let finite = out.iter().chain(&log_det).all(|v| v.is_finite());
                    assert!(finite || !bounded, "{case:?} {way:?} {value}: {out:?} {log_det:?}");
                }
            }
        }
    }
}

/// Maps whose scale may reach zero or infinity: offered for fidelity to papers, documented as such.
fn unbounded(scale: flowstill::bijectors::ScaleMap) -> bool {
    use flowstill::bijectors::ScaleMap::{Exp, Sigmoid};
    matches!(scale, Exp) || matches!(scale, Sigmoid { floor } if floor == 0.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_under_any_weights_stays_finite(
        values in prop::collection::vec(prop_oneof![
            prop::sample::select(EDGES.to_vec()), -4.0..4.0_f64, prop::num::f64::NORMAL.prop_map(|v| v.clamp(-3e38, 3e38)),
        ], 0..6),
        raw in prop::collection::vec(prop_oneof![-3.0..3.0_f64, -300.0..300.0_f64, Just(0.0)], 11..40),
        bins in 2..9_usize,
    ) {
        for dtype in [DType::F32, DType::F64] {
            assert_all_finite(Univariate::RationalQuadratic { bins, tail_bound: BOUND }, &values, &raw, dtype);
        }
    }

    #[test]
    fn the_spline_returns_on_and_beside_its_own_knots(
        raw in prop::collection::vec(-3.0..3.0_f64, 11),
        nudge in prop::sample::select(vec![0.0, 1e-12, -1e-12, 1e-7, -1e-7]),
    ) {
        // Knots as the spline computes them: the images of the left ends of all bins under equal heights are known.
        let transform = Univariate::RationalQuadratic { bins: 4, tail_bound: BOUND };
        let exps: Vec<f64> = raw[..4].iter().map(|v| v.exp()).collect();
        let total: f64 = exps.iter().sum();
        let mut knots = vec![-BOUND];
        for e in &exps {
            knots.push(knots[knots.len() - 1] + 2.0 * BOUND * (1e-3 + (1.0 - 4e-3) * e / total));
        }
        let values: Vec<f64> = knots.iter().map(|k| k + nudge).collect();
        let n = values.len();
        let raws = raw.repeat(n);
        let (z, log_slope) = transform.forward(tensor(&values, [n, 1]), tensor(&raws, [n, 11]));
        let (x, back) = transform.inverse(z, tensor(&raws, [n, 11]));
        assert_close(&to_f64(x), &values, 1e-10, "x");
        assert_close(&to_f64(back), &to_f64(log_slope), 1e-8, "log_slope");
        assert_all_finite(transform, &values, &raw, DType::F32);
    }
}
