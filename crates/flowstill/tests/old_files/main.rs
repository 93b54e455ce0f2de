//! Go on from checkpoints and load flow files that flowstill 0.1.0 wrote, to the bits that it ended in itself.
//!
//! `fixtures/` holds them: each checkpoint is that of a training of `cases()` stopped at step 33, `recorded.json` tells how it went on. Another
//! processor rounds differently, so the bits are asked for where a training from the beginning passes through the very weights of the old
//! checkpoint; elsewhere the same figures up to rounding.

use flowstill::Parameters;
use flowstill::burn::tensor::Device;
use flowstill::distill::{DistillConfig, Distillation, Projection, SharedNoise};
use flowstill::file::{load, save};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::model::{Model, Standardization, TrainingFacts};
use flowstill::pictures::{PictureScaling, Pictures, Range, VariationalConfig, VariationalDequantizer};
use flowstill::random::{self, normals, stream};
use flowstill::train::{
    Control, Event, NegativeLogLikelihood, Objective, Rows, RunFolder, TrainConfig, Trained, TrainingData, Validation,
    VariationalNll, train,
};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const EVENT: [usize; 3] = [4, 4, 1];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old_files/fixtures")
}

fn rows(count: usize, seed: u64) -> Rows {
    let noise = normals(count * 3, &mut stream(seed, "table", 0));
    let row = |n: &[f32]| [n[0], 0.5 * n[0] * n[0] + 0.3 * n[1], n[1] - n[0] + 0.2 * n[2]];
    Rows::new(noise.chunks_exact(3).flat_map(row).collect(), 3).expect("finite")
}

fn pictures(count: usize, seed: u64) -> Pictures {
    let values = random::uniforms(count * 16, &mut stream(seed, "pixels", 0));
    let scaling = PictureScaling { bits: 2, range: Range::Centred };
    Pictures::new(values.iter().map(|u| (u * u * 4.0) as u8).collect(), EVENT, scaling).expect("in range")
}

fn over_rows(json: &str, context: usize) -> Flow {
    let config: FlowConfig = serde_json::from_str(json).expect("valid");
    Flow::new(&config.assemble(3, context, 1).expect("valid"), 1, &Device::default()).expect("valid")
}

fn over_pictures(steps: usize) -> Flow {
    let config = format!(r#"{{"kind":"glow","levels":1,"steps":{steps},"hidden":6}}"#);
    let config: FlowConfig = serde_json::from_str(&config).expect("valid");
    Flow::new(&config.assemble_picture(EVENT, 0).expect("valid"), 1, &Device::default()).expect("valid")
}

fn noise() -> VariationalDequantizer {
    VariationalDequantizer::new(&VariationalConfig { steps: 2, hidden: 4 }, EVENT, 1, &Device::default()).expect("even")
}

/// Move every weight away from where it starts.
fn moved<P: Parameters>(mut part: P) -> P {
    let mut rng = stream(5, "move", 0);
    for (_, param) in part.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.1 * noise).collect());
    }
    part
}

const MAF: &str = r#"{"kind":"maf","blocks":2,"hidden":[6],"norm":"batch"}"#;

fn config() -> TrainConfig {
    let json = r#"{"steps":60,"batch":32,"validate_every":15,"checkpoint_every":20,"ema":0.9,"optimiser":{"kind":"adamax","rate":0.005}}"#;
    serde_json::from_str(json).expect("valid")
}

enum Lesson {
    Data(NegativeLogLikelihood),
    Noise(Box<VariationalNll>),
    Teacher(Box<Distillation>),
}

impl Lesson {
    fn get(&mut self) -> &mut dyn Objective {
        match self {
            Self::Data(objective) => objective,
            Self::Noise(objective) => objective.as_mut(),
            Self::Teacher(objective) => objective.as_mut(),
        }
    }

    fn dequantizer(self) -> Option<VariationalDequantizer> {
        match self {
            Self::Data(_) => None,
            Self::Noise(objective) => Some(objective.finish()),
            Self::Teacher(objective) => objective.dequantizer().cloned(),
        }
    }
}

/// One training of each kind whose checkpoints differ in what they hold.
struct Case {
    name: &'static str,
    flow: Flow,
    data: TrainingData,
    objective: Lesson,
}

fn cases() -> Vec<Case> {
    let of_rows = || TrainingData { train: rows(400, 1).into(), validation: rows(100, 2).into() };
    let of_pictures =
        || TrainingData { train: pictures(128, 1).flipped(true).into(), validation: pictures(32, 2).into() };
    let lesson =
        DistillConfig { ilkd: 0.1, skd: 0.1, pool: 128, projection: Projection::Linear, ..DistillConfig::default() };
    let taught = |teacher: &Flow, student: &Flow, config| {
        Box::new(Distillation::new(teacher, student, config, 3, 32).expect("fits"))
    };
    let shared = DistillConfig { dequantization: SharedNoise::Teacher, ..lesson.clone() };
    let by_noise = taught(&moved(over_pictures(2)), &over_pictures(1), &shared).with_dequantizer(&moved(noise()));
    let by_noise = Box::new(by_noise.expect("fits"));
    let case = |name, flow, data, objective| Case { name, flow, data, objective };
    vec![
        case("table", over_rows(MAF, 0), of_rows(), Lesson::Data(NegativeLogLikelihood)),
        case(
            "table-distilled",
            over_rows(MAF, 0),
            of_rows(),
            Lesson::Teacher(taught(&moved(over_rows(MAF, 0)), &over_rows(MAF, 0), &lesson)),
        ),
        case("pictures", over_pictures(1), of_pictures(), Lesson::Noise(Box::new(VariationalNll::new(noise())))),
        case("pictures-distilled", over_pictures(1), of_pictures(), Lesson::Teacher(by_noise)),
    ]
}

