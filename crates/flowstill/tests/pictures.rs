//! Hold flows on pictures to their laws: latents that come back, densities checked by a Jacobian, bits per dimension with known answers,
//! distillation that loses nothing on a copy.

use flowstill::burn::tensor::{DType, Device, Tensor, TensorData};
use flowstill::distill::{
    AlignmentConfig, DistillConfig, Distillation, Inheritance, Projection, SkdForm, align, prepare_student,
};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::model::{Model, Standardization, TrainingFacts};
use flowstill::pictures::{PictureScaling, Pictures, Range};
use flowstill::train::{
    Batch, Control, Dataset, Examples, NegativeLogLikelihood, Objective, TrainConfig, TrainingData, mean_nll, train,
};
use flowstill::{Parameters, random, to_f32, to_f64};

const FLOWS: [(&str, &str); 6] = [
    ("glow", r#"{"kind":"glow","levels":2,"steps":2,"hidden":6}"#),
    (
        "glow standard prior",
        r#"{"kind":"glow","levels":2,"steps":1,"hidden":6,"split":{"kind":"standard"},"lu":false}"#,
    ),
    ("glow additive", r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"transform":{"kind":"additive"}}"#),
    (
        "glow spline",
        r#"{"kind":"glow","levels":1,"steps":2,"hidden":6,"transform":{"kind":"rational_quadratic","bins":4}}"#,
    ),
    ("glow learned top", r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"base":{"kind":"diagonal_normal"}}"#),
    ("realnvp", r#"{"kind":"realnvp","levels":2,"steps":2,"hidden":[6]}"#),
];

fn config(text: &str) -> FlowConfig {
    serde_json::from_str(text).expect("a valid flow")
}

/// A flow over pictures whose weights were moved away from their start.
fn moved(text: &str, event: [usize; 3], classes: usize, seed: u64) -> Flow {
    let architecture = config(text).assemble_picture(event, classes).expect("a valid flow");
    let mut flow = Flow::new(&architecture, seed, &Device::default()).expect("a valid flow");
    let data = examples(event, 16, classes, 3).range(0..16, &Device::default());
    flow.initialize(&data.x, data.context.as_ref()).expect("the batch fits");
    let mut rng = random::stream(seed, "move", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.03 * noise).collect());
    }
    flow
}

fn pictures(event: [usize; 3], count: usize, classes: usize, seed: u64) -> Pictures {
    let mut rng = random::stream(seed, "pixels", 0);
    let size: usize = event.iter().product();
    // Neighbours go together, so that there is something to learn.
    let mut pixels = Vec::new();
    for shade in random::uniforms(count, &mut rng) {
        pixels.extend(random::uniforms(size, &mut rng).iter().map(|u| (200.0 * shade + 55.0 * u) as u8));
    }
    let made = Pictures::new(pixels, event, PictureScaling::default()).expect("bytes");
    match classes {
        0 => made,
        _ => made.with_labels((0..count as u32).map(|i| i % classes as u32).collect(), classes).expect("labels fit"),
    }
}

fn examples(event: [usize; 3], count: usize, classes: usize, seed: u64) -> Examples {
    pictures(event, count, classes, seed).into()
}

fn batch(event: [usize; 3], count: usize, classes: usize, seed: u64) -> Batch {
    examples(event, count, classes, seed).batch(&(0..count as u32).collect::<Vec<_>>(), 1, seed, &Device::default())
}

#[test]
fn pictures_come_back_from_their_latents_and_dimensions_are_kept() {
    for (name, text) in FLOWS {
        for classes in [0, 3] {
            let event = [4, 8, 3];
            let flow = moved(text, event, classes, 5);
            let data = batch(event, 6, classes, 9);
            let (latents, log_det) = flow.forward(data.x.clone(), data.context.as_ref()).expect("fits");
            assert_eq!(latents.dimensions(), 4 * 8 * 3, "{name}");
            assert_eq!(
                latents.levels.iter().map(|z| [z.dims()[1], z.dims()[2], z.dims()[3]]).collect::<Vec<_>>(),
                flow.latent_events(),
                "{name}"
            );
            let (back, back_log_det) = flow.inverse(&latents, data.context.as_ref()).expect("fits");
            let worst = to_f64((back - data.x).abs().max())[0];
            assert!(worst < 2e-4, "{name}: {worst}");
            let worst = to_f64((back_log_det - log_det).abs().max())[0];
            assert!(worst < 2e-2, "{name}: log-dets differ by {worst}");
        }
    }
}

