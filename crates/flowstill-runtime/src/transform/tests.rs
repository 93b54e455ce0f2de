//! Hold every step to its laws: there and back, log-slopes and derivatives against differences, a density that sums to 1.

use super::*;

fn one(step: Step) -> ColumnTransform {
    let made = ColumnTransform { steps: vec![step] };
    made.check().unwrap();
    made
}

/// Even values of [0, 1), in no order that matters.
fn even(rows: usize) -> Vec<f64> {
    (0..rows).map(|i| ((i as f64 + 1.0) * 0.618_033_988_749_895).fract()).collect()
}

/// Smooth maps, with values that they take.
fn smooth() -> Vec<(ColumnTransform, [f64; 3])> {
    let waits: Vec<f64> = even(2000).iter().map(|u| -(1.0 - u).ln()).collect();
    let chain = ColumnTransform { steps: vec![Step::Log { offset: 1.0 }, Step::yeo_johnson(&waits, None)] };
    vec![
        (one(Step::Log { offset: 0.5 }), [-0.4, 0.3, 12.0]),
        (one(Step::Logit { low: -2.0, high: 3.0 }), [-1.9, 0.1, 2.95]),
        (one(Step::YeoJohnson { lambda: 0.3, center: 1.0, scale: 2.0 }), [-4.0, 1.5, 9.0]),
        (one(Step::YeoJohnson { lambda: 0.0, center: 0.0, scale: 1.0 }), [-4.0, 0.5, 9.0]),
        (one(Step::YeoJohnson { lambda: 2.0, center: 0.0, scale: 1.0 }), [-4.0, 0.5, 9.0]),
        (one(Step::yeo_johnson(&waits, None)), [0.01, 0.7, 5.0]),
        (one(Step::rank_normal(&waits, 64)), [-1.0, 0.7123, 50.0]),
        (one(Step::Circle { low: 0.5, period: 4.0, start: 0.0 }), [0.4, 2.0, 3.9]),
        (one(Step::Clip { low: -5.0, high: 5.0 }), [-4.0, 0.0, 4.0]),
        (chain, [0.01, 0.7, 5.0]),
    ]
}

#[test]
fn smooth_steps_come_back_and_their_slopes_are_slopes() {
    for (made, values) in smooth() {
        for x in values {
            let (y, log) = made.forward(x, 0.0).unwrap();
            let (back, again) = made.inverse(y);
            assert!(
                (back - x).abs() < 1e-9 * (1.0 + x.abs()) && (again - log).abs() < 1e-7,
                "{made:?} {x} {back} {log} {again}"
            );
            let h = 1e-6;
            let at = |by: f64| made.forward(x + by, 0.0).unwrap();
            let slope = (at(h).0 - at(-h).0) / (2.0 * h);
            assert!((slope.ln() - log).abs() < 1e-5, "{made:?} {x}: {slope} {log}");
            let of_log = (at(h).1 - at(-h).1) / (2.0 * h);
            let [own, own_log] = made.derivatives(x, 0.0);
            assert!(
                (own / slope - 1.0).abs() < 1e-5 && (own_log - of_log).abs() < 1e-4 * (1.0 + of_log.abs()),
                "{made:?} {x}"
            );
            assert!((made.slope_at(y) / own - 1.0).abs() < 1e-6, "{made:?} {x}");
        }
    }
}

#[test]
fn the_density_of_a_transformed_column_sums_to_one() {
    // A standard normal after the transform, added up over the column's own values.
    let density = |made: &ColumnTransform, x: f64| {
        let (y, log) = made.forward(x, 0.5).unwrap();
        (log - 0.5 * y * y).exp() / std::f64::consts::TAU.sqrt()
    };
    let sum = |made: &ColumnTransform, low: f64, high: f64| {
        let count = 400_000;
        let width = (high - low) / f64::from(count);
        (0..count).map(|i| density(made, low + width * (f64::from(i) + 0.5)) * width).sum::<f64>()
    };
    let waits: Vec<f64> = even(2000).iter().map(|u| -(1.0 - u).ln()).collect();
    for (made, low, high) in [
        (one(Step::Log { offset: 0.0 }), 0.0, 150.0),
        (one(Step::Logit { low: -1.0, high: 2.0 }), -1.0, 2.0),
        (one(Step::YeoJohnson { lambda: 0.4, center: 1.0, scale: 2.0 }), -40.0, 200.0),
        (one(Step::rank_normal(&waits, 64)), -20.0, 60.0),
    ] {
        let total = sum(&made, low, high);
        assert!((total - 1.0).abs() < 2e-3, "{made:?}: {total}");
    }
    // A grid: what all its values have together, each by the mean over noise.
    let made = one(Step::Dequantise { step: 0.5, origin: 0.0 });
    let each = |k: i32| {
        let noise = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0);
        let one = |u| {
            made.forward(f64::from(k) * 0.5, u).map(|(y, log)| (log - 0.5 * y * y).exp() / std::f64::consts::TAU.sqrt())
        };
        noise.map(|u| one(u).unwrap()).sum::<f64>() / 100.0
    };
    let total: f64 = (-20..20).map(each).sum();
    assert!((total - 1.0).abs() < 1e-4, "{total}");
}

