//! Hold the GPU to the CPU: the same weights give the same values, log-dets and gradients, trainings go the same way, and the laws of distillation
//! stand. Without a GPU feature, or without a device, every test says so and passes.

#[path = "common/mod.rs"]
mod common;
#[path = "laws/sylvester.rs"]
mod sylvester;
#[allow(dead_code)]
#[path = "laws/table.rs"]
mod table;

use burn::tensor::{DType, Tensor};
use common::{Way, noise, tensor_as};
use flowstill::bijectors::Bijector;
use flowstill::burn;
use flowstill::burn::tensor::{Device, Gradients};
use flowstill::device;
use flowstill::distill::{AlignmentConfig, DistillConfig, Distillation, Projection, SkdForm};
use flowstill::file;
use flowstill::flows::{Flow, FlowConfig};
use flowstill::model::{Model, Standardization, TrainingFacts};
use flowstill::pictures::{PictureScaling, Pictures};
use flowstill::train::{
    Batch, Control, Dataset, Examples, NegativeLogLikelihood, Objective, Rows, TrainConfig, Trained, TrainingData,
    train,
};
use flowstill::{Param, Parameters, random, to_f64};
use std::collections::BTreeMap;
use std::time::Instant;

/// The largest difference from the CPU relative to `1 + |value|`, both in f32: of values and log-dets of one layer, and of its gradients. Mesa's software
/// driver stays within 3e-6 and 2e-4; cards may have coarser exponentials.
const VALUES: f64 = 1e-4;
const GRADIENTS: f64 = 1e-3;

/// The device, or the reason why there is none.
fn gpu() -> Option<Device> {
    match device::gpu() {
        Ok(found) => {
            println!("on {} ({})", device::name(&found), device::GPU_BACKENDS[0]);
            Some(found)
        }
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

fn difference(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let one = |(g, w): (&f64, &f64)| match g == w || (g.is_nan() && w.is_nan()) {
        true => 0.0,
        false => (g - w).abs() / (1.0 + w.abs()),
    };
    // A NaN on one side alone counts as infinitely far.
    got.iter().zip(want).map(one).fold(0.0, |worst, d| if d.is_nan() { f64::INFINITY } else { worst.max(d) })
}

/// The values of one direction and the gradients of a fixed random functional of them.
struct Run {
    values: Vec<f64>,
    log_dets: Vec<f64>,
    gradients: Vec<(String, Vec<f64>)>,
}

fn or_zero<const D: usize>(leaf: &Tensor<D>, grads: &Gradients) -> Vec<f64> {
    leaf.grad(grads).map_or_else(|| vec![0.0; leaf.shape().num_elements()], to_f64)
}

fn leaves<'a>(params: impl IntoIterator<Item = (String, &'a mut Param)>) {
    for (_, param) in params {
        if param.is_trainable() {
            param.set(param.flat().clone().autodiff().require_grad());
        }
    }
}

/// The layer and the batch on a device: plain values first, then the tape, which must agree with them.
fn run(layer: &dyn Bijector, way: Way, batch: &common::Batch, device: &Device) -> Run {
    let mut layer = layer.boxed();
    layer.params_mut().into_iter().for_each(|(_, param)| param.to_device(device));
    let (x, context) = batch.tensors(DType::F32);
    let (x, context) = (x.to_device(device), context.map(|context| context.to_device(device)));
    let (values, log_dets) = way.apply(layer.as_ref(), x.clone(), context.as_ref());
    let (values, log_dets) = (to_f64(values), to_f64(log_dets));

    let (x, context) = (x.autodiff().require_grad(), context.map(|context| context.autodiff().require_grad()));
    leaves(layer.params_mut());
    let (out, log_det) = way.apply(layer.as_ref(), x.clone(), context.as_ref());
    assert!(difference(&to_f64(out.clone()), &values) < VALUES, "a tape must not change values");
    let shape = out.dims();
    let w = tensor_as(&noise(shape.iter().product(), "w", 1), shape, DType::F32).to_device(device);
    let v = tensor_as(&noise(shape[0], "v", 1), [shape[0]], DType::F32).to_device(device);
    let score = (out * w).sum() + (log_det * v).sum();
    let grads = score.is_tracked().then(|| score.backward());
    let mut gradients = Vec::new();
    if let Some(grads) = grads {
        gradients.push(("x".to_string(), or_zero(&x, &grads)));
        gradients.extend(context.iter().map(|context| ("context".to_string(), or_zero(context, &grads))));
        let trainable = layer.params().into_iter().filter(|(_, param)| param.is_trainable());
        gradients.extend(trainable.map(|(name, param)| (name, or_zero(param.flat(), &grads))));
    }
    Run { values, log_dets, gradients }
}

