//! Hold variational dequantisation to its laws: noise inside its cube, an exact density, one likelihood by two kinds of noise, runs that resume.

use flowstill::burn::tensor::{DType, Device, Tensor, TensorData};
use flowstill::distill::{DistillConfig, Distillation, SharedNoise, SkdForm};
use flowstill::flows::{Flow, FlowConfig, Memory};
use flowstill::model::{Model, Standardization, TrainingFacts};
use flowstill::pictures::{PictureScaling, Pictures, Range, VariationalConfig, VariationalDequantizer};
use flowstill::train::{
    Control, Event, Examples, NegativeLogLikelihood, Objective, Rows, RunFolder, TrainConfig, TrainingData,
    VariationalNll, mean_nll_with, train,
};
use flowstill::{Param, Parameters, random, to_f32, to_f64};

const CONFIG: VariationalConfig = VariationalConfig { steps: 4, hidden: 6 };

fn perturb(params: Vec<(String, &mut Param)>, by: f32, seed: u64) {
    let mut rng = random::stream(seed, "move", 0);
    for (_, param) in params.into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + by * noise).collect());
    }
}

fn track(params: Vec<(String, &mut Param)>) {
    for (_, param) in params.into_iter().filter(|(_, param)| param.is_trainable()) {
        param.set(param.flat().clone().autodiff().require_grad());
    }
}

fn fresh(event: [usize; 3]) -> VariationalDequantizer {
    VariationalDequantizer::new(&CONFIG, event, 1, &Device::default()).expect("even sides")
}

fn moved(event: [usize; 3], by: f32) -> VariationalDequantizer {
    let mut made = fresh(event);
    perturb(made.params_mut(), by, 5);
    made
}

