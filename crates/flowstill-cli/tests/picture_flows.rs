//! Use a flow over pictures from end to end, and break what it is given.

mod common;

use common::{digits, fail, run, succeed, train_digits};
use flowstill_data::write_png;
use serde_json::Value;
use std::path::Path;

fn object(folder: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&succeed(folder, args)).expect("one JSON object and nothing else")
}

/// Width and height in a PNG's header.
fn size_of(path: &Path) -> [u32; 2] {
    let bytes = std::fs::read(path).expect("a picture");
    assert_eq!(&bytes[1..4], b"PNG");
    [16, 20].map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
}

/// The size of a sheet of digits: each is enlarged to 64 pixels, 2 lie between.
fn sheet(rows: u32) -> [u32; 2] {
    [12 * 66 + 2, rows * 66 + 2]
}

#[test]
fn pictures_are_evaluated_with_their_bound_and_their_leaks() {
    let folder = tempfile::tempdir().unwrap();
    let flow = digits().to_str().unwrap();
    let evaluate = |more: &[&str]| object(folder.path(), &[&["evaluate", flow, "--json"], more].concat());
    let value = evaluate(&["--data", "set=digits"]);
    for key in ["bits_per_dim", "bits_per_dim_standard_error", "log_prob_rows_per_second", "sample_latency_ms"] {
        assert!(value[key].as_f64().unwrap() > 0.0, "{key}: {value}");
    }
    assert_eq!((&value["pictures"], &value["parameters"]), (&Value::from(179), &Value::from(3520)));
    assert!(value["data"].as_str().unwrap().starts_with("test split of "));
    assert!(value["c2st"].is_null() && value["test_rows"].is_null() && value["frechet_distance"].is_null());
    let bits = |value: &Value| value["bits_per_dim"].as_f64().unwrap();
    let bound = evaluate(&["--data", "set=digits", "--draws", "8"]);
    assert!(bits(&bound) < bits(&value) && bound["bits_per_dim_draws"] == 8);
    // The same by a recipe, whatever it says of the range.
    std::fs::write(
        folder.path().join("logit.toml"),
        format!("{}\n[pictures]\nrange = {{ kind = \"logit\", alpha = 0.05 }}\n", common::DIGITS),
    )
    .unwrap();
    assert_eq!(bits(&evaluate(&["--recipe", "logit.toml"])), bits(&value));
    // Limits move no picture to another split, seeds and parts do.
    assert_eq!(evaluate(&["--data", "set=digits,limit_held_out=50,limit=10"])["pictures"], 50);
    assert_eq!(evaluate(&["--data", "set=digits,test=0.05"])["pictures"], 89);
    for data in ["set=digits,seed=3", "set=digits,seed=3,limit=100", "set=digits,test=0.3"] {
        let error = fail(folder.path(), &["evaluate", flow, "--data", data], 2);
        assert!(error.contains("so that it has seen pictures of this test split; use --data set=digits,"), "{error}");
    }
    assert_eq!(evaluate(&["--data", "set=digits,seed=3", "--split", "train"])["pictures"], 1457);
    let text = succeed(folder.path(), &["evaluate", flow, "--data", "set=digits"]);
    assert!(text.contains("bits/dim") && text.contains("pictures/s"), "{text}");
}