/// The bijector with its kinds of transform, conditioner and mask.
fn kind(config: &serde_json::Value) -> String {
    let text = |key: &str| config[key].as_str().or(config[key]["kind"].as_str()).unwrap_or_default().to_string();
    let board = if text("mask").starts_with("checkerboard") { "checkerboard" } else { "" };
    let inner = if config["inner"].is_object() { kind(&config["inner"]) } else { String::new() };
    let parts = [text("bijector"), text("map"), board.into(), text("transform"), text("conditioner"), inner];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// One row of the laws' table of each kind, the last and most spatial; all rows if `FLOWSTILL_GPU_ALL` is set, which takes a software driver long.
fn cases() -> Vec<(String, table::Case)> {
    let name = |case: &table::Case| kind(&serde_json::to_value(&case.config).expect("serialises"));
    let named = table::table().into_iter().map(|case| (name(&case), case));
    match std::env::var_os("FLOWSTILL_GPU_ALL") {
        Some(_) => named.collect(),
        None => named.collect::<BTreeMap<_, _>>().into_iter().collect(),
    }
}

#[test]
fn every_bijector_agrees_with_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let (begun, mut seen) = (Instant::now(), 0);
    let mut bad = Vec::new();
    for (kind, case) in cases() {
        let mut layer = case.build();
        common::cast(layer.as_mut(), DType::F32);
        let batch = case.batch(5);
        for way in Way::BOTH {
            let (cpu, gpu) = (run(layer.as_ref(), way, &batch, &device::cpu()), run(layer.as_ref(), way, &batch, &gpu));
            let values = difference(&gpu.values, &cpu.values).max(difference(&gpu.log_dets, &cpu.log_dets));
            assert_eq!(gpu.gradients.len(), cpu.gradients.len(), "{case:?}");
            let gradients = gpu.gradients.iter().zip(&cpu.gradients).map(|((_, g), (_, c))| difference(g, c));
            let gradients = gradients.fold(0.0, f64::max);
            println!(
                "{kind:70} {way:?}: values {values:.1e}, gradients {gradients:.1e}, {:.0} s",
                begun.elapsed().as_secs_f64()
            );
            seen += 1;
            if values > VALUES || gradients > GRADIENTS {
                bad.push(format!("{way:?} of {:?}: values {values:.1e}, gradients {gradients:.1e}", case.config));
            }
        }
    }
    println!("{seen} runs in {:.0} s", begun.elapsed().as_secs_f64());
    assert!(bad.is_empty(), "{} of {seen} differ:\n{}", bad.len(), bad.join("\n"));
}