fn learn(case: &mut Case, run: Option<&RunFolder>, stop: Option<u64>) -> flowstill::Result<Trained<Flow>> {
    let mut watch = |event: &Event| match event {
        Event::Step { step, .. } if Some(*step) == stop => Control::Stop,
        _ => Control::Continue,
    };
    train(case.flow.clone(), case.objective.get(), &case.data, &config(), run, &mut watch)
}

fn models() -> [(&'static str, Model); 2] {
    let standardization = Standardization {
        mean: vec![1.0, -20.0, 300.0],
        std: vec![0.1, 2.0, 50.0],
        context_mean: vec![5.0; 2],
        context_std: vec![2.0; 2],
        columns: Vec::new(),
    };
    let facts = TrainingFacts { role: "teacher".into(), seed: 7, ..TrainingFacts::default() };
    let table = Model { flow: moved(over_rows(MAF, 2)), standardization, pictures: None, dequantizer: None, facts };
    let over = Model {
        flow: moved(over_pictures(2)),
        standardization: Standardization::identity(1, 0),
        pictures: Some(pictures(1, 1).scaling()),
        dequantizer: Some(moved(noise())),
        facts: TrainingFacts::default(),
    };
    [("flow-table", table), ("flow-pictures", over)]
}

fn scores(name: &str, model: &Model) -> Vec<f64> {
    match name {
        "flow-table" => {
            model.log_prob(&[1.05, -19.0, 280.0, 0.9, -24.0, 350.0], &[4.0, 5.0, 6.0, 7.0]).expect("scores")
        }
        _ => model.bits_per_dim(&pictures(4, 3), 2, 0, |_| true).expect("scores").each,
    }
}

fn recorded() -> Value {
    let text = std::fs::read_to_string(fixtures().join("recorded.json")).expect("reads");
    serde_json::from_str(&text).expect("valid")
}

fn hex(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// The bytes of a checkpoint's weights.
fn weights(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("reads");
    SafeTensors::deserialize(&bytes).expect("safetensors").tensor("weights").expect("weights").data().to_vec()
}

#[test]
fn old_checkpoints_are_gone_on_from_to_the_bits_that_the_old_code_ended_in() {
    for (mut old, mut new) in cases().into_iter().zip(cases()) {
        let (name, [run, straight]) = (old.name, [(), ()].map(|()| tempfile::tempdir().expect("a folder")));
        let [run, straight] = [&run, &straight].map(|folder| RunFolder::create(folder.path()).expect("a folder"));
        let fixture = fixtures().join(format!("{name}.safetensors"));
        std::fs::copy(&fixture, run.checkpoint()).expect("copies");
        let resumed = learn(&mut old, Some(&run), None).expect("goes on");
        let want = &recorded()[name];
        let history: Vec<Validation> = serde_json::from_value(want["history"].clone()).expect("validations");
        assert_eq!((resumed.report.steps, &resumed.report.history[..2]), (60, &history[..2]), "{name}");
        assert!(learn(&mut new, Some(&straight), Some(33)).is_err());
        if weights(&fixture) == weights(&straight.checkpoint()) {
            assert_eq!(resumed.report.history, history, "{name}");
            assert_eq!(hex(resumed.model.fingerprint()), want["flow"], "{name}");
            if let Some(noise) = old.objective.dequantizer() {
                assert_eq!(hex(noise.fingerprint()), want["dequantizer"], "{name}");
            }
        } else {
            println!("{name}: this processor rounds otherwise, so the figures alone are compared");
            for (got, want) in resumed.report.history.iter().zip(&history) {
                assert!((got.value - want.value).abs() < 1e-3 * want.value.abs(), "{name}: {got:?} is not {want:?}");
            }
        }
    }
}

#[test]
fn old_flow_files_load_and_score_as_they_did() {
    for (name, model) in models() {
        let (path, want) = (fixtures().join(format!("{name}.safetensors")), &recorded()[name]);
        let loaded = load(&path, &Device::default()).expect("loads");
        assert_eq!(hex(loaded.flow.fingerprint()), want["flow"], "{name}");
        assert_eq!(
            loaded.dequantizer.as_ref().map(|noise| json!(hex(noise.fingerprint()))).unwrap_or_default(),
            want["dequantizer"]
        );
        let known: Vec<f64> = serde_json::from_value(want["scores"].clone()).expect("numbers");
        for (got, want) in scores(name, &loaded).iter().zip(known) {
            assert!((got - want).abs() < 1e-5 * want.abs(), "{name}: {got} is not {want}");
        }
        // Made again, the model is the same file to the byte.
        let folder = tempfile::tempdir().expect("a folder");
        let again = folder.path().join("again.safetensors");
        save(&model, &again).expect("writes");
        assert!(std::fs::read(&again).expect("reads") == std::fs::read(&path).expect("reads"), "{name}");
    }
}
