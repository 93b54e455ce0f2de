//! Hold the command line to what protects numbers and files: no leaked test rows, no columns mixed up, no input written over.

mod common;

use common::{fail, flowstill, folder, run, succeed, told, trained};
use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;

const QUICK: [&str; 7] =
    ["--quiet", "--set", "judge.samples=0", "--set", "judge.repetitions=0", "--set", "train.steps=40"];

fn put(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file is written");
}

/// A table of three columns under `names`, or without a header.
fn table(names: Option<[&str; 3]>, rows: u32) -> String {
    let mut text = names.map(|names| names.join(",") + "\n").unwrap_or_default();
    for i in 0..rows {
        let (x, y) = (f64::from(i % 600 * 7919 % 600) / 600.0, f64::from(i % 599 * 104_729 % 599) / 599.0);
        writeln!(text, "{x},{},{}", x * x + 0.1 * y, y - x).expect("writing to a string");
    }
    text
}

/// A folder with `abc.csv` and a flow trained on it.
fn own_table() -> (tempfile::TempDir, &'static str) {
    let folder = folder();
    put(folder.path(), "abc.csv", &table(Some(["a", "b", "c"]), 600));
    let own = ["--set", "data={ set = \"table\", path = \"abc.csv\" }", "--out", "own"];
    succeed(folder.path(), &[&["train", "tiny.toml"], &own[..], &QUICK].concat());
    (folder, "own/seed-1/teacher/flow.safetensors")
}

#[test]
fn long_tables_are_scored_in_parts() {
    let (folder, flow) = own_table();
    let folder = folder.path();
    let rows = 150_000;
    put(folder, "long.csv", &table(Some(["a", "b", "c"]), rows));
    put(folder, "head.csv", &table(Some(["a", "b", "c"]), 500));
    let printed = succeed(folder, &["score", flow, "long.csv"]);
    assert_eq!(printed.lines().count(), rows as usize + 1);
    // Parts change nothing.
    let head = succeed(folder, &["score", flow, "head.csv"]);
    assert!(head.lines().zip(printed.lines()).all(|(a, b)| a == b));
    succeed(folder, &["score", flow, "long.csv", "--out", "scores.csv"]);
    assert!(std::fs::read_to_string(folder.join("scores.csv")).unwrap() == printed);
    succeed(folder, &["score", flow, "long.csv", "--out", "scores.npy"]);
    assert_eq!(std::fs::metadata(folder.join("scores.npy")).unwrap().len(), 128 + 8 * u64::from(rows));
    // A fault far down is told with its place, and leaves no file.
    for (line, problem) in [("0.5,x,0.1", "row 150002, column `b`"), ("0.5,1e300,0.1", "row 150001 column 2")] {
        put(folder, "bad.csv", &(table(Some(["a", "b", "c"]), rows) + line + "\n"));
        let error = fail(folder, &["score", flow, "bad.csv", "--out", "bad-scores.csv"], 2);
        assert!(error.contains(problem) && !folder.join("bad-scores.csv").exists(), "{error}");
    }
}

#[test]
fn columns_are_matched_by_name_and_in_order_only_where_there_are_no_names() {
    let (folder, flow) = own_table();
    let folder = folder.path();
    let scored = succeed(folder, &["score", flow, "abc.csv"]);
    put(folder, "bare.csv", &table(None, 600));
    assert_eq!(succeed(folder, &["score", flow, "bare.csv"]), scored);
    // Other names, or a name too few, are no reason to guess.
    put(folder, "xyz.csv", &table(Some(["x", "y", "z"]), 600));
    put(folder, "abz.csv", &table(Some(["a", "b", "z"]), 600));
    for (name, have) in [("xyz.csv", "(x, y, z)"), ("abz.csv", "(a, b, z)")] {
        for args in [["score", flow, name].as_slice(), &["evaluate", flow, "--data", name]] {
            let error = fail(folder, args, 2);
            assert!(error.contains("columns (a, b, c) by name") && error.contains(have), "{error}");
        }
        let error = fail(folder, &["evaluate", flow, "--data", &format!("set=table,path={name}")], 2);
        assert!(error.contains("expected the flow's columns (a, b, c)"), "{error}");
    }
    // A swap is put right by the names; a data set keeps its own order, and is refused.
    put(folder, "swapped.csv", "b,a,c\n0.3,0.5,0.1\n0.9,0.9,-0.2\n");
    put(folder, "straight.csv", "a,b,c\n0.5,0.3,0.1\n0.9,0.9,-0.2\n");
    assert_eq!(succeed(folder, &["score", flow, "swapped.csv"]), succeed(folder, &["score", flow, "straight.csv"]));
    let swapped = "set=table,path=abc.csv,columns=[\"b\",\"a\",\"c\"]";
    let error = fail(folder, &["evaluate", flow, "--data", swapped], 2);
    assert!(error.contains("in this order, got (b, a, c)"), "{error}");
}

