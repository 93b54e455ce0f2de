//! Hold `--json` to one object on standard output, with the keys that programs rely on.

mod common;

use common::{folder, succeed, trained};
use serde_json::Value;
use std::path::Path;

fn object(folder: &Path, args: &[&str]) -> Value {
    let value: Value = serde_json::from_str(&succeed(folder, args)).expect("one JSON object and nothing else");
    assert!(value.is_object());
    value
}

#[test]
fn a_comparison_gives_rows_and_a_summary_and_goes_on_where_it_was() {
    let folder = folder();
    let args = ["compare", "tiny.toml", "--json"];
    let value = object(folder.path(), &args);
    let rows = value["rows"].as_array().unwrap();
    let roles: Vec<&str> = rows.iter().map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["teacher", "plain", "ilkd", "wide", "teacher", "plain", "ilkd", "wide"]);
    for row in rows {
        assert!(row["model"].is_string());
        for key in ["seed", "parameters", "test_nll_nats", "test_nll_nats_data_units", "standard_error", "c2st", "mmd2"]
        {
            assert!(row[key].is_number(), "{key}: {row}");
        }
        for key in ["sample_rows_per_second", "log_prob_rows_per_second", "sample_latency_ms", "log_prob_latency_ms"] {
            assert!(row[key].as_f64().unwrap() > 0.0, "{key}: {row}");
        }
        for key in ["round_trip_error", "skipped_steps", "train_seconds", "validation_nll"] {
            assert!(row[key].is_number(), "{key}: {row}");
        }
    }
    let summary = value["summary"].as_array().unwrap();
    let of = |role: &str| summary.iter().find(|one| one["role"] == role).unwrap();
    let nll = |role: &str, seed: u64| {
        let row = rows.iter().find(|row| row["role"] == role && row["seed"] == seed).unwrap();
        row["test_nll_nats"].as_f64().unwrap()
    };
    let gain = (nll("plain", 1) - nll("ilkd", 1) + nll("plain", 2) - nll("ilkd", 2)) / 2.0;
    let found = &of("ilkd")["gain_over_plain_nats"];
    assert!((found["mean"].as_f64().unwrap() - gain).abs() < 1e-9);
    // Two seeds: one degree of freedom.
    let half = 12.706_204_736_174_7 * found["standard_error"].as_f64().unwrap();
    assert!((found["interval_95"][1].as_f64().unwrap() - gain - half).abs() < 1e-9);
    assert!(found["excludes_zero"].is_boolean());
    // One kernel for all models.
    assert!(
        value["mmd2_bandwidth"].is_number() && rows.iter().all(|row| row["mmd2_bandwidth"] == value["mmd2_bandwidth"])
    );
    assert_eq!((&of("ilkd")["baseline"], &of("wide")["baseline"]), (&"plain".into(), &Value::Null));
    assert!(of("wide")["gain_over_plain_nats"].is_null());
    assert_eq!(value["best_by_validation"], "ilkd");
    assert!(of("wide")["differs"].as_str().unwrap().contains("hidden"));
    assert!(of("plain")["gain_over_plain_nats"].is_null());
    for file in
        ["comparison.json", "comparison.md", "curves.png", "marginals.png", "gains.png", "recipe.toml", "report.html"]
    {
        assert!(folder.path().join("runs/tiny").join(file).metadata().unwrap().len() > 100, "{file}");
    }
    for file in ["checkpoint.safetensors", "metrics.jsonl", "flow.safetensors", "report.json", "curves.png"] {
        assert!(folder.path().join("runs/tiny/seed-2/ilkd").join(file).exists(), "{file}");
    }
    // Again: nothing is trained or judged, and every number is the same.
    assert_eq!(object(folder.path(), &args), value);
    // The page can be written again, elsewhere too, and says the same.
    let told = object(folder.path(), &["report", "runs/tiny", "--out", "page.html", "--json"]);
    assert_eq!(told["report"], "page.html");
    let page = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
    assert_eq!(page("page.html"), page("runs/tiny/report.html"));
    let one = succeed(folder.path(), &["report", "runs/tiny/seed-1/ilkd"]);
    assert_eq!(one.trim_end(), Path::new("runs/tiny/seed-1/ilkd").join("report.html").to_str().unwrap());
    assert!(common::fail(folder.path(), &["report", "."], 2).contains("expected the folder of a run"));
    // The resolved recipe is a recipe, and means the same run.
    let resolved = ["compare", "runs/tiny/recipe.toml", "--out", "runs/tiny", "--json"];
    assert_eq!(object(folder.path(), &resolved)["rows"], value["rows"]);
}