#[test]
fn grids_and_shared_values_come_back_whatever_the_noise() {
    let grid = one(Step::Dequantise { step: 0.1, origin: -0.3 });
    for k in 0..40 {
        for noise in [0.0, 0.3, 0.999] {
            let x = -0.3 + 0.1 * f64::from(k);
            let (y, log) = grid.forward(x, noise).unwrap();
            // A hair inside, for the edge of a step is its neighbour's.
            let (back, again) = grid.inverse(y + 1e-9);
            assert!((back - x).abs() < 1e-12 && log == 0.1_f64.ln() && again == log, "{x} {noise} {back}");
        }
    }
    assert_eq!(grid.forward(0.05, 0.5).unwrap_err(), "not on its grid of step 0.1 from -0.3");
    let train: Vec<f64> = even(900).iter().map(|u| 2.0 * u - 1.0).chain([0.0; 300]).collect();
    let spread = one(Step::spread(&train, &[(0.0, 0.25)]));
    let Step::Spread { widths, .. } = &spread.steps[0] else { panic!("{spread:?}") };
    // No denser than the rest: a quarter of the rows in the room, three quarters in a range of 2.
    assert!((widths[0] - 2.0 / 3.0).abs() < 0.01, "{widths:?}");
    for (x, noise) in [(-0.7, 0.4), (0.0, 0.0), (0.0, 0.999), (1e-9, 0.2), (0.9, 0.0)] {
        let (y, log) = spread.forward(x, noise).unwrap();
        let (back, again) = spread.inverse(y);
        assert!((back - x).abs() < 1e-12 && log == again && (log == widths[0].ln()) == (x == 0.0), "{x} {y} {back}");
    }
}

#[test]
fn angles_and_limits_hold_wherever_a_sample_lies() {
    let circle = one(Step::circle(&even(500).iter().map(|u| 5.0 * u + 1.0).collect::<Vec<_>>(), 6.0, None));
    let Step::Circle { low, start, .. } = circle.steps[0] else { panic!("{circle:?}") };
    // The gap lies from 6 to 7, which is 0 to 1.
    assert!((low - 0.5).abs() < 0.05 && start == 0.0, "{low} {start}");
    let half: Vec<f64> = even(500).iter().map(|u| 6.0 * u - 3.0).collect();
    for (begins, expected) in [(None, -3.0), (Some(30.0), 30.0)] {
        let turned = one(Step::circle(&half, 6.0, begins));
        // Samples come back to the data's own turn, wherever it was cut.
        let (y, _) = turned.forward(-2.9, 0.0).unwrap();
        assert!((turned.inverse(y).0 - (-2.9_f64 - expected).rem_euclid(6.0) - expected).abs() < 1e-9, "{turned:?}");
    }
    for (given, made) in [(one(Step::Logit { low: 0.0, high: 1.0 }), [0.0, 1.0]), (circle, [0.0, 6.0])] {
        for y in [-1e6, -30.0, 0.0, 30.0, 1e6] {
            let (x, _) = given.inverse(y);
            assert!((made[0]..=made[1]).contains(&x), "{given:?} {y} {x}");
        }
    }
    // The limits themselves can be scored.
    assert!(one(Step::Logit { low: 0.0, high: 1.0 }).forward(1.0, 0.0).unwrap().0.is_finite());
    assert!(one(Step::Logit { low: 0.0, high: 1.0 }).forward(1.1, 0.0).is_err());
    assert!(one(Step::Log { offset: 0.0 }).forward(0.0, 0.0).is_err());
}

#[test]
fn a_power_is_found_by_its_likelihood() {
    let bell: Vec<f64> = (1..2000).map(|i| crate::probit::quantile(f64::from(i) / 2000.0)).collect();
    let Step::YeoJohnson { lambda, .. } = Step::yeo_johnson(&bell, None) else { panic!() };
    assert!((lambda - 1.0).abs() < 0.02, "{lambda}");
    let skewed: Vec<f64> = bell.iter().map(|z| z.exp()).collect();
    let Step::YeoJohnson { lambda, .. } = Step::yeo_johnson(&skewed, None) else { panic!() };
    assert!(lambda < 0.5, "{lambda}");
}

#[test]
fn noise_is_even_and_a_function_of_the_row_and_the_draw() {
    let of = |row: [f64; 2], draw| noise(row.into_iter(), draw)(0);
    assert_eq!(of([1.0, 2.0], 3), of([1.0, 2.0], 3));
    assert!(of([1.0, 2.0], 3) != of([1.0, 2.0], 4) && of([1.0, 2.0], 3) != of([1.0, 2.5], 3));
    let draws: Vec<f64> = (0..4000).map(|draw| of([1.0, 0.0], draw)).collect();
    assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
    for tenth in 0..10 {
        let inside = draws.iter().filter(|u| (**u * 10.0) as usize == tenth).count();
        assert!((300..500).contains(&inside), "{inside}");
    }
}

#[test]
fn senseless_steps_are_refused() {
    for step in [
        Step::Dequantise { step: 0.0, origin: 0.0 },
        Step::Spread { atoms: vec![1.0, 0.0], widths: vec![1.0, 1.0] },
        Step::Logit { low: 1.0, high: 0.0 },
        Step::YeoJohnson { lambda: 2.5, center: 0.0, scale: 1.0 },
        Step::RankNormal { knots: vec![[0.0, 0.0]] },
        Step::Circle { low: 0.0, period: f64::NAN, start: 0.0 },
    ] {
        assert!(ColumnTransform { steps: vec![step.clone()] }.check().is_err(), "{step:?}");
    }
    let grid = Step::Dequantise { step: 1.0, origin: 0.0 };
    assert!(ColumnTransform { steps: vec![grid.clone(), grid] }.check().is_err());
}
