//! Draw every picture from awkward numbers, and refuse what cannot be drawn.
#![cfg(feature = "plots")]

use flowstill_metrics::MetricError;
use flowstill_metrics::plots::{Role, Sample, Series, bars_with_errors, curves, pairwise};

/// Evenly scattered rows in two columns.
fn scatter(rows: usize, scale: f32) -> Vec<f32> {
    (0..rows).flat_map(|k| [scale * (k as f32 * 1.7).sin(), scale * (k as f32 * 2.9).sin()]).collect()
}

/// Width, height and the number of distinct colours of a PNG.
fn pixels(path: &std::path::Path) -> (u32, u32, usize) {
    let image = tiny_skia::Pixmap::load_png(path).unwrap();
    let colours: std::collections::HashSet<[u8; 4]> =
        image.pixels().iter().map(|p| [p.red(), p.green(), p.blue(), p.alpha()]).collect();
    (image.width(), image.height(), colours.len())
}

#[test]
fn curves_survive_outliers_gaps_and_single_points() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.PNG");
    let long = (0..5_000).map(|k| (f64::from(k), if k == 7 { f64::MAX } else { 1.0 / f64::from(k + 1) })).collect();
    let series = [
        Series { name: "long".into(), points: long },
        Series { name: "gaps".into(), points: vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, -1.0), (f64::INFINITY, 0.0)] },
        Series { name: "one <&>".into(), points: vec![(5.0, 0.5)] },
        Series { name: "none".into(), points: vec![] },
    ];
    for log in [false, true] {
        curves(&path, "Title", &series, "step", "loss (nats)", log).unwrap();
        let (width, height, colours) = pixels(&path);
        assert!(width == 1_800 && height > 800 && colours > 50, "{width} {height} {colours}");
    }
    let empty = curves(&path, "", &series[3..], "", "", false).unwrap_err();
    assert!(matches!(empty, MetricError::NothingToDraw { .. }));
    let flat = [Series { name: "flat".into(), points: vec![(1.0, 2.0); 3] }];
    curves(&path, "", &flat, "", "", false).unwrap();
}

#[test]
fn pairwise_survives_constants_collapse_and_many_sets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corner.png");
    let (data, tight, far) = (scatter(500, 1.0), scatter(300, 1e-4), scatter(400, 1e30));
    let constant = vec![3.0; 200];
    for first in [&data, &constant] {
        let mut sets = vec![Sample { name: "data", rows: first }];
        sets.extend((0..5).flat_map(|_| [&tight, &far, &constant]).map(|rows| Sample { name: "model", rows }));
        pairwise(&path, "Many", &sets, &["x (m)", "y (m)"], 2, 5).unwrap();
        assert!(pixels(&path).2 > 50);
    }
    let set = [Sample { name: "data", rows: &data }];
    pairwise(&path, "One column of four", &set, &["a", "b", "c", "d"], 4, 1).unwrap();
    assert!(matches!(pairwise(&path, "", &set, &["a"], 2, 5), Err(MetricError::Count { expected: 2, got: 1, .. })));
    assert!(matches!(pairwise(&path, "", &set, &["a", "b", "c"], 3, 5), Err(MetricError::Shape { columns: 3, .. })));
    assert!(matches!(pairwise(&path, "", &set, &["a", "b"], 2, 0), Err(MetricError::Setting { .. })));
    let bad = [Sample { name: "student", rows: &[0.0, f32::NAN, 1.0, 1.0] }];
    assert!(pairwise(&path, "", &bad, &["a", "b"], 2, 5).unwrap_err().to_string().contains("`student` holds NaN"));
}

#[test]
fn bars_survive_single_seeds_and_lost_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bars.svg");
    let role = |name: &str, values: &[f64]| Role { name: name.into(), values: values.to_vec() };
    let roles = [role("a", &[0.5, 0.7, 0.6]), role("b", &[0.9]), role("c", &[f64::NAN, 0.8]), role("d", &[])];
    bars_with_errors(&path, "C2ST", &roles, "accuracy", Some((0.5, "no difference"))).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    for expected in ["0.60 ± 0.25", "(1 seed)", "(1 of 2 seeds)", "no finite value", "no difference"] {
        assert!(text.contains(expected), "{expected} is missing");
    }
    assert!(matches!(bars_with_errors(&path, "", &roles[3..], "", None), Err(MetricError::NothingToDraw { .. })));
}

#[test]
fn the_ending_chooses_the_format_and_the_same_call_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let role = [Role { name: "a".into(), values: vec![1.0, 2.0] }];
    for ending in ["png", "svg"] {
        let [one, two] = ["one", "two"].map(|stem| folder.path().join(format!("{stem}.{ending}")));
        bars_with_errors(&one, "t", &role, "v", None).unwrap();
        bars_with_errors(&two, "t", &role, "v", None).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    }
    let at = |name: &str| bars_with_errors(folder.path().join(name), "t", &role, "v", None).unwrap_err();
    assert!(matches!(at("picture.pdf"), MetricError::PictureEnding { .. }));
    assert!(matches!(at("no/such/folder/a.svg"), MetricError::Write { .. }));
}
