//! Hold the bijector that CONTRIBUTING.md lets you copy to the laws, and to what a flow needs of it: training, files, samples.

#[path = "common/mod.rs"]
mod common;
#[path = "../examples/add_a_bijector.rs"]
#[allow(dead_code)]
mod example;

use common::{Batch, Way, assert_close, cast, log_abs_det, noise};
use example::{Asinh, data, flow};
use flowstill::base::BaseConfig;
use flowstill::bijectors::{Bijector, Chain, Context, InverseKind, Inverted};
use flowstill::burn::tensor::{DType, Device, Tensor};
use flowstill::distill::{AlignmentConfig, DistillConfig, Distillation};
use flowstill::flows::{Flow, Level, Memory};
use flowstill::model::{Model, Standardization, TrainingFacts};
use flowstill::train::{Control, Event, NegativeLogLikelihood, Objective, RunFolder, TrainConfig, train};
use flowstill::{Error, Parameters, Result, file, parameters, random, to_f64};

#[test]
fn the_template_obeys_the_laws() {
    let mut layer = Asinh::new(3, &Device::default());
    layer.params_mut().into_iter().for_each(|(_, param)| param.set_values(vec![0.3, -1.0, 2.0]));
    cast(&mut layer, DType::F64);
    let mut values = noise(4 * 3, "data", 1);
    values[0] = -40.0;
    let batch = Batch { values, shape: [4, 1, 1, 3], context: Vec::new(), width: 0 };
    let (z, log_det) = batch.run(&layer, Way::Forward);
    let (back, same) = batch.with_values(z).run(&layer, Way::Inverse);
    assert_close(&back, &batch.values, 1e-9, "round trip");
    assert_close(&same, &log_det, 1e-9, "log-det of the inverse");
    for (sample, log_det) in log_det.iter().enumerate() {
        let jacobian = batch.jacobian(&layer, Way::Forward, sample);
        assert_close(&[*log_det], &[log_abs_det(&jacobian, 3)], 1e-6, "log-det of the Jacobian");
    }
    assert_eq!((layer.name().as_str(), layer.config()), ("Asinh", None));
}

fn settings() -> TrainConfig {
    TrainConfig { steps: 20, batch: 64, validate_every: 5, checkpoint_every: 5, ..TrainConfig::default() }
}

#[test]
fn a_flow_with_the_template_resumes_to_the_same_bits_and_scores_what_it_draws() {
    let mut go = |_: &Event| Control::Continue;
    let data = data().expect("rows");
    let learn = |run: Option<&RunFolder>, events: &mut dyn FnMut(&Event) -> Control| {
        train(flow(true).expect("fits"), &mut NegativeLogLikelihood, &data, &settings(), run, events)
    };
    let straight = learn(None, &mut go).expect("trains").model;
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(folder.path()).expect("a folder");
    let mut stop = |event: &Event| match event {
        Event::Step { step: 7, .. } => Control::Stop,
        _ => Control::Continue,
    };
    assert!(matches!(learn(Some(&run), &mut stop), Err(Error::Interrupted { step: 7 })));
    let resumed = learn(Some(&run), &mut go).expect("ends").model;
    assert_eq!(straight.fingerprint(), resumed.fingerprint());
    // A flow without the layer does not take its checkpoint.
    let plain = train(flow(false).expect("fits"), &mut NegativeLogLikelihood, &data, &settings(), Some(&run), &mut go);
    assert!(plain.map(|_| ()).expect_err("another flow").to_string().contains("another recipe"));
    assert_eq!((straight.inverse_kind(), straight.is_compiled()), (InverseKind::Exact, false));
    let (x, log_prob) =
        straight.sample_and_log_prob(50, 1.0, None, &mut random::stream(1, "draw", 0)).expect("samples");
    assert_close(&to_f64(straight.log_prob(x, None).expect("scores")), &to_f64(log_prob), 1e-3, "density of a sample");
}

#[test]
fn a_flow_with_the_template_is_distilled() {
    let data = data().expect("rows");
    let mut teacher = flow(true).expect("fits");
    let first = data.train.range(0..200, &Device::default());
    teacher.initialize(&first.x, None).expect("fits");
    let config =
        DistillConfig { ilkd: 0.1, skd: 0.1, alignment: AlignmentConfig::Ends, pool: 64, ..DistillConfig::default() };
    let copy = teacher.clone().tracked();
    let lesson = Distillation::new(&teacher, &copy, &config, 1, 64).expect("fits");
    for (term, value) in lesson.loss(&copy, &first, 0, 10).expect("fits").terms {
        let value = to_f64(value)[0];
        assert!(if ["ilkd", "skd"].contains(&term) { value == 0.0 } else { value.is_finite() }, "{term}: {value}");
    }
}