#[test]
fn samples_are_sheets_arrays_and_files_that_score_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let flow = digits().to_str().unwrap();
    let sample = |out: &str| succeed(at, &["sample", flow, "-n", "30", "--seed", "3", "--out", out]);
    for out in ["sheet.png", "all.npy", "all/", "plain"] {
        assert_eq!(sample(out), "");
    }
    assert_eq!(size_of(&at.join("sheet.png")), sheet(3));
    let array = std::fs::read(at.join("all.npy")).unwrap();
    assert_eq!(array.len(), 128 + 30 * 64);
    assert!(String::from_utf8_lossy(&array[..128]).contains("'shape': (30, 8, 8, 1)"));
    let file = |folder: &str, name: &str| std::fs::read(at.join(folder).join(name)).unwrap();
    assert_eq!(std::fs::read_dir(at.join("all")).unwrap().count(), 30);
    assert_eq!(file("all", "000030.png"), file("plain", "000030.png"));
    assert_eq!(size_of(&at.join("all/000001.png")), [8, 8]);
    let scores = succeed(at, &["score", flow, "all"]);
    let lines: Vec<Vec<&str>> = scores.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((lines.len(), &lines[0][..]), (31, &["file", "bits_per_dim", "log_density_nats"][..]));
    assert_eq!((lines[1][0], lines[30][0]), ("000001.png", "000030.png"));
    let numbers: Vec<f64> = lines[7][1..].iter().map(|value| value.parse().unwrap()).collect();
    assert!((numbers[0] * 64.0 * std::f64::consts::LN_2 + numbers[1]).abs() < 1e-9);
    succeed(at, &["score", flow, "all", "--out", "scores.csv"]);
    assert_eq!(std::fs::read_to_string(at.join("scores.csv")).unwrap(), scores);
    let one = succeed(at, &["score", flow, "all/000001.png", "--draws", "2"]);
    assert_eq!((one.lines().count(), one.lines().nth(1).unwrap().split(',').next()), (2, Some("all/000001.png")));
    // A folder counts whole, and its mean is near that of the scores, which draw other noise.
    let value = object(at, &["evaluate", flow, "--data", "all", "--json"]);
    let mean = lines[1..].iter().map(|line| line[1].parse::<f64>().unwrap()).sum::<f64>() / 30.0;
    assert_eq!(value["pictures"], 30);
    assert!((value["bits_per_dim"].as_f64().unwrap() - mean).abs() < 0.05);
    // Shown in 8 bits, the 4 bits of the flow come back: the first picture of the array is the first file.
    assert!(array[128..].iter().all(|value| value % 17 == 0));
}

#[test]
fn sheets_have_the_rows_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let teacher = digits().to_str().unwrap();
    let student = train_digits(at, &["--model", "student"]);
    let student = student.to_str().unwrap();
    let cases: [(&[&str], u32); 6] = [
        (&["--rows", "2", "--temperatures", "0.7,1.0"], 8),
        (&[], 16),
        (&["--kind", "same-latents", "--rows", "3", "--temperatures", "0.5"], 6),
        (&["--kind", "reconstructions", "--data", "set=digits"], 3),
        (&["--kind", "reconstructions", "--data", "set=digits,limit_held_out=20", "--rows", "5"], 6),
        (&["--kind", "interpolations", "--data", "set=digits", "--rows", "2"], 4),
    ];
    for (more, rows) in cases {
        let args = [&["sheet", teacher, student, "--out", "s.png", "--json", "--seed", "4"], more].concat();
        let value = object(at, &args);
        assert_eq!(size_of(&at.join("s.png")), sheet(rows), "{more:?}");
        assert_eq!((&value["width"], &value["height"]), (&Value::from(sheet(rows)[0]), &Value::from(sheet(rows)[1])));
        assert_eq!(value["rows"].as_array().unwrap().len(), rows as usize, "{more:?}");
    }
    let told = run(at, &["sheet", teacher, "--out", "s.png"]);
    assert!(
        String::from_utf8_lossy(&told.stderr)
            .contains("note: s.png: 794 pixels wide, 530 high; rows from the top: 4 x ")
    );
    let deep = train_digits(at, &["--set", "teacher.flow.levels=1", "--out", "runs/deep"]);
    let deep = deep.to_str().unwrap();
    let error = fail(at, &["sheet", teacher, deep, "--kind", "same-latents", "--out", "s.png"], 2);
    assert!(error.contains("expected latents of 4x4x2 + 2x2x8, like those of "), "{error}");
    succeed(at, &["sheet", teacher, deep, "--out", "s.png"]);
    let coarse = train_digits(at, &["--set", "data.bits=3", "--out", "runs/coarse"]);
    let error = fail(at, &["sheet", teacher, coarse.to_str().unwrap(), "--out", "s.png"], 2);
    assert!(error.contains("8x8x1, 4 bits, 0 classes") && error.contains("got 8x8x1, 3 bits"), "{error}");
}

