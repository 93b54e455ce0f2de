//! Hold everything that is printed to characters that can be seen, wherever it comes from.

mod common;
#[path = "common/flow_file.rs"]
mod flow_file;

use common::{TINY, run};
use flow_file::{described, small};
use serde_json::{Value, json};
use std::fs::write;
use std::path::Path;

/// A title, colours, a bell, text turned round, text without width, a forged line, DEL, and controls of one byte and of two.
const EVIL: &str =
    "x\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}2J\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\r\nrole forged\u{7f}\u{8}\u{85}";

/// What a command prints, which nothing of `EVIL` reaches as it is.
fn printed(folder: &Path, args: &[&str], code: i32) -> String {
    let output = run(folder, args);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    let all = text.concat();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {all:?}");
    let evil = all.chars().find(|c| *c != '\n' && (c.is_control() || EVIL.contains(*c) && !c.is_ascii()));
    assert_eq!(evil, None, "{args:?}: {all:?}");
    assert!(!all.lines().any(|line| line.trim_start().starts_with("role forged")), "{args:?}: {all:?}");
    all
}

fn evil_facts(document: &mut Value, columns: usize, context: usize) {
    let names = |count| (0..count).map(|at| format!("{EVIL}{at}")).collect::<Vec<_>>();
    let facts = document["facts"].as_object_mut().expect("an object");
    for key in ["role", "flow", "data", "flowstill"] {
        facts.insert(key.into(), EVIL.into());
    }
    facts.insert("columns".into(), names(columns).into());
    facts.insert("context_columns".into(), names(context).into());
    facts.insert(
        "split".into(),
        json!({ "set": EVIL, "seed": 1, "validation": 0.1, "test": 0.1, "rows": 5, "identity": "x" }),
    );
}

#[test]
fn what_a_flow_file_says_cannot_steer_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write(folder.join("plain.safetensors"), small("table")).expect("writes");
    let evil = described(&small("table"), |document| evil_facts(document, 3, 2));
    write(folder.join("evil.safetensors"), evil).expect("writes");
    let lines = |file: &str| printed(folder, &["inspect", file], 0).lines().count();
    assert_eq!(lines("evil.safetensors"), lines("plain.safetensors"));
    let shown = printed(folder, &["inspect", "evil.safetensors", "--json"], 0);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["facts"]["role"], EVIL);
    // Names of columns, in a table and in errors.
    write(folder.join("context.csv"), "4,5\n4,5\n").expect("writes");
    let drawn = printed(folder, &["sample", "evil.safetensors", "-n", "2", "--context", "context.csv"], 0);
    assert_eq!(drawn.lines().count(), 5);
    printed(folder, &["sample", "evil.safetensors", "-n", "2"], 2);
    write(folder.join("rows.csv"), "a,b,c,d,e\n1,-20,300,4,5\n").expect("writes");
    printed(folder, &["score", "evil.safetensors", "rows.csv"], 2);
    let evil = described(&small("pictures"), |document| {
        evil_facts(document, 1, 0);
        document["architecture"]["base"] = json!({ "kind": EVIL });
    });
    write(folder.join("evil.safetensors"), evil).expect("writes");
    printed(folder, &["inspect", "evil.safetensors"], 2);
}

#[test]
fn what_is_typed_cannot_steer_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write(folder.join("tiny.toml"), TINY).expect("writes");
    let sets = [
        format!("{EVIL}=1"),
        format!("train.{EVIL}=1"),
        format!("data.set={EVIL}"),
        format!("name={EVIL}"),
        EVIL.to_string(),
    ];
    for set in &sets {
        printed(folder, &["train", "tiny.toml", "--set", set], 2);
    }
    for args in [
        &["inspect", EVIL][..],
        &[EVIL],
        &["train", EVIL],
        &["train", "tiny.toml", "--device", EVIL],
        &["distill", "tiny.toml", "--variant", EVIL],
        &["data", "describe", EVIL],
        &["data", "describe", &format!("set={EVIL}")],
        &["data", "check", EVIL],
        &["score", EVIL, EVIL],
        &["sample", "tiny.toml", "--class", EVIL],
    ] {
        printed(folder, args, 2);
    }
}

#[test]
fn what_a_recipe_or_a_table_says_cannot_steer_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // As TOML writes it, and raw where TOML lets it through.
    let quoted = toml::Value::String(EVIL.into()).to_string();
    let quoted = if quoted.starts_with('"') && !quoted.starts_with("\"\"\"") {
        quoted
    } else {
        serde_json::to_string(EVIL).expect("JSON").replace('\u{7f}', "\\u007f")
    };
    for recipe in [
        format!("{quoted} = 1\n"),
        format!("name = {quoted}\n"),
        format!("[data]\nset = {quoted}\n"),
        format!("[data]\nset = \"table\"\npath = {quoted}\n[train]\n[teacher]\nflow = {{ kind = \"maf\" }}\n"),
        format!("[train]\n{quoted} = 3\n"),
        format!("[teacher]\nflow = {{ kind = {quoted} }}\n"),
        "name = \"a\u{202e}b\u{200b}\"\n\u{2066} = 1\n".to_string(),
        format!("name = {EVIL}"),
    ] {
        write(folder.join("evil.toml"), &recipe).expect("writes");
        printed(folder, &["train", "evil.toml"], 2);
    }
    let rows: String = (0..40).map(|row| format!("{},{}\n", row * row % 37, row)).collect();
    write(folder.join("evil.csv"), format!("\"{}\",b\u{202e}\n{rows}", EVIL.replace('"', ""))).expect("writes");
    let told = printed(folder, &["data", "describe", "evil.csv"], 0);
    assert!(told.contains("b\\u{202e}"), "{told}");
    let name = "evil\u{202e}\u{1b}[31m.csv";
    write(folder.join(name), format!("a,b\n{rows}")).expect("writes");
    printed(folder, &["data", "describe", name], 0);
    write(folder.join("text.csv"), format!("a,b\n1,2\n3,{}\n", "t\u{1b}[31m\u{202e}")).expect("writes");
    printed(folder, &["data", "describe", "text.csv"], 2);
}
