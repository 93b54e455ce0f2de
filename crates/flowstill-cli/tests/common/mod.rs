//! Run the command `flowstill` as a user would, in a folder of its own.

// Each test file uses its part of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A recipe that trains in a second.
pub const TINY: &str = r#"name = "tiny"

[data]
set = "household"
limit_rows = 4000

[train]
steps = 120
batch = 64
validate_every = 40
checkpoint_every = 20
validation_rows = 500

[teacher]
flow = { kind = "maf", blocks = 2, hidden = [16] }

[student]
flow = { kind = "maf", blocks = 1, hidden = [8] }

[distill]
teacher_samples = 0.2
ilkd = 0.1
pool = 1024

[compare]
seeds = [1, 2]

[[compare.variants]]
name = "ilkd"
teacher_samples = 0.0

[[compare.variants]]
name = "wide"
flow = { hidden = [12] }

[judge]
samples = 200
repetitions = 1
"#;

/// A recipe over the pictures that ship inside; trains in less than a second.
pub const DIGITS: &str = r#"name = "digits"

[data]
set = "digits"

[train]
steps = 12
batch = 32
validate_every = 6
checkpoint_every = 6
validation_rows = 50

[teacher]
flow = { kind = "glow", levels = 2, steps = 2, hidden = 8 }

[student]
flow = { kind = "glow", levels = 2, steps = 1, hidden = 8 }

[judge]
samples = 0
repetitions = 1
"#;

/// The command in `folder`.
pub fn flowstill(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowstill"));
    command.current_dir(folder).args(args).env("COLUMNS", "100").env("NO_COLOR", "1");
    command
}

/// Run it to its end.
pub fn run(folder: &Path, args: &[&str]) -> Output {
    flowstill(folder, args).output().expect("the command starts")
}

/// Run it and insist on success; gives standard output.
pub fn succeed(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("standard output is text")
}

/// Run it and insist on one line of error and its exit code.
pub fn fail(folder: &Path, args: &[&str], code: i32) -> String {
    told(&run(folder, args), code)
}

/// The one line of error of a failed command.
pub fn told(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert_eq!(stderr.lines().last(), Some(errors[0]), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    errors[0].to_string()
}

/// A fresh folder with `tiny.toml`.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("tiny.toml"), TINY).expect("the recipe is written");
    folder
}

/// A flow trained once for all tests of a file.
pub fn trained() -> &'static Path {
    static TRAINED: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, flow) = TRAINED.get_or_init(|| {
        let folder = folder();
        succeed(folder.path(), &["train", "tiny.toml", "--quiet", "--set", "judge.samples=0"]);
        let flow = folder.path().join("runs/tiny/seed-1/teacher/flow.safetensors");
        (folder, flow)
    });
    flow
}

/// A flow over the digits, trained once for all tests of a file.
pub fn digits() -> &'static Path {
    static TRAINED: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, flow) = TRAINED.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let flow = train_digits(folder.path(), &[]);
        (folder, flow)
    });
    flow
}

/// Train `digits.toml` in `folder`, changed as `options` say; gives the flow's file.
pub fn train_digits(folder: &Path, options: &[&str]) -> PathBuf {
    std::fs::write(folder.join("digits.toml"), DIGITS).expect("the recipe is written");
    let told = succeed(folder, &[&["train", "digits.toml", "--quiet"], options].concat());
    folder.join(told.lines().last().expect("the flow's path"))
}