/// The log-det of a whole flow, splits included, against central differences of all latents, in f64.
#[test]
fn log_dets_of_whole_flows_are_those_of_their_jacobians() {
    for (name, text) in FLOWS {
        let event = if name == "glow spline" { [2, 4, 1] } else { [4, 4, 1] };
        let n: usize = event.iter().product();
        let flow = moved(text, event, 0, 7).cast(DType::F64);
        let device = Device::default();
        let start: Vec<f64> = random::normals(n, &mut random::stream(4, "x", 0)).into_iter().map(f64::from).collect();
        let latents = |x: &[f64]| -> (Vec<f64>, f64) {
            let x = Tensor::<4>::from_data(
                TensorData::new(x.to_vec(), [1, event[0], event[1], event[2]]),
                (&device, DType::F64),
            );
            let (latents, log_det) = flow.forward(x, None).expect("fits");
            (latents.levels.into_iter().flat_map(to_f64).collect(), to_f64(log_det)[0])
        };
        let h = 1e-5;
        let mut jacobian = vec![0.0; n * n];
        for j in 0..n {
            let at = |step: f64| {
                let mut x = start.clone();
                x[j] += step;
                latents(&x).0
            };
            let (up, down) = (at(h), at(-h));
            (0..n).for_each(|i| jacobian[i * n + j] = (up[i] - down[i]) / (2.0 * h));
        }
        let (want, got) = (log_abs_determinant(jacobian, n), latents(&start).1);
        assert!((want - got).abs() < 1e-5, "{name}: {got} is not {want}");
    }
}

fn log_abs_determinant(mut a: Vec<f64>, n: usize) -> f64 {
    let mut sum = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).expect("not empty");
        (0..n).for_each(|j| a.swap(k * n + j, pivot * n + j));
        sum += a[k * n + k].abs().ln();
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            (k..n).for_each(|j| a[i * n + j] -= factor * a[k * n + j]);
        }
    }
    sum
}