fn flow(event: [usize; 3], pictures: &Pictures) -> Flow {
    let config: FlowConfig = serde_json::from_str(r#"{"kind":"glow","levels":1,"steps":2,"hidden":6}"#).expect("valid");
    let architecture = config.assemble_picture(event, 0).expect("valid");
    let mut flow = Flow::new(&architecture, 1, &Device::default()).expect("valid");
    flow.initialize(&pictures.range(0..pictures.len(), 0, &Device::default()).x, None).expect("fits");
    perturb(flow.params_mut(), 0.03, 2);
    flow
}

/// Pictures with few shades, where uniform noise wastes bits.
fn pictures(event: [usize; 3], count: usize, scaling: PictureScaling, seed: u64) -> Pictures {
    let (size, most) = (event.iter().product::<usize>(), (1_u32 << scaling.bits) as f32);
    let values = random::uniforms(count * size, &mut random::stream(seed, "pixels", 0));
    Pictures::new(values.iter().map(|u| (u * u * most) as u8).collect(), event, scaling).expect("in range")
}

fn scaling(bits: u32) -> PictureScaling {
    PictureScaling { bits, range: Range::Centred }
}

fn worst(a: Tensor<4>, b: Tensor<4>) -> f64 {
    to_f64((a - b).abs().max())[0]
}

#[test]
fn a_new_one_is_the_uniform_noise_of_the_batch() {
    for range in [Range::Centred, Range::Logit { alpha: 0.05 }] {
        let event = [4, 6, 3];
        let pictures = pictures(event, 8, PictureScaling { bits: 5, range }, 1).flipped(true);
        let batch = pictures.batch(&[0, 3, 5, 7], 2, 9, &Device::default());
        let mut dequantizer = fresh(event);
        dequantizer.initialize(&batch).expect("fits");
        let drawn = dequantizer.draw(&batch).expect("fits");
        assert_eq!(to_f64(drawn.log_q), [0.0; 4], "exactly uniform");
        assert!(worst(drawn.x, batch.x.clone()) < 1e-5, "the noise that the batch has anyway");
        let applied = dequantizer.apply(&batch).expect("fits");
        assert!(applied.log_dets.iter().zip(&batch.log_dets).all(|(a, b)| (a - b).abs() < 2e-3));
    }
}

#[test]
fn noise_stays_in_its_cube_and_its_density_is_that_of_the_jacobian() {
    for event in [[2, 2, 1], [2, 4, 2]] {
        let n: usize = event.iter().product();
        let mut dequantizer = moved(event, 0.3);
        dequantizer.params_mut().into_iter().for_each(|(_, param)| param.cast(DType::F64));
        let tensor = |values: Vec<f64>| {
            let [h, w, c] = event;
            Tensor::<4>::from_data(TensorData::new(values, [1, h, w, c]), (&Device::default(), DType::F64))
        };
        let draw = |purpose| -> Vec<f64> {
            random::normals(n, &mut random::stream(3, purpose, 0)).into_iter().map(f64::from).collect()
        };
        let (v, eps) = (draw("v"), draw("eps"));
        let noise = |eps: Vec<f64>| {
            let (u, log_q) = dequantizer.noise(tensor(v.clone()), tensor(eps)).expect("fits");
            (to_f64(u), to_f64(log_q)[0])
        };
        let (u, log_q) = noise(eps.clone());
        assert!(u.iter().all(|u| (0.0..1.0).contains(u) && *u > 0.0), "{u:?}");
        assert!(log_q.abs() > 1e-3, "moved away from uniform");
        let h = 1e-6;
        let mut jacobian = vec![0.0; n * n];
        for j in 0..n {
            let at = |step: f64| {
                let mut eps = eps.clone();
                eps[j] += step;
                noise(eps).0
            };
            let (up, down) = (at(h), at(-h));
            (0..n).for_each(|i| jacobian[i * n + j] = (up[i] - down[i]) / (2.0 * h));
        }
        let log_normal: f64 = eps.iter().map(|e| -0.5 * (e * e + (2.0 * std::f64::consts::PI).ln())).sum();
        let want = log_normal - log_abs_determinant(jacobian, n);
        assert!((want - log_q).abs() < 1e-4, "{event:?}: {log_q} is not {want}");
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

/// `P(v)` is one number, whatever the noise that it is estimated with.
#[test]
fn uniform_and_learned_noise_estimate_the_same_likelihood() {
    let (event, draws) = ([2, 2, 1], 12_000);
    let flow = flow(event, &pictures(event, 64, scaling(1), 3));
    for pattern in [[0, 0, 0, 0], [1, 0, 0, 1], [1, 1, 0, 1]] {
        let same = Pictures::new(pattern.repeat(draws), event, scaling(1)).expect("bits");
        let batch = same.range(0..draws, 4, &Device::default());
        let dequantizer = moved(event, 0.08);
        let learned = dequantizer.apply(&batch).expect("fits");
        let estimate = |batch: flowstill::train::Batch| {
            let log_prob = to_f64(flow.log_prob(batch.x, None).expect("fits"));
            let weights: Vec<f64> = log_prob.iter().zip(&batch.log_dets).map(|(p, d)| (p + d).exp()).collect();
            let mean = weights.iter().sum::<f64>() / draws as f64;
            let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / draws as f64;
            (mean, (variance / draws as f64).sqrt())
        };
        let ((a, a_error), (b, b_error)) = (estimate(batch), estimate(learned));
        assert!(a_error < 0.05 * a && b_error < 0.05 * b, "{pattern:?}: {a} +- {a_error}, {b} +- {b_error}");
        let gap = (a - b).abs() / a_error.hypot(b_error);
        assert!(gap < 4.0, "{pattern:?}: {a} +- {a_error} is not {b} +- {b_error}");
        assert!((a - b).abs() < 0.05 * a, "{pattern:?}: {a} is not {b}");
    }
}

#[test]
fn a_flow_and_its_dequantizer_learn_and_resume_to_the_same_bits() {
    let event = [4, 4, 1];
    let (first, second) = (pictures(event, 256, scaling(2), 1), pictures(event, 64, scaling(2), 2));
    let data = TrainingData { train: first.clone().flipped(true), validation: second.clone() };
    for ema in ["0.0", "0.9"] {
        let settings: TrainConfig = serde_json::from_str(&format!(
            r#"{{"steps":60,"batch":32,"validate_every":15,"checkpoint_every":15,"ema":{ema},"optimiser":{{"kind":"adamax","rate":0.005}}}}"#
        ))
        .expect("valid");
        let start = flow(event, &first);
        let mut whole_objective = VariationalNll::new(fresh(event));
        let go = &mut |_: &Event| Control::Continue;
        let whole = train(start.clone(), &mut whole_objective, &data, &settings, None, go).expect("trains");
        let best = whole.report.best.expect("validated").value;
        assert!(best < whole.report.history[0].value && best > 0.0);
        let dequantizer = whole_objective.finish();
        assert_ne!(dequantizer.fingerprint(), fresh(event).fingerprint());
        let again =
            mean_nll_with(&whole.model, Some(&dequantizer), &data.validation, &Device::default()).expect("fits");
        assert_eq!(again, best, "what is kept is what was validated");
        let folder = tempfile::tempdir().expect("a folder");
        let run = RunFolder::create(folder.path()).expect("a folder");
        let mut stop = |event: &Event| match event {
            Event::Step { step: 33, .. } => Control::Stop,
            _ => Control::Continue,
        };
        let mut objective = VariationalNll::new(fresh(event));
        let stopped = train(start.clone(), &mut objective, &data, &settings, Some(&run), &mut stop);
        assert!(matches!(stopped, Err(flowstill::Error::Interrupted { step: 33 })));
        let mut objective = VariationalNll::new(fresh(event));
        let resumed = train(start.clone(), &mut objective, &data, &settings, Some(&run), go).expect("resumes");
        assert_eq!(resumed.model.fingerprint(), whole.model.fingerprint());
        assert_eq!(objective.finish().fingerprint(), dequantizer.fingerprint());
        let foreign = train(start.clone(), &mut NegativeLogLikelihood, &data, &settings, Some(&run), go);
        assert!(foreign.is_err(), "a checkpoint of another objective is refused");
    }
}

/// The gradient reaches the dequantiser through the flow, whatever is kept of the flow's states.
#[test]
fn gradients_reach_the_dequantizer_in_every_memory_mode() {
    let event = [4, 4, 1];
    let pictures = pictures(event, 16, scaling(3), 1);
    let batch = pictures.range(0..16, 0, &Device::default());
    let gradients = |memory| -> Vec<f64> {
        let mut objective = VariationalNll::new(moved(event, 0.05));
        track(objective.params_mut());
        let flow = flow(event, &pictures).with_memory(memory).tracked();
        let grads = objective.loss(&flow, &batch, 0, 1).expect("fits").total.backward();
        let params = objective.params().into_iter().filter(|(_, param)| param.is_trainable());
        params.flat_map(|(_, param)| to_f64(param.flat().grad(&grads).expect("reached"))).collect()
    };
    let stored = gradients(Memory::Store);
    let largest = stored.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    assert!(largest > 1e-3);
    for memory in [Memory::Recompute, Memory::Invert] {
        let gap = gradients(memory).iter().zip(&stored).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(gap < 1e-3 * largest, "{memory:?}: {gap} of {largest}");
    }
}

#[test]
fn a_copied_student_loses_nothing_under_its_teachers_noise() {
    let event = [4, 8, 3];
    let pictures = pictures(event, 8, scaling(5), 1);
    let teacher = flow(event, &pictures);
    let noise = moved(event, 0.1);
    for skd_form in [SkdForm::Inverse, SkdForm::Cycle, SkdForm::Trajectory] {
        let settings = DistillConfig {
            lkd: 0.1,
            ilkd: 0.1,
            norm_control: 0.5,
            pool: 16,
            skd_form,
            dequantization: SharedNoise::Teacher,
            ..DistillConfig::default()
        };
        let student = teacher.clone().tracked();
        let made = Distillation::new(&teacher, &student, &settings, 5, 8).expect("a copy fits");
        let batch = pictures.batch(&[0, 1, 2, 3, 4, 5, 6, 7], 1, 3, &Device::default());
        let error = made.loss(&student, &batch, 0, 10).expect_err("no dequantiser").to_string();
        assert!(error.contains("distill.dequantization"), "{error}");
        let made = made.with_dequantizer(&noise).expect("fits");
        let loss = made.loss(&student, &batch, 0, 10).expect("fits");
        for (term, value) in loss.terms {
            let value = to_f64(value)[0];
            match ["lkd", "ilkd", "skd", "norm"].contains(&term) {
                true => assert_eq!(value, 0.0, "{skd_form:?}: {term}"),
                false => assert!(value.is_finite() && value != 0.0, "{term}"),
            }
        }
        let examples: Examples = pictures.clone().into();
        let direct = mean_nll_with(&teacher, Some(&noise), &examples, &Device::default()).expect("fits");
        assert!(direct.is_finite());
        assert_eq!(made.dequantizer().expect("the teacher's").fingerprint(), noise.fingerprint());
    }
    let other = moved([4, 4, 3], 0.1);
    let made = Distillation::new(&teacher, &teacher, &DistillConfig::default(), 5, 8).expect("a copy fits");
    assert!(made.with_dequantizer(&other).is_err());
}

#[test]
fn a_model_with_a_dequantizer_survives_its_file_and_scores_by_it() {
    let event = [4, 4, 1];
    let scaling = PictureScaling { bits: 4, range: Range::Logit { alpha: 0.05 } };
    let pictures = pictures(event, 32, scaling, 1);
    let model = Model {
        flow: flow(event, &pictures),
        standardization: Standardization::identity(1, 0),
        pictures: Some(scaling),
        dequantizer: Some(moved(event, 0.1)),
        facts: TrainingFacts::default(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.safetensors");
    flowstill::file::save(&model, &path).expect("writes");
    let loaded = flowstill::file::load(&path, &Device::default()).expect("reads");
    let score = |model: &Model, draws| model.bits_per_dim(&pictures, draws, 0, |_| true).expect("scores");
    assert_eq!(score(&model, 2), score(&loaded, 2));
    assert_ne!(score(&model, 1), score(&Model { dequantizer: None, ..model.clone() }, 1));
    let mean = |draws| score(&model, draws).mean_and_standard_error().0;
    assert!(mean(16) < mean(1), "more draws tighten the bound");
    let bytes = std::fs::read(&path).expect("reads");
    assert!(String::from_utf8_lossy(&bytes).contains("\"dequantizer.map.steps.0."));
    let table = Model { pictures: None, ..model };
    flowstill::file::save(&table, &path).expect("writes");
    let error = flowstill::file::load(&path, &Device::default()).expect_err("no pictures").to_string();
    assert!(error.contains("dequantiser"), "{error}");
}

#[test]
fn misfits_are_told_with_a_remedy() {
    let make = |config, event| VariationalDequantizer::new(&config, event, 0, &Device::default());
    for event in [[3, 4, 1], [4, 5, 1], [1, 1, 6]] {
        let error = make(CONFIG, event).expect_err("odd").to_string();
        assert!(error.contains("even height and width") && error.contains("uniform"), "{error}");
    }
    let none = VariationalConfig { steps: 0, ..CONFIG };
    assert!(make(none, [2, 2, 1]).expect_err("no steps").to_string().contains("variational.steps"));
    let rows = Rows::new(vec![0.0; 4], 4).expect("a row").range(0..1, &Device::default());
    assert!(fresh([2, 2, 1]).apply(&rows).expect_err("a table").to_string().contains("no pixel values"));
    let other = pictures([4, 4, 1], 2, scaling(8), 1).range(0..2, 0, &Device::default());
    assert!(fresh([2, 2, 1]).apply(&other).is_err());
    assert!(to_f32(other.x).iter().all(|x| (-0.5..=0.5).contains(x)));
}
