//! Hold the page of made-up runs to what it must be.

mod browser;
mod checker;

use checker::stands_alone;
use flowstill_experiment::{
    Comparison, Cost, FrontModel, FrontierReport, Kind, Metrics, REPORT, Report, Row, Timing, instructions,
    write_report,
};
use std::fmt::Write as _;
use std::path::Path;
use tempfile::TempDir;

/// A name that would run if it were not escaped.
const HOSTILE: &str = "</script><script>alert('1')</script><img src=x onerror=\"alert(2)\">&\u{1}";

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn row(role: &str, seed: u64, kind: Kind, nats: f64) -> Row {
    let metrics =
        Metrics { test_nll_nats: -nats, standard_error: 0.02, test_rows: 500, c2st: Some(0.6), ..Metrics::default() };
    Row {
        model: "maf, 2 steps".into(),
        role: role.into(),
        seed,
        kind,
        baseline: (kind != Kind::Plain).then(|| "plain".into()),
        parameters: 1234,
        validation_nll: Some(-nats),
        metrics,
        ..Row::default()
    }
}

/// The gains of `lkd` by seed give the rows; the teacher is 1 nat from plain.
fn comparison(gains: &[f64]) -> Comparison {
    let mut rows = Vec::new();
    for (at, gain) in gains.iter().enumerate() {
        let seed = at as u64 + 1;
        rows.push(row("teacher", seed, Kind::Teacher, 0.0));
        rows.push(row("plain", seed, Kind::Plain, -1.0));
        rows.push(row("lkd", seed, Kind::Distilled, gain - 1.0));
    }
    Comparison {
        name: "made-up".into(),
        data: "a table".into(),
        seeds: (1..=gains.len() as u64).collect(),
        // Made of the rows again where it is read.
        summary: Vec::new(),
        rows,
        best_by_validation: Some("lkd".into()),
        mmd2_bandwidth: None,
        failed: Vec::new(),
        run: "runs/made-up".into(),
    }
}

fn steps(count: usize) -> String {
    let mut text = String::new();
    for step in 1..=count {
        writeln!(text, "{{\"step\":{step},\"loss\":{}}}", 9.0 / step as f64).unwrap();
        if step % 2 == 0 {
            writeln!(text, "{{\"step\":{step},\"validation_nll\":{}}}", 8.0 / step as f64).unwrap();
        }
    }
    text
}

/// A comparison's folder, as a run leaves it.
fn folder(comparison: &Comparison) -> TempDir {
    let run = tempfile::tempdir().unwrap();
    put(&run.path().join("comparison.json"), json(comparison).as_bytes());
    put(&run.path().join("recipe.toml"), format!("name = \"{HOSTILE}\"\n").as_bytes());
    for row in &comparison.rows {
        let place = run.path().join(format!("seed-{}/{}", row.seed, row.role.replace('/', "_")));
        let report = Report { row: row.clone(), flow: format!("print-{}", row.seed), ..Report::default() };
        put(&place.join("report.json"), json(&report).as_bytes());
        put(&place.join("metrics.jsonl"), steps(20).as_bytes());
    }
    put(&run.path().join("marginals.png"), b"\x89PNG and so on");
    run
}

fn page(run: &Path) -> String {
    std::fs::read_to_string(write_report(run, None).unwrap()).unwrap()
}

#[test]
fn a_page_stands_alone_and_has_every_row() {
    let run = folder(&comparison(&[0.2, 0.21, 0.19]));
    let page = page(run.path());
    let parts = stands_alone(&page);
    let rows = page.split("id=\"models\"").nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!(rows.matches("<th scope=\"row\">").count(), 9);
    for (role, nats) in [("teacher", "0.0000"), ("plain", "-1.0000"), ("lkd", "-0.8000"), ("lkd", "-0.7900")] {
        assert!(rows.contains(&format!("<th scope=\"row\">{role}</th>")) && rows.contains(nats), "{role} {nats}");
    }
    let heads = ["verdict", "results", "gains", "curves", "pictures", "cards", "recipe", "again"];
    let ids = parts.values("id");
    assert!(heads.iter().all(|head| ids.contains(head)), "{ids:?}");
    // The verdict is before every figure.
    assert!(page.find("Distilling helped").unwrap() < page.find("<table").unwrap());
    for said in ["print-1", "flowstill compare recipe.toml", instructions(), "lang=\"en\"", "name=\"viewport\""] {
        assert!(page.contains(said), "{said}");
    }
    assert_eq!(parts.values("src").len(), 1);
    let svgs = parts
        .elements
        .iter()
        .filter(|(tag, attributes)| tag == "svg" && attributes.iter().any(|(name, _)| name == "aria-labelledby"));
    assert_eq!(svgs.count(), 2);
}

#[test]
fn outside_text_is_never_markup() {
    let mut hostile = comparison(&[0.1, 0.2]);
    (hostile.name, hostile.data) = (HOSTILE.into(), HOSTILE.into());
    for row in &mut hostile.rows {
        row.model = HOSTILE.into();
        if row.role == "lkd" {
            row.role = HOSTILE.into();
            row.differs = Some(HOSTILE.into());
        }
    }
    hostile.best_by_validation = Some(HOSTILE.into());
    let run = folder(&hostile);
    let page = page(run.path());
    let parts = stands_alone(&page);
    assert_eq!(parts.raw.len(), 2, "our own style and script");
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x") && !page.contains('\u{1}'));
    assert!(page.matches("&lt;/script&gt;&lt;script&gt;alert(&#39;1&#39;)").count() > 8);
}