#[test]
fn classes_are_drawn_by_name_and_number_and_scored_by_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let flow = train_digits(at, &["--set", "pictures.class_conditional=true"]);
    let flow = flow.to_str().unwrap();
    succeed(at, &["sample", flow, "-n", "5", "--class", "7", "--out", "drawn/7/"]);
    succeed(at, &["sample", flow, "-n", "4", "--class", "2", "--out", "drawn/2/"]);
    succeed(at, &["sample", flow, "--out", "sheet.png"]);
    assert_eq!(size_of(&at.join("sheet.png")), sheet(4));
    let scores = succeed(at, &["score", flow, "drawn"]);
    assert!(scores.lines().nth(1).unwrap().starts_with("2/000001.png,") && scores.lines().count() == 10);
    // Two classes of ten: folders go by their names, not by their number.
    let value = object(at, &["evaluate", flow, "--data", "drawn", "--json"]);
    assert_eq!(value["pictures"], 9);
    let error = fail(at, &["sample", flow, "--class", "10", "--out", "x.png"], 2);
    assert!(error.contains("--class: no class `10`; use 0 to 9, or one of 0, 1,"), "{error}");
    let error = fail(at, &["score", flow, "sheet.png"], 2);
    assert!(error.contains("its folder is called none of 0, 1,"), "{error}");
    let error = fail(at, &["evaluate", flow, "--data", "drawn/7"], 2);
    assert!(error.contains("conditioned on 10 classes, and these pictures have no labels"), "{error}");
    succeed(at, &["score", flow, "drawn/7", "--class", "7"]);
    let value = object(at, &["inspect", flow, "--json"]);
    assert_eq!(value["pictures"]["classes"].as_array().unwrap().len(), 10);
    assert!(object(at, &["evaluate", flow, "--data", "set=digits", "--json"])["bits_per_dim"].is_number());
}

#[test]
fn flows_and_sets_of_pictures_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let flow = digits().to_str().unwrap();
    let value = object(at, &["inspect", flow, "--json"]);
    let pictures = &value["pictures"];
    assert_eq!((&pictures["height"], &pictures["channels"], &pictures["bits"]), (&8.into(), &1.into(), &4.into()));
    assert_eq!(pictures["latents"], serde_json::json!([[4, 4, 2], [2, 2, 8]]));
    assert_eq!(pictures["range"]["kind"], "centred");
    assert!(value["validation_bits_per_dim"].as_f64().unwrap() > 0.0);
    let text = succeed(at, &["inspect", flow]);
    for line in ["height 8, width 8, channels 1, 4 bits", "2: latents of 4x4x2, 2x2x8", "1797 pictures", "bits/dim"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(object(at, &["data", "list", "--json"])["picture_sets"].as_array().unwrap().len(), 5);
    let checked = object(at, &["data", "check", "digits", "--json"]);
    assert_eq!((&checked["agrees"], &checked["pictures"][0]), (&true.into(), &1457.into()));
    let described = object(at, &["data", "describe", "set=digits,bits=2", "--json"]);
    assert_eq!((&described["bits"], &described["pictures"]["test"]), (&2.into(), &179.into()));
    assert!(succeed(at, &["data", "describe", "set=digits"]).contains("classes (train pictures)  0 (142), 1 (152)"));
    assert!(succeed(at, &["data", "list"]).contains("train-images-idx3-ubyte"));
}

