//! Hold `docs/cli.md` to the command line, and ask for its version and the completions of every shell.

mod common;

use std::path::Path;

#[test]
fn the_reference_is_what_the_command_says() {
    let folder = common::folder();
    let told = common::succeed(folder.path(), &["reference"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        std::fs::write(&path, &told).expect("the reference is written");
    }
    let kept = std::fs::read_to_string(&path).expect("docs/cli.md");
    assert_eq!(kept, told, "write it again: flowstill reference > docs/cli.md");
    for command in
        ["quickstart", "train", "distill", "compare", "evaluate", "score", "sample", "sheet", "inspect", "data check"]
    {
        assert!(told.contains(&format!("## `flowstill {command}`")), "{command}");
    }
}

#[test]
fn the_version_tells_features_and_instructions() {
    let folder = common::folder();
    let told = common::succeed(folder.path(), &["--version"]);
    let lines: Vec<&str> = told.lines().collect();
    let [version, features, instructions] = lines[..] else { panic!("three lines: {told}") };
    assert_eq!(version, concat!("flowstill ", env!("CARGO_PKG_VERSION")));
    let features = features.strip_prefix("features: ").expect("features");
    let compiled = [
        ("wgpu", cfg!(feature = "wgpu")),
        ("vulkan", cfg!(feature = "vulkan")),
        ("metal", cfg!(feature = "metal")),
        ("cuda", cfg!(feature = "cuda")),
        ("rocm", cfg!(feature = "rocm")),
    ];
    for (name, compiled) in compiled {
        assert_eq!(features.split(", ").any(|feature| feature == name), compiled, "{name}: {told}");
    }
    assert_eq!(features == "cpu", compiled.iter().all(|(_, compiled)| !compiled), "{told}");
    let instructions = instructions.strip_prefix("instructions: ").expect("instructions");
    assert!(["AVX-512", "AVX2+FMA", "NEON", "baseline"].contains(&instructions), "{told}");
}

#[test]
fn every_shell_has_completions() {
    let folder = common::folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = common::succeed(folder.path(), &["completions", shell]);
        assert!(text.contains("quickstart") && text.contains("judge-again"), "{shell}");
    }
}
