//! Hold the command line to its transcripts: what is typed, what is answered, and the exit code.
//!
//! A transcript is a text file under `transcripts/`; set `UPDATE_TRANSCRIPTS=1` to write what the command answers now, and read the difference.

mod common;

use std::fmt::Write;
use std::path::Path;

/// Files that the transcripts name.
fn fixtures(folder: &Path) {
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a fixture is written");
    put("tiny.toml", common::TINY);
    put("unknown-key.toml", &common::TINY.replace("batch = 64", "bacth = 64"));
    put("unknown-section.toml", &common::TINY.replace("[distill]", "[destill]"));
    put("unknown-variant-key.toml", &common::TINY.replace("name = \"ilkd\"", "name = \"ilkd\"\nilkdd = 0.1"));
    put("wrong-type.toml", &common::TINY.replace("steps = 120", "steps = \"many\""));
    put("syntax.toml", &common::TINY.replace("[train]", "[train"));
    put("weights.toml", &common::TINY.replace("ilkd = 0.1", "ilkd = 0.1\nskd = 0.9"));
    put("no-student.toml", &common::TINY.split("[student]").next().unwrap_or_default().replace("tiny", "no-student"));
    put("digits.toml", common::DIGITS);
    put("two.csv", "a,b\n1,2\n3,4\n5,6.5\n");
    put("nan.csv", "1,2,3,4,5,6\n1,2,NaN,4,5,6\n");
    let flow = std::fs::read(common::trained()).expect("a trained flow");
    std::fs::write(folder.join("flow.safetensors"), &flow).expect("a fixture is written");
    std::fs::write(folder.join("truncated.safetensors"), &flow[..flow.len() / 2]).expect("a fixture is written");
    let mut flipped = flow;
    let last = flipped.len() - 10;
    flipped[last] ^= 4;
    std::fs::write(folder.join("flipped.safetensors"), flipped).expect("a fixture is written");
    std::fs::copy(common::digits(), folder.join("digits.safetensors")).expect("a fixture is written");
    put("foreign.safetensors", "not a tensor in sight, and long enough to be read as one");
}

fn answer(folder: &Path, line: &str) -> String {
    let args: Vec<&str> = line.split_whitespace().skip(2).collect();
    let output = common::run(folder, &args);
    let mut text = format!("{line}\n");
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            let shown = String::from_utf8_lossy(bytes).replace(&*folder.to_string_lossy(), "FOLDER");
            write!(text, "-- {name}\n{shown}").expect("writing to a string");
        }
    }
    let code = output.status.code().map_or("none".to_string(), |code| code.to_string());
    writeln!(text, "-- exit code {code}").expect("writing to a string");
    text
}

#[test]
fn the_command_answers_as_its_transcripts_say() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fixtures(folder.path());
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let update = std::env::var_os("UPDATE_TRANSCRIPTS").is_some();
    let mut files: Vec<_> =
        std::fs::read_dir(&place).expect("transcripts").flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let expected = std::fs::read_to_string(&file).expect("a transcript");
        let lines = expected.lines().filter(|line| line.starts_with("$ flowstill"));
        let got: Vec<String> = lines.map(|line| answer(folder.path(), line)).collect();
        let got = got.join("\n");
        if update {
            std::fs::write(&file, got).expect("the transcript is written");
        } else {
            assert_eq!(got, expected, "{} differs; see the head of this file", file.display());
        }
    }
}
