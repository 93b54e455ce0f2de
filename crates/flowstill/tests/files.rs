//! Hold the flow file to its promises: the same bits back, and a named error for whatever is wrong with a file.

use flowstill::burn::tensor::Device;
use flowstill::file::{load, save};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::model::{Model, Standardization, TrainingFacts};
use flowstill::{Parameters, random};
use std::path::Path;

fn model(json: &str, context: usize) -> Model {
    let config: FlowConfig = serde_json::from_str(json).expect("valid");
    let mut flow = Flow::new(&config.assemble(3, context, 1).expect("valid"), 1, &Device::default()).expect("valid");
    let mut rng = random::stream(2, "move", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.2 * noise).collect());
    }
    let standardization = Standardization {
        mean: vec![1.0, -20.0, 300.0],
        std: vec![0.1, 2.0, 50.0],
        context_mean: vec![5.0; context],
        context_std: vec![2.0; context],
        columns: Vec::new(),
    };
    Model {
        flow,
        standardization,
        pictures: None,
        dequantizer: None,
        facts: TrainingFacts { role: "teacher".into(), seed: 7, ..TrainingFacts::default() },
    }
}

const FLOWS: [&str; 7] = [
    r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"base":{"kind":"mixture","components":2}}"#,
    r#"{"kind":"maf","blocks":2,"hidden":[8],"order":"random","norm":"batch"}"#,
    r#"{"kind":"iaf","blocks":2,"hidden":[8],"norm":"actnorm"}"#,
    r#"{"kind":"nsf","steps":2,"hidden":8,"bins":4,"base":{"kind":"diagonal_normal"}}"#,
    r#"{"kind":"realnvp","steps":2,"hidden":[8]}"#,
    r#"{"kind":"sylvester","steps":2,"rank":2}"#,
    r#"{"kind":"sylvester","steps":2,"form":"householder","reflections":3}"#,
];

const ROWS: [f64; 9] = [1.05, -19.0, 280.0, 0.9, -24.0, 350.0, 1.2, -20.0, 301.0];

#[test]
fn a_loaded_model_scores_and_draws_the_same_bits() {
    for json in FLOWS {
        for context in [0, 2] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("flow.safetensors");
            let before = model(json, context);
            save(&before, &path).expect("writes");
            let mut after = load(&path, &Device::default()).expect("reads");
            let conditions = vec![4.0; 3 * context];
            assert_eq!(
                before.log_prob(&ROWS, &conditions).expect("scores"),
                after.log_prob(&ROWS, &conditions).expect("scores")
            );
            assert_eq!(
                before.sample(3, 5, 0.8, &conditions).expect("draws"),
                after.sample(3, 5, 0.8, &conditions).expect("draws")
            );
            assert_eq!((before.facts.role.as_str(), before.facts.seed), (after.facts.role.as_str(), after.facts.seed));
            // ActNorm and BatchNorm remember that they were initialised; other data change nothing once they were.
            let x = random::normal_tensor([32, 1, 1, 3], &mut random::stream(8, "other", 0), &Device::default());
            let c = (context > 0)
                .then(|| random::normal_tensor([32, context], &mut random::stream(9, "c", 0), &Device::default()));
            after.flow.initialize(&x, c.as_ref()).expect("fits");
            save(&after, &path).expect("writes over");
            let mut again = load(&path, &Device::default()).expect("reads");
            again.flow.initialize(&(x * 3.0 + 1.0), c.as_ref()).expect("fits");
            assert_eq!(
                after.log_prob(&ROWS, &conditions).expect("scores"),
                again.log_prob(&ROWS, &conditions).expect("scores")
            );
            assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing half-written is left");
        }
    }
}

#[test]
fn densities_are_in_the_units_of_the_data() {
    let model = model(FLOWS[1], 0);
    let s = &model.standardization;
    let standardised: Vec<f32> =
        ROWS.iter().enumerate().map(|(i, v)| ((v - s.mean[i % 3]) / s.std[i % 3]) as f32).collect();
    let offset = -(0.1_f64.ln() + 2.0_f64.ln() + 50.0_f64.ln());
    let raw = model.log_prob(&ROWS, &[]).expect("scores");
    for (raw, own) in raw.iter().zip(model.log_prob_standardised(&standardised, &[]).expect("scores")) {
        assert!((raw - f64::from(own) - offset).abs() < 1e-6);
    }
}

