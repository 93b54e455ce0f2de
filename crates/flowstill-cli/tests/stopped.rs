//! Stop the commands that write tables, at any moment and by every signal: nothing half-written stays beside the output.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/flow_file.rs"]
mod flow_file;

use common::{flowstill, succeed};
use flow_file::small;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

fn temporaries(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    all.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".flowstill-"))).collect()
}

/// Start a command, send it a signal once its temporary file is there, and wait for its end; false if it was done before.
fn stopped(folder: &Path, args: &[&str], signal: &str) -> bool {
    let mut child = flowstill(folder, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    while temporaries(folder).is_empty() {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().expect("kill runs");
    let status = child.wait().expect("it ends");
    sent.success() && !status.success()
}

#[test]
fn signals_leave_nothing_and_kills_are_cleared_up_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("flow.safetensors"), small("table")).expect("writes");
    std::fs::write(folder.join("context.csv"), "4,5\n").expect("writes");
    std::fs::write(folder.join("rows.csv"), "1,-20,300,4,5\n".repeat(1_500_000)).expect("writes");
    let sample = |out| ["sample", "flow.safetensors", "-n", "30000000", "--context", "context.csv", "--out", out];
    let score = ["score", "flow.safetensors", "rows.csv", "--out", "scores.csv"];
    let (mut rounds, mut left) = (0, 0);
    for signal in ["TERM", "INT"] {
        for args in [&sample("drawn.csv")[..], &sample("drawn.npy"), &sample("drawn.parquet"), &score] {
            assert!(stopped(folder, args, signal), "{args:?} was done before it could be stopped");
            rounds += 1;
            left += temporaries(folder).len();
        }
    }
    assert_eq!((rounds, left), (8, 0));
    assert!(!folder.join("drawn.csv").exists() && !folder.join("scores.csv").exists());
    // Nobody can answer this one; the next command clears up, once the file is no longer young.
    for round in 0..3 {
        assert!(stopped(folder, &sample("drawn.csv"), "KILL"), "round {round}");
        let stale = temporaries(folder);
        assert_eq!(stale.len(), 1);
        let file = std::fs::File::options().write(true).open(&stale[0]).expect("opens");
        file.set_modified(SystemTime::now() - Duration::from_secs(600)).expect("sets a time");
        drop(file);
        succeed(folder, &["sample", "flow.safetensors", "-n", "2", "--context", "context.csv", "--out", "drawn.csv"]);
        assert_eq!(temporaries(folder), Vec::<PathBuf>::new());
    }
}
