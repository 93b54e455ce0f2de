//! Test that what is peculiar is found, and that nothing is found in columns that are not.

use super::*;

/// A sequence that fills [0, 1) evenly, in no order that matters.
fn even(rows: usize, seed: f64) -> Vec<f64> {
    (0..rows).map(|i| ((i as f64 + 1.0) * 0.618_033_988_749_895 + seed).fract()).collect()
}

/// Sums of even numbers: nearly normal.
fn bell(rows: usize) -> Vec<f64> {
    let parts: Vec<Vec<f64>> =
        (1..=12).map(|k| (0..rows).map(|i| (i as f64 * (k as f64 + 0.31).sqrt()).fract()).collect()).collect();
    (0..rows).map(|i| parts.iter().map(|part| part[i]).sum::<f64>() - 6.0).collect()
}

fn of(values: &[f64]) -> Vec<Trait> {
    diagnose(&["x".to_string()], values).into_iter().map(|finding| finding.found).collect()
}

#[test]
fn a_bell_has_no_peculiarity() {
    assert_eq!(of(&bell(4000)), []);
}

#[test]
fn shared_values_are_found_with_their_share() {
    let mut values: Vec<f64> = bell(4000);
    values.iter_mut().step_by(3).for_each(|value| *value = 0.0);
    let found = of(&values);
    let [Trait::Atoms { atoms }] = &found[..] else { panic!("{found:?}") };
    assert_eq!(atoms.len(), 1);
    assert!(atoms[0].value == 0.0 && (atoms[0].share - 1.0 / 3.0).abs() < 1e-3);
    let finding = Finding { column: "an x".into(), found: found[0].clone() };
    assert!(finding.is_unbounded());
    assert_eq!(finding.to_string(), "shared values: 0 in 33.4 % of the rows");
    assert_eq!(finding.cure(), "transform.\"an x\" = \"spread\"");
}

#[test]
fn integers_and_steps_are_grids_and_their_step_is_exact() {
    let grid = |step: f64, origin: f64, count: f64| {
        let values: Vec<f64> = even(3000, 0.2).iter().map(|u| origin + step * (u * count).floor()).collect();
        of(&values)
    };
    assert_eq!(grid(1.0, -3.0, 9.0), [Trait::Grid { step: 1.0, origin: -3.0, values: 9 }]);
    assert_eq!(grid(0.05, 0.0, 40.0), [Trait::Grid { step: 0.05, origin: 0.0, values: 40 }]);
    // A charge of -1 or 1.
    assert_eq!(grid(2.0, -1.0, 2.0), [Trait::Grid { step: 2.0, origin: -1.0, values: 2 }]);
    // Two and three have the step one in common.
    let gaps: Vec<f64> = even(3000, 0.2).iter().map(|u| [0.0, 2.0, 5.0][(u * 3.0) as usize]).collect();
    assert_eq!(of(&gaps), [Trait::Grid { step: 1.0, origin: 0.0, values: 3 }]);
    // In single precision too.
    let single: Vec<f64> = even(3000, 0.1).iter().map(|u| f64::from((0.1 * (u * 100.0).floor()) as f32)).collect();
    let found = of(&single);
    assert!(matches!(found[..], [Trait::Grid { step, .. }] if (step - 0.1).abs() < 1e-6), "{found:?}");
}

#[test]
fn limits_angles_and_tails_are_told_apart() {
    let even = even(4000, 0.3);
    assert_eq!(of(&even), [Trait::Bounded { low: Some(0.0), high: Some(1.0) }]);
    let waits: Vec<f64> = even.iter().map(|u| -(1.0 - u).ln()).collect();
    assert_eq!(of(&waits), [Trait::Bounded { low: Some(0.0), high: None }]);
    for (low, period) in [(0.0, std::f64::consts::TAU), (-std::f64::consts::PI, std::f64::consts::TAU), (-180.0, 360.0)]
    {
        let angles: Vec<f64> = even.iter().map(|u| low + period * u).collect();
        assert_eq!(of(&angles), [Trait::Circle { low, period }]);
    }
    let cauchy: Vec<f64> = even.iter().map(|u| (std::f64::consts::PI * (u - 0.5)).tan()).collect();
    assert!(matches!(of(&cauchy)[..], [Trait::HeavyTails { ratio }] if ratio > 20.0), "{:?}", of(&cauchy));
}

#[test]
fn near_copies_and_repeated_rows_are_found() {
    let names = ["a", "b", "c"].map(String::from);
    let (a, c) = (bell(1000), even(1000, 0.7));
    let values: Vec<f64> = a.iter().zip(&c).flat_map(|(a, c)| [*a, -3.0 * a + 1e-5 * c, a + c]).collect();
    let found = diagnose(&names, &values);
    assert!(found.iter().any(|finding| finding.column == "b"
        && matches!(&finding.found, Trait::NearCopy { of, correlation } if of == "a" && *correlation < -0.9999)));
    assert!(found.iter().all(|finding| !(finding.column == "c" && matches!(finding.found, Trait::NearCopy { .. }))));
    assert_eq!(repeated_rows(&[1.0, 2.0, 0.0, 3.0, 1.0, 2.0, -0.0, 3.0], 2), 2);
}

#[test]
fn short_constant_and_broken_columns_are_passed_over() {
    assert_eq!(of(&[1.0; 100]), []);
    assert_eq!(of(&[f64::NAN; 100]), []);
    assert_eq!(of(&[1.0, 2.0, 2.0]), []);
    assert_eq!(diagnose(&[], &[]), []);
}
