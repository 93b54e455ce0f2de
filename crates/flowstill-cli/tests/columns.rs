//! Hold the command line to tables as they really are: what is found in their columns, what cures it, and what comes back.

mod common;

use common::{run, succeed};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// A table with a column of each kind: normal-like, with many zeros, integer, an angle, waiting times, text.
fn table(folder: &Path) {
    let mut text = String::from("bell,zeros,count,angle,wait,site\n");
    let even = |i: usize, k: f64| ((i as f64 + 1.0) * k).fract();
    for i in 0..2000 {
        let bell: f64 = (1..=12).map(|k| even(i, (f64::from(k) + 0.31).sqrt())).sum::<f64>() - 6.0;
        let zeros = if even(i, 0.754_877) < 0.4 { 0.0 } else { 1.0 + bell.abs() + even(i, 0.569_84) };
        let count = (even(i, 0.618_034) * 7.0).floor() + 2.0;
        let angle = std::f64::consts::TAU * even(i, 0.414_213_56);
        let wait = -(1.0 - even(i, 0.732_050_8)).ln();
        writeln!(text, "{bell},{zeros},{count},{angle},{wait},{}", ["north", "south"][i % 2]).unwrap();
    }
    std::fs::write(folder.join("t.csv"), text).unwrap();
}

const RECIPE: &str = r#"name = "cured"

[data]
set = "table"
path = "t.csv"
exclude = ["site"]

[data.transform]
zeros = "spread"
count = ["dequantise", "logit"]
angle = "circle"
wait = [{ kind = "log", offset = 0.01 }, "yeo_johnson"]

[train]
steps = 60
batch = 64
validate_every = 30
validation_rows = 100

[teacher]
flow = { kind = "maf", blocks = 2, hidden = [16] }

[judge]
samples = 0
repetitions = 0
"#;

#[test]
fn describe_names_what_is_found_and_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path());
    let told = succeed(folder.path(), &["data", "describe", "set=table,path=t.csv,exclude=[\"site\"]"]);
    for line in [
        "zeros: shared values: 0 in",
        "cure, in [data]: transform.zeros = \"spread\"",
        "count: 7 values on a grid of step 1 from 2",
        "cure, in [data]: transform.count = \"dequantise\"",
        "angle: an angle from 0 to 6.283185307179586",
        "cure, in [data]: transform.angle = \"circle\"",
        "wait: crowded at its lower limit 0",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("bell: "), "{told}");
}

#[test]
fn an_uncured_table_is_marked_wherever_its_likelihood_stands() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path());
    let start = RECIPE.find("[data.transform]").unwrap();
    let end = RECIPE.find("[train]").unwrap();
    std::fs::write(folder.path().join("r.toml"), RECIPE[..start].to_string() + &RECIPE[end..]).unwrap();
    let output = run(folder.path(), &["train", "r.toml", "--quiet", "--json"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("note: values recur in columns (zeros, count): likelihoods are unbounded"), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["unbounded_columns"], serde_json::json!(["zeros", "count"]));
}

#[test]
fn cured_columns_are_scored_drawn_and_evaluated_in_their_own_units() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path());
    std::fs::write(folder.path().join("r.toml"), RECIPE).unwrap();
    let output = run(folder.path(), &["train", "r.toml", "--quiet", "--json"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !stderr.contains("unbounded"), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let flow = report["flow"].as_str().unwrap();
    assert!(report.get("unbounded_columns").is_none(), "{report}");
    let drawn = succeed(folder.path(), &["sample", flow, "-n", "500"]);
    let mut zeros = 0;
    for line in drawn.lines().skip(1) {
        let row: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        zeros += usize::from(row[1] == 0.0);
        assert!(row[2] == row[2].round() && (2.0..=8.0).contains(&row[2]), "{line}");
        assert!((0.0..=std::f64::consts::TAU).contains(&row[3]) && row[4] > -0.01, "{line}");
    }
    assert!((50..400).contains(&zeros), "{zeros}");
    // The raw table is scored as it is, and the split of a set is brought to the flow's units by the flow itself.
    let evaluated = |data: &str| -> f64 {
        let told = succeed(folder.path(), &["evaluate", flow, "--samples", "0", "--json", "--data", data]);
        serde_json::from_str::<Value>(&told).unwrap()["log_likelihood_nats"].as_f64().unwrap()
    };
    let scores = succeed(folder.path(), &["score", flow, "t.csv"]);
    let scores: Vec<f64> = scores.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let split = evaluated("set=table,path=t.csv,exclude=[\"site\"]");
    assert!(scores.len() == 2000 && (mean - split).abs() < 0.5, "{mean} {split}");
    let inspected = succeed(folder.path(), &["inspect", flow]);
    assert!(
        inspected.contains("zeros: spread; count: dequantise, then logit; angle: circle; wait: log, then yeo_johnson"),
        "{inspected}"
    );
}