#[test]
fn a_test_split_that_the_flow_has_seen_is_refused() {
    let (folder, flow) = own_table();
    let folder = folder.path();
    let evaluate = |data: &str| ["evaluate", flow, "--samples", "0", "--data", data].map(String::from);
    let refused = |data: &str| {
        let args = evaluate(data);
        fail(folder, &args.each_ref().map(String::as_str), 2)
    };
    let accepted = |data: &str| {
        let args = evaluate(data);
        let output = run(folder, &args.each_ref().map(String::as_str));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{data}: {told}");
        told
    };
    assert_eq!(accepted("set=table,path=abc.csv"), "");
    // The same cut, taken less far, tests on rows that tested before.
    assert_eq!(accepted("set=table,path=abc.csv,test=0.05,limit_rows=100"), "");
    let error = refused("set=table,path=abc.csv,seed=7");
    assert!(error.contains("(seed 42)") && error.contains("use --data set=table,path=abc.csv,seed=42"), "{error}");
    assert!(refused("set=table,path=abc.csv,test=0.3").contains("(test 0.1)"));
    // Under another name it is the same table.
    std::fs::copy(folder.join("abc.csv"), folder.join("copy.csv")).expect("copies");
    assert!(refused("set=table,path=copy.csv,seed=7").contains("seed=42"));
    assert_eq!(accepted("set=table,path=copy.csv"), "");
    // What cannot be told is said.
    assert!(accepted("abc.csv").contains("note: the flow was trained on rows of this very table"));
    put(folder, "abc.csv", &table(Some(["a", "b", "c"]), 590));
    assert!(accepted("set=table,path=abc.csv").contains("note: abc.csv: has 590 rows, and had 600"));
    // Another table is another table.
    put(folder, "other.csv", &table(Some(["a", "b", "c"]), 300));
    assert_eq!(accepted("set=table,path=other.csv,seed=7"), "");
    let split = "evaluate FLOW --split train --samples 0 --data set=household,seed=7".replace("FLOW", &trained_path());
    succeed(folder, &split.split(' ').collect::<Vec<_>>());
}

fn trained_path() -> String {
    trained().display().to_string()
}

#[test]
fn the_command_that_a_note_suggests_runs_and_tests_on_the_test_split() {
    let folder = folder();
    let folder = folder.path();
    // A column more than the flow is given, another that conditions it, and a path that a shell and TOML would cut.
    put(folder, "my, table.csv", &table(Some(["a", "b's", "c"]), 600));
    let own = "data={ set = \"table\", path = \"my, table.csv\", columns = [\"a\", \"c\"], context_columns = [\"b's\"], validation = 0.2, test = 0.25, seed = 5 }";
    let own = own.replace("\"a\", \"c\"]", "\"a\"]");
    succeed(folder, &[&["train", "tiny.toml", "--out", "own", "--set", &own][..], &QUICK].concat());
    let flow = "own/seed-1/teacher/flow.safetensors";
    let told = run(folder, &["evaluate", flow, "--samples", "0", "--data", "my, table.csv"]);
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    let command = told.split("--data ").nth(1).and_then(|rest| rest.split(" counts only").next()).expect("a command");
    // As a shell reads it.
    let line = format!("{} evaluate {flow} --samples 0 --json --data {command}", env!("CARGO_BIN_EXE_flowstill"));
    let output = std::process::Command::new("sh").args(["-c", &line]).current_dir(folder).output().expect("runs");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(value["rows"], 150);
}

#[test]
fn a_teacher_of_another_split_is_refused() {
    let folder = folder();
    let teacher = trained_path();
    let args = [&["distill", "tiny.toml", "--teacher", &teacher], &QUICK[..]].concat();
    let error = fail(folder.path(), &[&args[..], &["--set", "data.seed=7"]].concat(), 2);
    assert!(error.starts_with("error: teacher: the flow was trained on another split"), "{error}");
    assert!(error.ends_with("use --set data.seed=42"), "{error}");
    assert!(!folder.path().join("runs").exists());
    // Fewer rows of the same split are no other split.
    succeed(folder.path(), &[&args[..], &["--set", "data.limit_rows=3000"]].concat());
    let flow = "runs/tiny/seed-1/distilled/flow.safetensors";
    let told = succeed(folder.path(), &["inspect", flow]);
    assert!(told.contains("80000 rows, seed 42, test part 0.1, validation part 0.1, at most 3000"), "{told}");
}

