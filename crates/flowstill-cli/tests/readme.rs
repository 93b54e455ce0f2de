//! Run every `flowstill` command that README.md shows, on a small table, so that none of them drifts.

use std::path::Path;
use std::process::Command;

/// The commands of the README's shell blocks, without those that build.
fn commands(readme: &str) -> Vec<String> {
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter(|line| line.starts_with("flowstill ")).map(str::to_string).collect()
}

#[test]
fn every_command_of_the_readme_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("a README");
    let folder = tempfile::tempdir().expect("a folder");
    for recipe in ["recipes/household/quickstart.toml", "recipes/digits/compare.toml"] {
        let place = folder.path().join(recipe);
        std::fs::create_dir_all(place.parent().expect("a recipe lies in a folder")).expect("a folder");
        std::fs::copy(root.join(recipe), place).expect("copies");
    }
    let mut table = String::from("a,b,c\n");
    for i in 0..600 {
        let (x, y) = (f64::from(i * 7919 % 600) / 600.0, f64::from(i * 104_729 % 599) / 599.0);
        table.push_str(&format!("{x},{},{}\n", x * x + 0.1 * y, y - x));
    }
    std::fs::write(folder.path().join("my.csv"), table).expect("writes");
    let commands = commands(&readme);
    assert!(commands.len() >= 5, "the README must show how to use one's own data: {commands:?}");
    for line in commands {
        let mut words: Vec<&str> = line.split_whitespace().skip(1).collect();
        if words[0] == "compare" {
            // The same command with a budget of a few steps.
            for value in [
                "teacher.train.steps=4",
                "student.train.steps=4",
                "judge.samples=0",
                "judge.repetitions=0",
                "distill.pool=512",
            ] {
                words.extend(["--set", value]);
            }
            words.extend(["--seeds", "1"]);
        }
        if words[0] == "frontier" {
            words.extend(["--samples", "1500", "--finalists", "1", "--rungs", "1", "--seeds", "1"]);
        }
        // Less work, and no speed that this machine may not have.
        let words = words.iter().map(|word| match *word {
            "100000" => "1000",
            "500000" => "1",
            "2000" if line.contains("--steps 2000") && line.contains("frontier") => "4",
            other => other,
        });
        let ran = Command::new(env!("CARGO_BIN_EXE_flowstill"))
            .args(words)
            .current_dir(folder.path())
            .output()
            .expect("runs");
        assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    for written in [
        "runs/mine/comparison.json",
        "densities.csv",
        "runs/no-data/frontier.json",
        "samples.parquet",
        "runs/digits/sheets/reconstructions.png",
        "samples.png",
    ] {
        assert!(folder.path().join(written).exists(), "{written}");
    }
}
