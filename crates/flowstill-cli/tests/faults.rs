//! Break the run from outside: killed, read-only, disk full, and nothing half-written stays.

mod common;

use common::{fail, flowstill, folder, run, succeed, told};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const FLOWS: [&str; 2] = ["seed-1/teacher/flow.safetensors", "seed-1/distilled/flow.safetensors"];

fn flows(run: &Path) -> Vec<Vec<u8>> {
    FLOWS.iter().map(|name| std::fs::read(run.join(name)).expect("a finished flow")).collect()
}

fn leftovers(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(leftovers(&path));
        } else if path.to_string_lossy().ends_with(".partial") {
            found.push(path.display().to_string());
        }
    }
    found
}

/// A pause in milliseconds that differs from test run to test run: the law must hold at any moment.
fn moment(round: u64) -> u64 {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    150 + 180 * round + u64::from(now) % 180
}

#[test]
fn killed_at_random_moments_a_run_ends_in_the_same_bytes() {
    let folder = folder();
    let options = ["--set", "train.steps=400", "--set", "judge.samples=0", "--set", "judge.repetitions=0", "--quiet"];
    let args = |out: &'static str| [&["distill", "tiny.toml", "--out", out], &options[..]].concat();
    succeed(folder.path(), &args("whole"));
    let mut moments = Vec::new();
    for round in 0..4 {
        let mut child = flowstill(folder.path(), &args("killed"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        moments.push(moment(round));
        std::thread::sleep(Duration::from_millis(moment(round)));
        child.kill().expect("the child is ours");
        child.wait().expect("the child ends");
    }
    succeed(folder.path(), &args("killed"));
    let (whole, killed) = (flows(&folder.path().join("whole")), flows(&folder.path().join("killed")));
    assert!(whole == killed, "after kills at {moments:?} ms the flows differ");
    let metrics =
        |run: &str| std::fs::read_to_string(folder.path().join(run).join("seed-1/distilled/metrics.jsonl")).unwrap();
    assert_eq!(metrics("whole"), metrics("killed"));
}

#[cfg(unix)]
#[test]
fn interrupted_a_run_says_so_and_goes_on_later() {
    let folder = folder();
    let args = ["train", "tiny.toml", "--set", "train.steps=100000", "--quiet"];
    let child = flowstill(folder.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let checkpoint = folder.path().join("runs/tiny/seed-1/teacher/checkpoint.safetensors");
    for _ in 0..200 {
        if checkpoint.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let error = told(&child.wait_with_output().unwrap(), 1);
    assert!(
        error.starts_with("error: stopped at step ")
            && error.ends_with("run the same command again to go on from there")
    );
    assert!(!folder.path().join("runs/tiny/seed-1/teacher/flow.safetensors").exists());
}

#[test]
fn a_damaged_checkpoint_is_told_and_not_trained_over() {
    let folder = folder();
    let teacher = folder.path().join("runs/tiny/seed-1/teacher");
    std::fs::create_dir_all(&teacher).unwrap();
    std::fs::write(teacher.join("checkpoint.safetensors"), b"rubbish").unwrap();
    let error = fail(folder.path(), &["train", "tiny.toml"], 2);
    assert!(error.contains("checkpoint.safetensors: damaged"), "{error}");
    assert_eq!(std::fs::read(teacher.join("checkpoint.safetensors")).unwrap(), b"rubbish");
}

#[test]
fn another_recipe_in_the_same_folder_is_refused_before_it_trains() {
    let folder = folder();
    let args = ["train", "tiny.toml", "--set", "judge.samples=0"];
    succeed(folder.path(), &args);
    let before = std::fs::read(folder.path().join("runs/tiny/recipe.toml")).unwrap();
    let error = fail(folder.path(), &[&args[..], &["--set", "train.batch=32"]].concat(), 2);
    assert!(error.contains("holds a model of another recipe"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("runs/tiny/recipe.toml")).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(closed.join("probe"), b"").is_ok() {
        eprintln!("skipped: this user may write into read-only folders");
        return;
    }
    let error = fail(folder.path(), &["train", "tiny.toml", "--out", "closed/run"], 1);
    assert!(error.contains("closed/run: cannot make the folder"), "{error}");
    let flow = common::trained().to_str().unwrap();
    let error = fail(folder.path(), &["sample", flow, "--out", "closed/rows.csv"], 1);
    assert!(error.contains("closed/rows.csv"), "{error}");
}

#[test]
fn a_file_where_the_run_folder_should_be_is_told() {
    let folder = folder();
    std::fs::write(folder.path().join("taken"), b"").unwrap();
    let error = fail(folder.path(), &["train", "tiny.toml", "--out", "taken"], 1);
    assert!(error.contains("taken: cannot make the folder"), "{error}");
    // Nobody can write below it either, whatever the user's rights.
    let error = fail(folder.path(), &["train", "tiny.toml", "--out", "taken/run"], 1);
    assert!(error.contains("taken/run: cannot make the folder"), "{error}");
    let flow = common::trained().to_str().unwrap();
    for name in ["taken/rows.csv", "taken/rows.npy", "taken/rows.parquet"] {
        let error = fail(folder.path(), &["sample", flow, "--out", name], 1);
        assert!(error.contains(name) && !error.trim_end().contains('\n'), "{error}");
    }
    assert_eq!(std::fs::read(folder.path().join("taken")).unwrap(), b"");
}

/// The limit of a file's size stands in for a full disk: the system refuses to write in the middle of a file.
#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_leaves_no_half_written_file() {
    let folder = folder();
    let limited = |blocks: u32, args: &str| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {args}", env!("CARGO_BIN_EXE_flowstill"));
        Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("sh runs")
    };
    let error = told(&limited(40, "train tiny.toml --set teacher.flow.hidden=[100]"), 1);
    assert!(error.contains("checkpoint.safetensors: cannot write"), "{error}");
    let flow = common::trained().display();
    for name in ["rows.csv", "rows.npy", "rows.parquet"] {
        let error = told(&limited(40, &format!("sample {flow} -n 20000 --out {name}")), 1);
        assert!(error.contains(name), "{error}");
        assert!(!folder.path().join(name).exists());
    }
    assert_eq!(leftovers(folder.path()), Vec::<String>::new());
    let here: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(here.len(), 2, "{here:?}");
    // With room again the same command goes on.
    succeed(folder.path(), &["train", "tiny.toml", "--set", "teacher.flow.hidden=[100]", "--quiet"]);
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_full_or_gone_is_no_panic() {
    let folder = folder();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = flowstill(folder.path(), &["data", "list"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert!(told(&output, 1).contains("standard output: cannot write"));
    let flow = common::trained().to_str().unwrap();
    let mut child = flowstill(folder.path(), &["sample", flow, "-n", "50000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let _ = run(folder.path(), &["data", "list"]);
}

#[test]
fn a_distillation_that_would_teach_nothing_is_refused() {
    let folder = folder();
    let silent = ["distill.teacher_samples=0.0", "distill.ilkd=0.0", "distill.skd=0.0", "distill.inherit=none"];
    let sets = silent.iter().flat_map(|value| ["--set", value]);
    let args: Vec<&str> = ["distill", "tiny.toml"].into_iter().chain(sets).collect();
    let error = fail(folder.path(), &args, 2);
    assert!(error.contains("--variant"), "{error}");
    assert!(!folder.path().join("runs").exists());
}