#[test]
fn a_null_result_is_told_as_plainly_as_a_gain() {
    let first = |gains: &[f64]| {
        let run = folder(&comparison(gains));
        let page = page(run.path());
        let first = page.split("<div class=\"verdict\"><p>").nth(1).unwrap().split("</p>").next().unwrap();
        first.to_string()
    };
    for (gains, said) in [
        (
            &[0.2, 0.21, 0.19][..],
            "Distilling helped: lkd, the distilled student with the best validation, stands at +0.2000 nats",
        ),
        (&[-0.2, -0.21, -0.19], "Distilling hurt: lkd"),
        (&[0.3, -0.25, 0.1], "No gain is told apart from 0: lkd"),
        (&[0.5], "One seed: no gain can be told apart from chance: lkd"),
    ] {
        assert!(first(gains).starts_with(said), "{}", first(gains));
    }
    let mut old = comparison(&[0.2, 0.2]);
    old.rows.iter_mut().for_each(|row| (row.kind, row.baseline) = (Kind::Plain, None));
    let run = folder(&old);
    assert!(page(run.path()).contains("No gain can be told: this comparison was kept by an earlier version"));
}

fn model(role: &str, nats: &[f64], speed: f64, files: &[&str]) -> FrontModel {
    let over = serde_json::json!({
        "values": nats,
        "mean": nats.iter().sum::<f64>() / nats.len() as f64,
        "half_width_95": (nats.len() > 1).then_some(0.1),
    });
    let samples_per_second = Timing { median: speed, lowest: speed, highest: speed };
    FrontModel {
        role: role.into(),
        model: "maf".into(),
        cost: Cost { samples_per_second, megabytes: 0.1, parameters: 9, ..Cost::default() },
        nats: serde_json::from_value(over.clone()).unwrap(),
        validation_nats: serde_json::from_value(over).unwrap(),
        on_front: true,
        files: files.iter().map(ToString::to_string).collect(),
        ..FrontModel::default()
    }
}

fn frontier(student: FrontModel) -> FrontierReport {
    FrontierReport {
        name: "found".into(),
        data: "a table".into(),
        seeds: vec![1, 2],
        chosen: student.files.first().cloned(),
        models: vec![model("teacher", &[-0.5], 1e5, &["teacher.safetensors"]), student],
        ..FrontierReport::default()
    }
}

#[test]
fn a_frontier_says_which_student_to_take_and_when_none_pays() {
    let run = tempfile::tempdir().unwrap();
    let told = |report: &FrontierReport| {
        put(&run.path().join("frontier.json"), json(report).as_bytes());
        let page = page(run.path());
        stands_alone(&page);
        page
    };
    let mut fast = model("nsf-2x32", &[-0.6, -0.7], 5e5, &["a.safetensors", "b.safetensors"]);
    fast.gain_over_plain = Some(
        serde_json::from_value(serde_json::json!({
            "values": [0.1, -0.1], "mean": 0.0, "half_width_95": 1.27
        }))
        .unwrap(),
    );
    let page = told(&frontier(fast.clone()));
    for said in [
        "Take nsf-2x32 (maf): -0.150 nats a row from the teacher",
        "at 5.00 times its samples/s",
        "made no difference",
        "id=\"front-chart\"",
        "id=\"gains\"",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert_eq!(
        page.split("id=\"models\"").nth(1).unwrap().split("</table>").next().unwrap().matches("<tr>").count(),
        4
    );
    let slow = model("nsf-2x32", &[-0.6, -0.7], 5e4, &["a.safetensors", "b.safetensors"]);
    assert!(told(&frontier(slow)).contains("No student pays here: the teacher is likelier"));
    // JSON has no numbers that are not finite.
    let mut lost = frontier(fast);
    lost.chosen = None;
    lost.models[1].nats.mean = f64::NAN;
    lost.models[1].nats.values[1] = f64::INFINITY;
    assert!(told(&lost).contains("No student is put forward"));
}

#[test]
fn a_long_training_and_large_pictures_leave_the_page_small() {
    let run = tempfile::tempdir().unwrap();
    let place = run.path().join("seed-3/plain");
    let report = Report { row: row("plain", 3, Kind::Plain, -1.0), ..Report::default() };
    put(&place.join("report.json"), json(&report).as_bytes());
    put(&place.join("metrics.jsonl"), steps(60_000).as_bytes());
    put(&run.path().join("marginals.png"), b"\x89PNG");
    std::fs::File::options().write(true).open(run.path().join("marginals.png")).unwrap().set_len(50_000_000).unwrap();
    let whole = page(run.path());
    stands_alone(&whole);
    assert!(whole.len() < 100_000, "{}", whole.len());
    assert!(whole.contains("Left out for their size") && whole.contains("plain, seed 3: loss and validation"));
    assert!(whole.contains("flowstill train recipe.toml --model student --seed 3"));
    // The folder of the model itself will do; its recipe lies above it.
    put(&run.path().join("recipe.toml"), b"name = \"above\"\n");
    assert!(page(&place).contains("name = &quot;above&quot;"));
    assert!(page(&place).contains("plain, seed 3: test log-likelihood -1.0000"));
}

#[test]
fn a_folder_without_a_run_and_a_broken_file_are_refused() {
    let run = tempfile::tempdir().unwrap();
    let error = write_report(run.path(), None).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("expected the folder of a run"), "{error}");
    assert!(!run.path().join(REPORT).exists());
    put(&run.path().join("comparison.json"), b"{}");
    let error = write_report(run.path(), None).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("comparison.json: not a comparison"), "{error}");
}