#[test]
fn rows_that_are_not_finite_are_named() {
    let model = model(FLOWS[0], 0);
    let mut rows = ROWS;
    rows[5] = f64::NAN;
    let error = model.log_prob(&rows, &[]).expect_err("NaN");
    assert!(error.is_input() && error.to_string().contains("row 2 column 3 is NaN"), "{error}");
    // Finite, but not as a standardised single-precision number: told with the value that stands in the table.
    rows[5] = 1e300;
    let error = model.log_prob(&rows, &[]).expect_err("too far");
    assert!(error.is_input() && error.to_string().contains("row 2 column 3 is 1e300, too far"), "{error}");
    assert!(model.log_prob(&ROWS[..8], &[]).is_err());
    assert!(model.sample(3, 1, f64::NAN, &[]).is_err());
    assert!(model.sample(3, 1, 0.0, &[]).is_err());
}

#[test]
fn a_draw_in_parts_is_the_draw() {
    let model = model(FLOWS[0], 0);
    let count = flowstill::model::CHUNK + 7;
    let whole = model.sample(count, 3, 1.0, &[]).expect("draws");
    let first = model.sample_from(0, flowstill::model::CHUNK, 3, 1.0, &[]).expect("draws");
    let rest = model.sample_from(flowstill::model::CHUNK as u64, 7, 3, 1.0, &[]).expect("draws");
    assert!(whole == [first, rest].concat());
    assert!(model.sample_from(7, 7, 3, 1.0, &[]).is_err());
    for count in [usize::MAX, usize::MAX / 3, 1 << 55] {
        let error = model.sample(count, 3, 1.0, &[]).expect_err("no memory holds it");
        assert!(error.is_input() && error.to_string().contains("draw fewer"), "{error}");
    }
}

fn refused(path: &Path, word: &str) {
    let error = load(path, &Device::default()).map(|_| ()).expect_err(word).to_string();
    assert!(error.contains(word) && error.contains(&path.display().to_string()) && !error.contains('\n'), "{error}");
}

#[test]
fn every_truncation_and_every_flipped_bit_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.safetensors");
    save(&model(FLOWS[1], 0), &path).expect("writes");
    let good = std::fs::read(&path).expect("reads");
    let mut rng = random::stream(1, "damage", 0);
    for round in 0..400 {
        let mut bad = good.clone();
        let at = (random::uniforms(1, &mut rng)[0] * good.len() as f32) as usize % good.len();
        if round % 4 == 0 {
            bad.truncate(at)
        } else {
            bad[at] ^= 1 << (round % 8)
        }
        std::fs::write(&path, &bad).expect("writes");
        let error = load(&path, &Device::default()).map(|_| ()).expect_err("damage must be noticed").to_string();
        assert!(!error.contains('\n'), "round {round} at {at}: {error}");
    }
    std::fs::write(&path, b"").expect("writes");
    refused(&path, "empty");
}

#[test]
fn foreign_and_newer_files_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.safetensors");
    refused(&folder.path().join("nowhere.safetensors"), "cannot read");
    std::fs::write(&path, b"\x80\x04 a pickle, say").expect("writes");
    refused(&path, "not a safetensors file");
    // A safetensors file without any metadata of ours: an 8-byte length, then a JSON header.
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut foreign = (header.len() as u64).to_le_bytes().to_vec();
    foreign.extend_from_slice(header);
    foreign.extend_from_slice(&[0; 4]);
    std::fs::write(&path, &foreign).expect("writes");
    refused(&path, "not a flowstill-flow file");
    save(&model(FLOWS[0], 0), &path).expect("writes");
    let bytes = std::fs::read(&path).expect("reads");
    let at = bytes.windows(13).position(|w| w == br#""version":"1""#).expect("the version is in the header");
    let mut newer = bytes.clone();
    newer[at + 11] = b'9';
    std::fs::write(&path, &newer).expect("writes");
    refused(&path, "update flowstill");
}

#[test]
fn a_failed_write_keeps_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let error =
        save(&model(FLOWS[0], 0), &folder.path().join("no/such/folder/flow.safetensors")).expect_err("no folder");
    assert!(!error.is_input() && error.to_string().contains("cannot write"), "{error}");
    // A folder in the file's place makes the last step, the rename, fail: what was there stays, and no partial file is left.
    let path = folder.path().join("flow.safetensors");
    std::fs::create_dir(&path).expect("a folder");
    std::fs::write(path.join("kept"), b"kept").expect("writes");
    assert!(save(&model(FLOWS[0], 0), &path).is_err());
    assert_eq!(std::fs::read(path.join("kept")).expect("reads"), b"kept");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}