const PICTURE_FLOWS: [(&str, &str); 5] = [
    ("glow", r#"{"kind":"glow","levels":2,"steps":2,"hidden":6}"#),
    ("glow plain", r#"{"kind":"glow","levels":2,"steps":1,"hidden":6,"split":{"kind":"standard"},"lu":false}"#),
    (
        "glow spline",
        r#"{"kind":"glow","levels":1,"steps":2,"hidden":6,"transform":{"kind":"rational_quadratic","bins":4}}"#,
    ),
    ("glow learned top", r#"{"kind":"glow","levels":2,"steps":1,"hidden":6,"base":{"kind":"diagonal_normal"}}"#),
    ("realnvp", r#"{"kind":"realnvp","levels":2,"steps":2,"hidden":[6]}"#),
];

const TABLE_FLOWS: [(&str, &str); 5] = [
    ("glow", r#"{"kind":"glow","steps":3,"hidden":8,"layers":3}"#),
    ("maf", r#"{"kind":"maf","blocks":2,"hidden":[8,8],"norm":"batch"}"#),
    ("iaf", r#"{"kind":"iaf","blocks":2,"hidden":[8]}"#),
    ("nsf coupling", r#"{"kind":"nsf","steps":2,"hidden":8,"blocks":1,"bins":4}"#),
    ("nsf autoregressive", r#"{"kind":"nsf","form":"autoregressive","steps":2,"hidden":8,"blocks":1,"bins":4}"#),
];

const EVENT: [usize; 3] = [4, 8, 3];

fn config(text: &str) -> FlowConfig {
    serde_json::from_str(text).expect("a valid flow")
}

fn pictures(count: usize, classes: usize, seed: u64) -> Examples {
    let mut rng = random::stream(seed, "pixels", 0);
    let mut pixels = Vec::new();
    for shade in random::uniforms(count, &mut rng) {
        let size = EVENT.iter().product();
        pixels.extend(random::uniforms(size, &mut rng).iter().map(|u| (200.0 * shade + 55.0 * u) as u8));
    }
    let made = Pictures::new(pixels, EVENT, PictureScaling::default()).expect("bytes");
    match classes {
        0 => made.into(),
        _ => made.with_labels((0..count as u32).map(|i| i % classes as u32).collect(), classes).expect("fit").into(),
    }
}

fn rows(count: usize, context: usize, seed: u64) -> Examples {
    let noise = random::normals(count * 4, &mut random::stream(seed, "table", 0));
    let values = noise.chunks_exact(4);
    let values = values.flat_map(|n| [n[0], 0.5 * n[0] * n[0] + 0.3 * n[1], n[1] - n[0] + 0.2 * n[2], n[3]]).collect();
    let given = random::normals(count * context, &mut random::stream(seed, "context", 0));
    Rows::with_context(values, 4, given, context).expect("finite").into()
}

/// A flow on the CPU, started on data and moved away from its start; and its data.
fn moved(text: &str, picture: bool, context: usize, seed: u64) -> Flow {
    let data = examples(picture, 32, context, 3);
    let mut flow = Flow::new(&assemble(text, picture, context), seed, &device::cpu()).expect("a valid flow");
    let first = data.range(0..32, &device::cpu());
    flow.initialize(&first.x, first.context.as_ref()).expect("the batch fits");
    let mut rng = random::stream(seed, "move", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.03 * noise).collect());
    }
    flow
}

fn assemble(text: &str, picture: bool, context: usize) -> flowstill::flows::Architecture {
    match picture {
        true => config(text).assemble_picture(EVENT, context),
        false => config(text).assemble(4, context, 1),
    }
    .expect("a valid flow")
}

fn examples(picture: bool, count: usize, context: usize, seed: u64) -> Examples {
    if picture { pictures(count, context, seed) } else { rows(count, context, seed) }
}

fn batch(picture: bool, count: usize, context: usize, step: u64, device: &Device) -> Batch {
    examples(picture, count, context, step).batch(&(0..count as u32).collect::<Vec<_>>(), 1, step, device)
}

/// Every flow: its name, its recipe, whether it is over pictures, and how many values condition it (every other one has none).
fn every_flow() -> Vec<(String, &'static str, bool, usize)> {
    let named = |kind: &str, flows: &[(&'static str, &'static str)], picture| -> Vec<_> {
        let context = |at: usize| 2 * (at % 2);
        flows
            .iter()
            .enumerate()
            .map(|(at, (name, text))| (format!("{kind} {name}"), *text, picture, context(at)))
            .collect()
    };
    [named("picture", &PICTURE_FLOWS, true), named("table", &TABLE_FLOWS, false)].concat()
}

#[test]
fn whole_flows_agree_with_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let begun = Instant::now();
    for (name, text, picture, context) in every_flow() {
        let flow = moved(text, picture, context, 5);
        let here = |device: &Device| {
            let flow = flow.clone().to_device(device);
            assert_eq!(flow.device(), *device);
            let data = batch(picture, 6, context, 9, device);
            let log_prob = to_f64(flow.log_prob(data.x.clone(), data.context.as_ref()).expect("fits"));
            let (latents, _) = flow.forward(data.x.clone(), data.context.as_ref()).expect("fits");
            let (back, _) = flow.inverse(&latents, data.context.as_ref()).expect("fits");
            let round_trip = to_f64((back - data.x.clone()).abs().max())[0];
            let (samples, of_samples) = flow
                .sample_and_log_prob(6, 1.0, data.context.as_ref(), &mut random::stream(4, "sample", 0))
                .expect("fits");
            let (samples, of_samples) = (to_f64(samples), to_f64(of_samples));
            let tracked = flow.tracked();
            let loss = NegativeLogLikelihood.loss(&tracked, &data, 0, 1).expect("fits").total;
            let grads = loss.backward();
            let gradients: Vec<f64> = tracked
                .params()
                .into_iter()
                .filter(|(_, param)| param.is_trainable())
                .flat_map(|(_, param)| or_zero(param.flat(), &grads))
                .collect();
            (log_prob, samples, of_samples, gradients, round_trip)
        };
        let (cpu, gpu) = (here(&device::cpu()), here(&gpu));
        let worst = [
            difference(&gpu.0, &cpu.0),
            difference(&gpu.1, &cpu.1),
            difference(&gpu.2, &cpu.2),
            difference(&gpu.3, &cpu.3),
        ];
        println!(
            "{name:24} context {context}: density, samples, their density, gradients {}; round trip {:.1e}, on the CPU {:.1e}",
            worst.map(|d| format!("{d:.1e}")).join(" "),
            gpu.4,
            cpu.4
        );
        assert!(worst[..3].iter().all(|d| *d < 5e-4) && worst[3] < 2e-3, "{name}, context {context}: {worst:?}");
        assert!(gpu.4 < 5e-4, "{name}, context {context}: round trip {}", gpu.4);
    }
    println!("{:.0} s", begun.elapsed().as_secs_f64());
}

fn trained(text: &str, picture: bool, device: &Device, objective: &mut dyn Objective) -> Trained<Flow> {
    let data = TrainingData { train: examples(picture, 256, 0, 1), validation: examples(picture, 64, 0, 2) };
    let settings = TrainConfig { steps: 20, batch: 32, validate_every: 5, ..TrainConfig::default() };
    let flow = Flow::new(&assemble(text, picture, 0), 7, device).expect("a valid flow");
    let trained = train(flow, objective, &data, &settings, None, &mut |_| Control::Continue).expect("trains");
    assert_eq!((trained.report.steps, trained.report.skipped), (20, 0));
    assert_eq!(trained.model.device(), *device);
    trained
}

fn validations(trained: &Trained<Flow>) -> Vec<f64> {
    trained.report.history.iter().map(|validation| validation.value).collect()
}

#[test]
fn trainings_go_the_way_they_go_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (name, text, picture) in [
        ("table glow", TABLE_FLOWS[0].1, false),
        ("maf", TABLE_FLOWS[1].1, false),
        ("picture glow", PICTURE_FLOWS[0].1, true),
    ] {
        let [cpu, gpu] = [device::cpu(), gpu.clone()].map(|device| {
            let begun = Instant::now();
            let trained = trained(text, picture, &device, &mut NegativeLogLikelihood);
            (validations(&trained), begun.elapsed().as_secs_f64())
        });
        let apart = difference(&gpu.0, &cpu.0);
        println!(
            "{name}: {:.4?} on the CPU, {:.4?}, {apart:.1e} apart; {:.1} s and {:.1} s",
            cpu.0, gpu.0, cpu.1, gpu.1
        );
        assert_ne!(gpu.0.first(), gpu.0.last(), "{name}: steps move the weights");
        assert!(apart < 1e-3, "{name}: {apart}");
    }
}

#[test]
fn a_student_learns_from_its_teacher() {
    let Some(gpu) = gpu() else { return };
    for (name, teacher, student, picture) in [
        ("picture glow", PICTURE_FLOWS[0].1, r#"{"kind":"glow","levels":2,"steps":1,"hidden":4}"#, true),
        ("table glow", TABLE_FLOWS[0].1, r#"{"kind":"glow","steps":1,"hidden":4,"layers":2}"#, false),
        ("maf", TABLE_FLOWS[1].1, r#"{"kind":"maf","blocks":1,"hidden":[4],"norm":"batch"}"#, false),
    ] {
        for skd_form in [SkdForm::Inverse, SkdForm::Cycle] {
            let settings = DistillConfig {
                ilkd: 0.1,
                skd: 0.1,
                pool: 128,
                alignment: AlignmentConfig::Ends,
                skd_form,
                ..DistillConfig::default()
            };
            let [cpu, gpu] = [device::cpu(), gpu.clone()].map(|device| {
                let teacher = moved(teacher, picture, 0, 3).to_device(&device);
                let untrained = Flow::new(&assemble(student, picture, 0), 7, &device).expect("a valid flow");
                let mut objective = Distillation::new(&teacher, &untrained, &settings, 5, 32).expect("fits");
                let before = teacher.fingerprint();
                let trained = trained(student, picture, &device, &mut objective);
                assert_eq!(before, objective.teacher().fingerprint(), "{name}: the teacher stays as it was");
                validations(&trained)
            });
            let apart = difference(&gpu, &cpu);
            println!("{name}, {skd_form:?}: {cpu:.4?} on the CPU, {gpu:.4?}, {apart:.1e} apart");
            assert!(apart < 1e-2, "{name}, {skd_form:?}: {apart}");
        }
    }
}

#[test]
fn a_copied_student_has_every_distillation_loss_exactly_zero() {
    let Some(gpu) = gpu() else { return };
    let mut largest = 0.0_f64;
    for (name, text, picture, context) in every_flow() {
        let teacher = moved(text, picture, context, 3).to_device(&gpu);
        for (skd_form, projection) in [
            (SkdForm::Inverse, Projection::None),
            (SkdForm::Cycle, Projection::Linear),
            (SkdForm::Trajectory, Projection::None),
        ] {
            let settings = DistillConfig {
                lkd: 0.1,
                ilkd: 0.1,
                skd: 0.1,
                teacher_samples: 0.1,
                norm_control: 0.5,
                pool: 16,
                skd_form,
                projection,
                ..DistillConfig::default()
            };
            let student = teacher.clone().tracked();
            let objective = Distillation::new(&teacher, &student, &settings, 5, 8).expect("a copy fits");
            let data = batch(picture, 8, context, 1, &gpu);
            let loss = objective.loss(&student, &data, 1, 10).expect("a copy fits");
            let terms = loss.terms.iter().filter(|(term, _)| ["lkd", "ilkd", "skd", "norm"].contains(term));
            let terms: Vec<_> = terms.map(|(term, value)| (*term, to_f64(value.clone())[0])).collect();
            assert_eq!(terms.len(), 4, "{name}: every term takes part");
            println!("{name}, context {context}, {skd_form:?}: {terms:?}");
            largest = terms.iter().fold(largest, |largest, (_, value)| largest.max(value.abs()));
        }
    }
    assert_eq!(largest, 0.0);
}

#[test]
fn a_flow_file_carries_weights_between_devices() {
    let Some(gpu) = gpu() else { return };
    let flow = moved(TABLE_FLOWS[0].1, false, 0, 3).to_device(&gpu);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.safetensors");
    let model = Model {
        flow: flow.clone(),
        standardization: Standardization::identity(4, 0),
        pictures: None,
        dequantizer: None,
        facts: TrainingFacts::default(),
    };
    file::save(&model, &path).expect("saves");
    let loaded = [device::cpu(), gpu].map(|device| file::load(&path, &device).expect("loads").flow);
    assert!(loaded.iter().all(|copy| copy.fingerprint() == flow.fingerprint()));
    assert_eq!(loaded[1].device(), flow.device());
}