#[test]
fn a_flow_with_a_numeric_inverse_is_trained_by_a_recipe_draws_and_tells_its_tolerance() {
    let folder = folder();
    let recipe = common::TINY
        .replace(r#"{ kind = "maf", blocks = 2, hidden = [16] }"#, r#"{ kind = "sylvester", steps = 4, rank = 3 }"#);
    std::fs::write(folder.path().join("tiny.toml"), recipe).expect("writes");
    succeed(folder.path(), &[&["train", "tiny.toml"], &QUICK[..]].concat());
    let flow = "runs/tiny/seed-1/teacher/flow.safetensors";
    let told = succeed(folder.path(), &["inspect", flow]);
    assert!(told.contains("latents to data    numeric, within 4e-12 beside rounding\n"), "{told}");
    assert!(told.contains("sylvester, 4 steps, rank 3"), "{told}");
    assert_eq!(succeed(folder.path(), &["sample", flow, "-n", "20", "--seed", "3"]).lines().count(), 21);
    let args = [&["train", "tiny.toml", "--out", "runs/other", "--set", "teacher.flow.rank=99"], &QUICK[..]].concat();
    let error = fail(folder.path(), &args, 2);
    assert!(error.contains("sylvester.rank") && error.contains("use 1 to"), "{error}");
}

#[test]
fn an_input_is_never_written_over() {
    let (folder, flow) = own_table();
    let folder = folder.path();
    let before = std::fs::read(folder.join("abc.csv")).expect("reads");
    for out in ["abc.csv", "./own/../abc.csv"] {
        let error = fail(folder, &["score", flow, "abc.csv", "--out", out], 2);
        assert!(error.contains("expected a file of its own"), "{error}");
    }
    let error = fail(folder, &["sample", flow, "--context", "abc.csv", "--out", "abc.csv"], 2);
    assert!(error.contains("expected a file of its own"), "{error}");
    assert_eq!(std::fs::read(folder.join("abc.csv")).expect("reads"), before);
}

#[test]
fn samples_that_are_not_finite_are_counted_and_all_of_them_are_a_failure() {
    let folder = folder();
    let flow = trained_path();
    let error = fail(folder.path(), &["sample", &flow, "--temperature", "1e300", "--out", "rows.csv"], 1);
    assert!(error.contains("none of the 1000 rows drawn is finite"), "{error}");
    assert!(!folder.path().join("rows.csv").exists());
    let output = run(folder.path(), &["sample", &flow, "-n", "3000", "--temperature", "1e37"]);
    let (rows, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let bad = rows.lines().filter(|line| line.contains("inf") || line.contains("NaN")).count();
    assert!((1..3000).contains(&bad), "{bad}");
    assert!(told.starts_with(&format!("note: {bad} of 3000 rows are not finite")), "{told}");
}

#[test]
fn a_draw_without_end_is_refused_or_streams() {
    let folder = folder();
    let flow = trained_path();
    let error = fail(folder.path(), &["sample", &flow, "-n", "18446744073709551615"], 2);
    assert!(error.contains("draw fewer"), "{error}");
    // More rows than memory holds, of which the reader wants a few.
    let mut child = flowstill(folder.path(), &["sample", &flow, "-n", "100000000000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut first = String::new();
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("piped"));
    for _ in 0..3 {
        std::io::BufRead::read_line(&mut lines, &mut first).expect("a line");
    }
    drop(lines);
    let output = child.wait_with_output().expect("the command ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(first, succeed(folder.path(), &["sample", &flow, "-n", "2"]));
}

#[test]
fn a_run_folder_serves_one_process_at_a_time() {
    let folder = folder();
    let run = folder.path().join("runs/tiny");
    std::fs::create_dir_all(&run).expect("a folder");
    let held = std::fs::File::create(run.join(".lock")).expect("a file");
    held.lock().expect("nobody else has it");
    let args = [&["train", "tiny.toml"], &QUICK[..]].concat();
    let error = fail(folder.path(), &args, 1);
    assert!(error.starts_with("error: runs/tiny: another flowstill is at work"), "{error}");
    assert!(!run.join("recipe.toml").exists());
    drop(held);
    succeed(folder.path(), &args);
}

#[test]
fn a_flow_that_its_report_does_not_tell_of_is_not_taken() {
    let folder = folder();
    let args = [&["train", "tiny.toml"], &QUICK[..]].concat();
    let shown = succeed(folder.path(), &args);
    let teacher = folder.path().join("runs/tiny/seed-1/teacher");
    let flow = std::fs::read(teacher.join("flow.safetensors")).expect("reads");
    std::fs::copy(trained(), teacher.join("flow.safetensors")).expect("copies");
    let error = fail(folder.path(), &args, 2);
    assert!(error.contains("flow.safetensors: holds another flow than the one that"), "{error}");
    // The remedy helps.
    std::fs::remove_file(teacher.join("flow.safetensors")).expect("removes");
    std::fs::remove_file(teacher.join("report.json")).expect("removes");
    succeed(folder.path(), &args);
    assert!(std::fs::read(teacher.join("flow.safetensors")).expect("reads") == flow);
    // So does that for a damaged one.
    std::fs::write(teacher.join("flow.safetensors"), &flow[..200]).expect("writes");
    let error = fail(folder.path(), &args, 2);
    assert!(error.ends_with("remove this file, and it is made again from the checkpoint beside it"), "{error}");
    std::fs::remove_file(teacher.join("flow.safetensors")).expect("removes");
    let again = succeed(folder.path(), &args);
    assert_eq!(again.split(", trained").next(), shown.split(", trained").next());
    std::fs::remove_file(teacher.join("report.json")).expect("removes");
    std::fs::write(teacher.join("checkpoint.safetensors"), b"rubbish").expect("writes");
    let error = fail(folder.path(), &args, 2);
    assert!(error.ends_with("remove this file, and the training starts afresh"), "{error}");
}

#[test]
fn faults_of_the_input_are_told_as_such() {
    let (folder, flow) = own_table();
    let folder = folder.path();
    std::fs::create_dir(folder.join("folder.csv")).expect("a folder");
    put(folder, "far.csv", "a,b,c\n0.5,0.5,0\n0.5,1e300,0\n");
    put(folder, "hole.csv", "a,b,c\n0.5,0.5,0\n0.5,,0\n");
    for command in [&["score", flow][..], &["evaluate", flow, "--data"]] {
        let error = fail(folder, &[command, &["far.csv"]].concat(), 2);
        assert!(error.contains("far.csv: rows: row 2 column 2 is 1e300, too far"), "{error}");
        let error = fail(folder, &[command, &["hole.csv"]].concat(), 2);
        assert!(error.ends_with("drop the row, or fill the value") && !error.contains("missing ="), "{error}");
        fail(folder, &[command, &["folder.csv"]].concat(), 2);
    }
    for args in [["inspect", "own"].as_slice(), &["score", "own", "abc.csv"], &["train", "own"]] {
        fail(folder, args, 2);
    }
    fail(folder, &["score", flow, "abc.csv", "--out", "folder.csv"], 2);
    fail(folder, &["sample", flow, "--out", "folder.csv"], 2);
}

#[test]
fn nothing_that_was_typed_is_changed_silently() {
    let folder = folder();
    let big = "18446744073709551615";
    for args in [["train", "tiny.toml", "--seed", big], ["compare", "tiny.toml", "--seeds", big]] {
        assert!(fail(folder.path(), &args, 2).contains("9223372036854775807"));
    }
    for command in [&["train", "tiny.toml"][..], &["quickstart"]] {
        let error = fail(folder.path(), &[command, &["--set", "name="]].concat(), 2);
        assert!(error.contains("name: expected a name for the run folder"), "{error}");
    }
    let both = ["--set", "data.columns=[\"Time\", \"Voltage\"]", "--set", "data.context_columns=[\"Time\"]"];
    let error = told(&run(folder.path(), &[&["train", "tiny.toml"], &both[..]].concat()), 2);
    assert!(error.contains("`Time` in both lists"), "{error}");
    assert!(!folder.path().join("runs").exists());
    for (key, value) in
        [("train.batch", "100000000000"), ("judge.repetitions", "1000000"), ("distill.pool", "100000000000")]
    {
        let error = fail(folder.path(), &["train", "tiny.toml", "--set", &format!("{key}={value}")], 2);
        assert!(error.contains(key), "{error}");
    }
}