#[test]
fn a_file_refuses_the_template_by_name() {
    let model = |flow| Model {
        flow,
        standardization: Standardization::identity(2, 0),
        pictures: None,
        dequantizer: None,
        facts: TrainingFacts::default(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.safetensors");
    let error = file::save(&model(flow(true).expect("fits")), &path).expect_err("its own layer").to_string();
    assert!(
        error.starts_with("layer levels.0.steps.0 (Asinh): is not of flowstill") && !error.contains('\n'),
        "{error}"
    );
    assert!(!path.exists());
    let chained = Chain::new(vec![Asinh::new(2, &Device::default()).boxed()]).boxed();
    let error = file::save(&model(one_level(vec![chained]).expect("fits")), &path).expect_err("in a chain").to_string();
    assert!(error.contains("(Chain of Asinh)"), "{error}");
    // Layers of the library alone make a flow like any other.
    let plain = model(flow(false).expect("fits"));
    file::save(&plain, &path).expect("writes");
    let loaded = file::load(&path, &Device::default()).expect("reads");
    assert_eq!((loaded.flow.fingerprint(), loaded.flow.is_compiled()), (plain.flow.fingerprint(), true));
}

fn one_level(steps: Vec<Box<dyn Bijector>>) -> Result<Flow> {
    Flow::from_bijectors([1, 1, 2], 0, vec![Level::new(steps, None)], &BaseConfig::default(), 1, &Device::default())
}

/// `z = x + x^3 / 3`, whose inverse nobody has written.
#[derive(Clone, Debug)]
struct Cubic;

parameters!(Cubic {});

impl Bijector for Cubic {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let square = x.clone().square();
        (x * (square.clone() / 3.0 + 1.0), flowstill::shape::sum_event((square + 1.0).log()))
    }

    fn inverse(&self, _z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        unreachable!("a flow never asks for it")
    }

    fn inverse_kind(&self) -> InverseKind {
        InverseKind::Unavailable
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }
}

#[test]
fn a_flow_without_an_inverse_scores_and_learns_and_refuses_to_sample_by_name() {
    let asinh = || Asinh::new(2, &Device::default()).boxed();
    let flow = one_level(vec![asinh(), Cubic.boxed()]).expect("fits");
    let data = data().expect("rows");
    for memory in [Memory::Store, Memory::Recompute, Memory::Invert] {
        let settings = TrainConfig { memory, ..settings() };
        let go = &mut |_: &Event| Control::Continue;
        train(flow.clone(), &mut NegativeLogLikelihood, &data, &settings, None, go).expect("trains");
    }
    let error = flow.sample(3, 1.0, None, &mut random::stream(1, "draw", 0)).map(|_| ()).expect_err("no inverse");
    let error = error.to_string();
    assert!(error.starts_with("layer levels.0.steps.1 (Cubic): has no inverse") && !error.contains('\n'), "{error}");
    assert_eq!(flow.inverse_kind(), InverseKind::Unavailable);
    let round = Inverted::new(Chain::new(vec![Cubic.boxed()]).boxed()).map(|_| ()).expect_err("no inverse");
    assert!(round.to_string().starts_with("Chain of Cubic: has no inverse"), "{round}");
    let numeric = |tolerance| InverseKind::Numeric { tolerance };
    assert_eq!(numeric(1e-3).and(InverseKind::Exact).and(numeric(1e-3)), numeric(2e-3));
}

#[test]
fn layers_that_do_not_fit_are_told() {
    let library = flow(false).expect("fits").levels()[0].steps()[0].boxed();
    let wide = Flow::from_bijectors(
        [1, 1, 3],
        0,
        vec![Level::new(vec![library], None)],
        &BaseConfig::default(),
        1,
        &Device::default(),
    );
    assert!(matches!(wide, Err(Error::Shape { .. })));
    let none = Flow::from_bijectors([1, 1, 2], 0, Vec::new(), &BaseConfig::default(), 1, &Device::default());
    assert!(none.map(|_| ()).expect_err("no level").to_string().starts_with("levels: "));
}