#[test]
fn faulty_pictures_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let flow = digits().to_str().unwrap();
    let put = |name: &str, shape: [usize; 3]| {
        std::fs::create_dir_all(at.join(name).parent().unwrap()).unwrap();
        let pixels: Vec<u8> = (0..shape.iter().product()).map(|at: usize| (at * 37) as u8).collect();
        write_png(at.join(name), &pixels, shape).unwrap();
    };
    for name in ["cut", "wide", "mixed"] {
        (1..4).for_each(|index| put(&format!("{name}/a{index}.png"), [8, 8, 1]));
    }
    let whole = std::fs::read(at.join("cut/a1.png")).unwrap();
    std::fs::write(at.join("cut/b.png"), &whole[..whole.len() - 20]).unwrap();
    put("wide/b.png", [8, 9, 1]);
    put("mixed/b.png", [8, 8, 3]);
    put("all-wide/a.png", [9, 9, 1]);
    put("all-wide/b.png", [9, 9, 1]);
    std::fs::create_dir(at.join("empty")).unwrap();
    let cases = [
        ("score", "cut", "cut/b.png: expected a whole PNG or JPEG picture", "or leave it out"),
        ("score", "wide", "wide/b.png: expected a picture of 8x8x1, as the flow models, got 8x9x1", "convert it"),
        ("score", "mixed", "mixed/b.png: expected a picture of 8x8x1, as the flow models, got 8x8x3", "convert it"),
        ("score", "all-wide", "all-wide/a.png: expected a picture of 8x8x1", "(1 more files are at fault)"),
        ("score", "empty", "empty: expected at least one .png, .jpg or .jpeg file, got none", "give the folder"),
        ("evaluate", "cut", "cut/b.png: expected a whole PNG or JPEG picture", "or leave it out"),
        ("evaluate", "wide", "pixels like ", "bring all pictures to one size"),
        ("evaluate", "mixed", "expected pictures of 8x8x1, as the flow models, got 8x8x3", "with channels = 1"),
        ("evaluate", "all-wide", "expected pictures of 8x8x1, as the flow models, got 9x9x1", "with resize = 8"),
        ("evaluate", "empty", "empty: expected at least one .png", "give the folder"),
    ];
    for (command, name, said, remedy) in cases {
        let args: &[&str] = if command == "score" { &[command, flow, name] } else { &[command, flow, "--data", name] };
        let error = fail(at, args, 2);
        assert!(error.contains(said) && error.contains(remedy), "{command} {name}: {error}");
        assert!(!error.contains("on_error"), "{error}");
    }
    for (more, said) in [
        (["--samples", "0"], "--samples 0 draws none"),
        (["--statistics", "no/such"], "its folder is not there"),
        (["--side", "6"], "no usable torch checkpoint"),
        (["--temperature", "-1"], "--temperature: expected a number above 0, got -1"),
    ] {
        let args = ["evaluate", flow, "--data", "set=digits", "--features", "mixed/b.png", more[0], more[1]];
        let error = fail(at, &args, 2);
        assert!(error.contains(said), "{more:?}: {error}");
    }
    let error = fail(at, &["data", "check", "folder", "cut"], 1);
    assert!(error.contains("1 files are no usable pictures; the first: cut/b.png: "), "{error}");
    let error = fail(at, &["evaluate", flow, "--data", "set=folder,path=all-wide"], 2);
    assert!(error.contains("set bits = 4 (data.bits in a recipe)"), "{error}");
    let error = fail(at, &["evaluate", flow, "--data", "set=folder,path=all-wide,bits=4"], 2);
    assert!(error.contains("set resize = 8"), "{error}");
    let error = fail(at, &["sheet", flow, "--kind", "reconstructions", "--data", "empty", "--out", "s.png"], 2);
    assert!(error.contains("expected at least one .png"), "{error}");
    assert!(!at.join("s.png").exists());
    std::fs::write(at.join("taken"), b"").unwrap();
    let error = fail(at, &["sample", flow, "--out", "taken/"], 1);
    assert!(error.contains("--out taken/: cannot make the folder"), "{error}");
    assert!(fail(at, &["score", flow, "cut", "--out", "x.npy"], 2).contains("expected a name ending in .csv"));
}

#[test]
fn folders_are_told_apart_and_their_own_splits_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let flow = digits().to_str().unwrap();
    for (out, count, seed) in [("own/train/", "80", "1"), ("own/test/", "20", "2"), ("other/", "100", "3")] {
        succeed(at, &["sample", flow, "-n", count, "--seed", seed, "--out", out]);
    }
    let options = ["--set", "data.set=folder", "--data", "own", "--set", "data.bits=4"];
    let flow = train_digits(at, &options);
    let flow = flow.to_str().unwrap();
    let evaluate = |data: &str, more: &[&str]| {
        let output = run(at, &[&["evaluate", flow, "--data", data], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let clean = (Some(0), String::new());
    assert_eq!(evaluate("set=folder,path=own,bits=4", &[]), clean);
    assert_eq!(evaluate("set=folder,path=own,bits=4,seed=9", &[]), clean);
    assert_eq!(evaluate("set=folder,path=other,bits=4,seed=9", &[]), clean);
    assert_eq!(evaluate("other", &[]), clean);
    let (code, told) = evaluate("set=folder,path=own,bits=4,seed=9", &["--split", "validation"]);
    assert!(code == Some(2) && told.contains("seen pictures of this validation split"), "{told}");
    let (code, told) = evaluate("own", &[]);
    assert!(code == Some(0) && told.contains("trained on pictures of this very folder"), "{told}");
}