#[test]
fn a_copied_student_has_every_distillation_loss_exactly_zero() {
    let event = [4, 8, 3];
    for (name, text) in FLOWS {
        for classes in [0, 2] {
            let teacher = moved(text, event, classes, 3);
            for skd_form in [SkdForm::Inverse, SkdForm::Cycle, SkdForm::Trajectory] {
                for (projection, alignment) in
                    [(Projection::None, AlignmentConfig::Auto), (Projection::Linear, AlignmentConfig::Even)]
                {
                    let settings = DistillConfig {
                        lkd: 0.1,
                        ilkd: 0.1,
                        skd: 0.1,
                        norm_control: 0.5,
                        pool: 16,
                        skd_form,
                        projection,
                        alignment,
                        ..DistillConfig::default()
                    };
                    let student = teacher.clone().tracked();
                    let objective = Distillation::new(&teacher, &student, &settings, 5, 8).expect("a copy fits");
                    for step in 0..2 {
                        let loss =
                            objective.loss(&student, &batch(event, 8, classes, step), step, 10).expect("a copy fits");
                        for (term, value) in loss.terms {
                            let value = to_f64(value)[0];
                            if ["lkd", "ilkd", "skd", "norm"].contains(&term) {
                                assert_eq!(value, 0.0, "{name}, {classes} classes, {skd_form:?}: {term}");
                            } else {
                                assert!(value.is_finite() && value != 0.0, "{name}: {term}");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A student that differs from its teacher in one level alone shows it in the terms that look at that level.
#[test]
fn every_level_counts_in_every_loss() {
    let event = [8, 8, 1];
    let text = r#"{"kind":"glow","levels":3,"steps":2,"hidden":6}"#;
    let teacher = moved(text, event, 0, 3);
    for level in 0..3 {
        let mut student = teacher.clone();
        for (name, param) in student.params_mut() {
            if name.starts_with(&format!("levels.{level}.steps.1.")) && param.is_trainable() {
                param.set_values(param.values().iter().map(|v| v + 0.05).collect());
            }
        }
        let student = student.tracked();
        let settings =
            DistillConfig { lkd: 0.1, ilkd: 0.1, skd: 0.1, teacher_samples: 0.0, pool: 16, ..DistillConfig::default() };
        let objective = Distillation::new(&teacher, &student, &settings, 5, 8).expect("fits");
        assert_eq!(
            objective.pairs().iter().map(|p| (p.student, p.teacher)).collect::<Vec<_>>(),
            [(2, 2), (4, 4), (6, 6)]
        );
        let loss = objective.loss(&student, &batch(event, 8, 0, 1), 1, 10).expect("fits");
        for (term, value) in loss.terms.iter().filter(|(term, _)| *term != "nll") {
            assert!(to_f64(value.clone())[0] > 1e-4, "level {level}: {term}");
        }
        let grads = loss.total.backward();
        for (name, param) in student.params().into_iter().filter(|(_, p)| p.is_trainable()) {
            let gradient = param.flat().grad(&grads).map(to_f64).unwrap_or_default();
            assert!(gradient.iter().all(|g| g.is_finite()), "{name}");
        }
    }
}

#[test]
fn noise_of_every_level_is_shared_and_follows_the_seed() {
    let event = [8, 8, 3];
    let teacher = moved(r#"{"kind":"glow","levels":3,"steps":1,"hidden":4}"#, event, 0, 3);
    let noise = teacher.draw_noise(4, &mut random::stream(1, "n", 0));
    let latents = teacher.latents_from_noise(&noise, 0.7);
    assert_eq!(latents.levels.len(), 3);
    for (level, (z, normal)) in latents.levels.iter().zip(&noise.normal).enumerate() {
        let worst = to_f64((z.clone() - normal.clone() * 0.7).abs().max())[0];
        assert!(worst < 1e-6, "level {level}");
    }
    let again = teacher.draw_noise(4, &mut random::stream(1, "n", 0));
    for (a, b) in noise.normal.iter().zip(&again.normal) {
        assert_eq!(to_f32(a.clone()), to_f32(b.clone()));
    }
}

#[test]
fn students_inherit_level_by_level() {
    let event = [8, 8, 1];
    let teacher = moved(r#"{"kind":"glow","levels":2,"steps":4,"hidden":6}"#, event, 0, 3);
    let student = moved(r#"{"kind":"glow","levels":2,"steps":2,"hidden":6}"#, event, 0, 4);
    let config = DistillConfig { inherit: Inheritance::Auto, ..DistillConfig::default() };
    let (student, notes) = prepare_student(student, &teacher, &config).expect("fits");
    assert_eq!(notes, ["the student starts from the teacher's steps [1, 4, 5, 8]"]);
    let values = |flow: &Flow, name: &str| {
        flow.params().into_iter().find(|(own, _)| own == name).map(|(_, param)| param.values()).expect("exists")
    };
    for (own, theirs) in [("0.steps.1", "0.steps.3"), ("1.steps.0", "1.steps.0"), ("1.steps.1", "1.steps.3")] {
        // The squeeze stands first in the first step of a level.
        let part = if own.ends_with("steps.0") { "steps.2.log_s" } else { "steps.1.log_s" };
        let (a, b) = (format!("levels.{own}.{part}"), format!("levels.{theirs}.{part}"));
        assert_eq!(values(&student, &a), values(&teacher, &b), "{a} from {b}");
    }
    let split = "levels.0.split.prior.conv.last.bias";
    assert_eq!(values(&student, split), values(&teacher, split));
    // Levels of one step, where the last teacher step has no squeeze in front of it.
    let student = moved(r#"{"kind":"glow","levels":2,"steps":1,"hidden":6}"#, event, 0, 4);
    let (_, notes) = prepare_student(student, &teacher, &config).expect("fits");
    assert_eq!(notes, ["the student starts from the teacher's steps [1, 5]"]);
}

#[test]
fn misfits_are_told_with_a_remedy() {
    let error = config(FLOWS[0].1).assemble_picture([6, 8, 3], 0).expect_err("6 is no multiple of 4").to_string();
    assert!(error.contains("6x8 is no multiple of 4") && error.contains("fewer levels"), "{error}");
    let error = config(r#"{"kind":"maf"}"#).assemble_picture([4, 4, 1], 0).expect_err("no form").to_string();
    assert!(error.contains("maf has no form for pictures"), "{error}");
    let teacher = moved(r#"{"kind":"glow","levels":2,"steps":1,"hidden":4}"#, [8, 8, 1], 0, 3);
    let student = moved(r#"{"kind":"glow","levels":3,"steps":1,"hidden":4}"#, [8, 8, 1], 0, 3);
    let error = align(&student, &teacher, &DistillConfig::default()).expect_err("levels differ").to_string();
    assert!(error.contains("3 levels, the teacher 2"), "{error}");
    let settings = DistillConfig { ilkd: 0.0, ..DistillConfig::default() };
    let error = Distillation::new(&teacher, &student, &settings, 1, 8).expect_err("latents differ").to_string();
    assert!(error.contains("the same number of levels"), "{error}");
    let wrong = Pictures::new(vec![40], [1, 1, 1], PictureScaling { bits: 5, range: Range::Centred });
    assert!(wrong.expect_err("40 is past 5 bits").to_string().contains("picture 1 has the value 40"));
    let mut forged = teacher.architecture().clone();
    forged.splits[0].channels = 7;
    assert!(Flow::new(&forged, 0, &Device::default()).is_err());
    forged = teacher.architecture().clone();
    forged.splits.clear();
    assert!(Flow::new(&forged, 0, &Device::default()).is_err());
    forged = teacher.architecture().clone();
    forged.context = 2;
    assert!(Flow::new(&forged, 0, &Device::default()).is_err());
}

fn model(flow: Flow, scaling: PictureScaling) -> Model {
    let channels = flow.architecture().event[2];
    let context = flow.architecture().context;
    Model {
        flow,
        standardization: Standardization::identity(channels, context),
        pictures: Some(scaling),
        dequantizer: None,
        facts: TrainingFacts::default(),
    }
}

/// A flow that is exactly uniform on the cube scores uniform bytes at their bits, whatever the scaling.
#[test]
fn uniform_bytes_score_their_bits_exactly() {
    let event = [4, 4, 3];
    for bits in [1, 5, 8] {
        let scaling = PictureScaling { bits, range: Range::Centred };
        let mut architecture = config(FLOWS[1].1).assemble_picture(event, 0).expect("valid");
        architecture = flowstill::flows::Architecture {
            levels: vec![vec![]],
            splits: vec![],
            base: flowstill::base::BaseConfig::Uniform { low: -0.5, high: 0.5 },
            ..architecture
        };
        let flow = Flow::new(&architecture, 1, &Device::default()).expect("valid");
        let mut rng = random::stream(1, "bytes", 0);
        let most = (1_u32 << bits) as f32;
        let pixels = random::uniforms(48 * 20, &mut rng).iter().map(|u| (u * most) as u8).collect();
        let pictures = Pictures::new(pixels, event, scaling).expect("bytes");
        for draws in [1, 4] {
            let score = model(flow.clone(), scaling).bits_per_dim(&pictures, draws, 0, |_| true).expect("fits");
            for bits_per_dim in score.each {
                assert!((bits_per_dim - f64::from(bits)).abs() < 1e-5, "{bits_per_dim} is not {bits}");
            }
        }
    }
}

/// The same density said through another scaling gives the same bits: a logit first, then a flow that undoes it.
#[test]
fn bits_per_dim_do_not_depend_on_the_scaling() {
    use flowstill::bijectors::{BijectorConfig, ElementwiseMap};
    let event = [2, 2, 1];
    let alpha = 1e-3;
    let base = flowstill::base::BaseConfig::Uniform { low: alpha, high: 1.0 - alpha };
    let squash = BijectorConfig::Elementwise { map: ElementwiseMap::Sigmoid };
    let architecture =
        flowstill::flows::Architecture { event, context: 0, levels: vec![vec![squash]], splits: vec![], base };
    let flow = Flow::new(&architecture, 1, &Device::default()).expect("valid");
    let scaling = PictureScaling { bits: 8, range: Range::Logit { alpha } };
    let pixels = (0..200).map(|i| (i * 37 % 256) as u8).collect();
    let pictures = Pictures::new(pixels, event, scaling).expect("bytes");
    let score = model(flow, scaling).bits_per_dim(&pictures, 1, 0, |_| true).expect("fits");
    for bits in score.each {
        assert!((bits - 8.0).abs() < 1e-3, "{bits} is not 8");
    }
}

#[test]
fn more_draws_tighten_the_bound() {
    let event = [4, 4, 1];
    let flow = moved(FLOWS[0].1, event, 0, 3);
    let pictures = pictures(event, 64, 0, 8);
    let model = model(flow, PictureScaling::default());
    let mean = |draws| model.bits_per_dim(&pictures, draws, 0, |_| true).expect("fits").mean_and_standard_error().0;
    assert!(mean(16) < mean(1), "{} is not below {}", mean(16), mean(1));
}

#[test]
fn pictures_come_back_bit_for_bit_through_the_latents_of_a_model() {
    let event = [8, 8, 3];
    for (name, text) in FLOWS {
        for classes in [0, 2] {
            let model = model(moved(text, event, classes, 3), PictureScaling::default());
            let pictures = pictures(event, 5, classes, 8);
            let (latents, context) = model.latents_of(&pictures).expect("fits");
            assert_eq!(model.pictures_of(&latents, context.as_ref()).expect("fits"), pictures.pixels(), "{name}");
        }
    }
}

#[test]
fn noise_and_flips_follow_from_seed_and_step() {
    let event = [2, 4, 3];
    let plain = pictures(event, 10, 0, 1);
    let device = Device::default();
    let all: Vec<u32> = (0..10).collect();
    let bytes = |batch: Batch| -> Vec<u8> {
        to_f32(batch.x).into_iter().map(|x| PictureScaling::default().inverse(x)).collect()
    };
    assert_eq!(bytes(plain.batch(&all, 1, 5, &device)), plain.pixels(), "without flips pixels stay where they are");
    let flipped = plain.clone().flipped(true);
    let (a, b) = (flipped.batch(&all, 1, 5, &device), flipped.batch(&all, 1, 5, &device));
    assert_eq!(to_f32(a.x.clone()), to_f32(b.x));
    assert_ne!(to_f32(a.x.clone()), to_f32(flipped.batch(&all, 1, 6, &device).x));
    let turned = |picture: &[u8]| -> Vec<u8> {
        picture.chunks(12).flat_map(|row| row.chunks(3).rev().flatten().copied().collect::<Vec<u8>>()).collect()
    };
    let mut seen = [false; 2];
    for (got, original) in bytes(a).chunks(24).zip(plain.pixels().chunks(24)) {
        let was_turned = got == turned(original);
        assert!(was_turned || got == original);
        seen[usize::from(was_turned)] = true;
    }
    assert_eq!(seen, [true; 2], "some pictures turn and some stay");
    assert_eq!(bytes(flipped.range(0..10, 0, &device)), plain.pixels(), "validation is never flipped");
}

#[test]
fn a_flow_learns_pictures_and_resumes_to_the_same_bits() {
    let event = [4, 4, 1];
    let data = || TrainingData {
        train: pictures(event, 256, 0, 1).flipped(true).into(),
        validation: examples(event, 64, 0, 2),
    };
    let architecture = config(FLOWS[0].1).assemble_picture(event, 0).expect("valid");
    let flow = || Flow::new(&architecture, 1, &Device::default()).expect("valid");
    let settings: TrainConfig = serde_json::from_str(
        r#"{"steps":60,"batch":32,"validate_every":20,"checkpoint_every":20,"optimiser":{"kind":"adamax","rate":0.005}}"#,
    )
    .expect("valid");
    let whole = train(flow(), &mut NegativeLogLikelihood, &data(), &settings, None, &mut |_| Control::Continue)
        .expect("trains");
    let (first, last) = (whole.report.history[0].value, whole.report.best.expect("validated").value);
    assert!(last < first && last < 8.0 && last > 0.0, "{first} to {last} bits per dimension");
    let again = mean_nll(&whole.model, &data().validation, &Device::default()).expect("fits");
    assert_eq!(again, last);
    let folder = tempfile::tempdir().expect("a folder");
    let run = flowstill::train::RunFolder::create(folder.path()).expect("a folder");
    let mut stop = |event: &flowstill::train::Event| match event {
        flowstill::train::Event::Step { step: 33, .. } => Control::Stop,
        _ => Control::Continue,
    };
    let stopped = train(flow(), &mut NegativeLogLikelihood, &data(), &settings, Some(&run), &mut stop);
    assert!(matches!(stopped, Err(flowstill::Error::Interrupted { step: 33 })));
    let resumed = train(flow(), &mut NegativeLogLikelihood, &data(), &settings, Some(&run), &mut |_| Control::Continue)
        .expect("resumes");
    assert_eq!(resumed.model.fingerprint(), whole.model.fingerprint());
}

#[test]
fn a_model_of_pictures_survives_its_file() {
    let event = [4, 4, 3];
    let scaling = PictureScaling { bits: 5, range: Range::Logit { alpha: 0.05 } };
    let model = model(moved(FLOWS[0].1, event, 2, 3), scaling);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.safetensors");
    flowstill::file::save(&model, &path).expect("writes");
    let loaded = flowstill::file::load(&path, &Device::default()).expect("reads");
    assert_eq!(loaded.pictures, Some(scaling));
    let labels = [0, 1, 1];
    let drawn = |model: &Model| model.sample_pictures(3, 1, 0.8, &labels).expect("draws");
    assert_eq!(drawn(&model), drawn(&loaded));
    assert!(drawn(&model).iter().all(|v| *v < 32));
}