#[test]
fn training_distilling_and_using_a_flow_answer_in_json() {
    let folder = folder();
    let trained = trained().to_str().unwrap();
    let value = object(folder.path(), &["distill", "tiny.toml", "--json", "--quiet", "--teacher", trained]);
    assert_eq!(value["role"], "distilled");
    assert!(Path::new(value["flow"].as_str().unwrap()).is_relative());
    let flow = folder.path().join(value["flow"].as_str().unwrap());
    let flow = flow.to_str().unwrap();
    let value = object(folder.path(), &["evaluate", flow, "--data", "set=household", "--json", "--samples", "200"]);
    assert!(value["log_likelihood_nats"].is_number() && value["standard_error"].is_number());
    assert_eq!(value["rows"], 8000);
    let value = object(folder.path(), &["inspect", flow, "--json"]);
    assert_eq!(value["facts"]["role"], "distilled");
    assert!(object(folder.path(), &["data", "list", "--json"])["sets"].as_array().unwrap().len() >= 6);
    assert_eq!(object(folder.path(), &["data", "check", "household", "--json"])["agrees"], true);
    assert_eq!(object(folder.path(), &["data", "describe", "set=household", "--json"])["rows"]["test"], 8000);
}

#[test]
fn a_described_table_shows_exact_values_exactly() {
    let folder = folder();
    let mut text = String::from("year,level\n");
    for i in 0..400 {
        text += &format!("{},{}\n", 1999 + i * 7 % 23, f64::from(i * 31 % 200) - 99.5);
    }
    std::fs::write(folder.path().join("years.csv"), text).unwrap();
    let said = succeed(folder.path(), &["data", "describe", "years.csv"]);
    let line =
        |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(line("year ")[3..], ["1999", "2021"], "{said}");
    assert_eq!(line("level ")[3..], ["-99.5", "99.5"], "{said}");
    assert!(!said.contains("-0.0"), "{said}");
}

#[test]
fn an_evaluation_says_what_it_saw_and_names_what_failed() {
    let folder = folder();
    let flow = trained().to_str().unwrap();
    succeed(folder.path(), &["sample", flow, "-n", "300", "--out", "rows.csv"]);
    let value = object(folder.path(), &["evaluate", flow, "--data", "rows.csv", "--json", "--samples", "200"]);
    assert_eq!((&value["round_trip_rows"], &value["c2st_rows"]), (&300.into(), &200.into()));
    assert!(value["mmd2_bandwidth"].as_f64().unwrap() > 0.0);
    assert_eq!((&value["own_samples"]["drawn"], &value["own_samples"]["densities_low"]), (&200.into(), &0.into()));
    assert!(value["own_samples"]["round_trip_error"].is_number());
    assert_eq!(value["faults"], serde_json::json!([]));
    let text = succeed(folder.path(), &["evaluate", flow, "--data", "rows.csv", "--samples", "200"]);
    for said in
        [", all 300 rows; the worst is ", "200 samples and 200 of 300 rows", ", 200 drawn; 0 not finite", "(95 %)"]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("attention"), "{text}");
}

#[test]
fn samples_are_drawn_again_by_seed_and_score_in_every_format() {
    let folder = folder();
    let flow = trained().to_str().unwrap();
    let csv = succeed(folder.path(), &["sample", flow, "-n", "50", "--seed", "3"]);
    assert_eq!(csv, succeed(folder.path(), &["sample", flow, "-n", "50", "--seed", "3"]));
    assert_ne!(csv, succeed(folder.path(), &["sample", flow, "-n", "50", "--seed", "4"]));
    assert_eq!(csv.lines().count(), 51);
    let mut scores = Vec::new();
    for name in ["rows.csv", "rows.npy", "rows.parquet"] {
        succeed(folder.path(), &["sample", flow, "-n", "50", "--seed", "3", "--out", name]);
        let text = succeed(folder.path(), &["score", flow, name]);
        succeed(folder.path(), &["score", flow, name, "--out", &format!("scores-{name}")]);
        scores.push(text);
    }
    assert_eq!(scores[0].lines().count(), 51);
    assert_eq!((&scores[1], &scores[2]), (&scores[0], &scores[0]));
    assert_eq!(std::fs::read_to_string(folder.path().join("scores-rows.csv")).unwrap(), scores[0]);
    // The mean score of a file is its evaluation.
    let values: Vec<f64> = scores[0].lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let value = object(folder.path(), &["evaluate", flow, "--data", "rows.csv", "--json", "--samples", "0"]);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    assert!((value["log_likelihood_nats"].as_f64().unwrap() - mean).abs() < 1e-4);
}

#[test]
fn a_context_goes_through_from_data_to_samples() {
    let folder = folder();
    let data = ["--set", "data.context_columns=[\"Time\"]", "--quiet", "--set", "train.steps=40"];
    succeed(folder.path(), &[&["compare", "tiny.toml", "--seeds", "1"], &data[..]].concat());
    let flow = "runs/tiny/seed-1/plain/flow.safetensors";
    std::fs::write(folder.path().join("times.csv"), "Time\n60\n720\n").unwrap();
    let drawn = succeed(folder.path(), &["sample", flow, "--context", "times.csv", "-n", "3", "--out", "drawn.csv"]);
    assert!(drawn.is_empty());
    let text = std::fs::read_to_string(folder.path().join("drawn.csv")).unwrap();
    assert_eq!(text.lines().count(), 7);
    assert!(text.lines().next().unwrap().ends_with(",Time") && text.lines().nth(4).unwrap().ends_with(",720"));
    assert_eq!(succeed(folder.path(), &["score", flow, "drawn.csv"]).lines().count(), 7);
}
