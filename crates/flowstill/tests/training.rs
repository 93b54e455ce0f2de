//! Hold a training to its promises: it learns, resumes to the same bits, skips what is not finite, and refuses what does not fit.

use flowstill::burn::tensor::{Device, Tensor};
use flowstill::distill::{DistillConfig, Distillation};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::train::{
    Batch, Control, Event, Loss, NegativeLogLikelihood, Objective, OptimiserConfig, OptimiserKind, Rows, RunFolder,
    ScheduleConfig, ScheduleKind, TrainConfig, TrainingData, train,
};
use flowstill::{Error, Result, random};

/// A correlated, skewed table: something to learn.
fn table(rows: usize, seed: u64) -> Rows {
    let noise = random::normals(rows * 3, &mut random::stream(seed, "table", 0));
    let values =
        noise.chunks_exact(3).flat_map(|n| [n[0], 0.5 * n[0] * n[0] + 0.3 * n[1], n[1] - n[0] + 0.2 * n[2]]).collect();
    Rows::new(values, 3).expect("finite")
}

fn data() -> TrainingData {
    TrainingData { train: table(600, 1).into(), validation: table(200, 2).into() }
}

fn flow(json: &str) -> Flow {
    let config: FlowConfig = serde_json::from_str(json).expect("valid");
    Flow::new(&config.assemble(3, 0, 1).expect("valid"), 1, &Device::default()).expect("valid")
}

const GLOW: &str = r#"{"kind":"glow","steps":2,"hidden":8,"layers":2}"#;
const MAF: &str = r#"{"kind":"maf","blocks":2,"hidden":[8],"norm":"batch"}"#;

fn settings() -> TrainConfig {
    TrainConfig {
        steps: 60,
        batch: 64,
        validate_every: 20,
        checkpoint_every: 15,
        log_every: 5,
        ema: 0.9,
        ..TrainConfig::default()
    }
}

fn go(_: &Event) -> Control {
    Control::Continue
}

#[test]
fn every_optimiser_and_schedule_learns() {
    for kind in [OptimiserKind::Adam, OptimiserKind::Adamw, OptimiserKind::Adamax] {
        for schedule in [ScheduleKind::Constant, ScheduleKind::Cosine, ScheduleKind::Plateau] {
            let config = TrainConfig {
                steps: 80,
                batch: 64,
                validate_every: 10,
                optimiser: OptimiserConfig { kind, rate: 5e-3, weight_decay: 1e-4, ..OptimiserConfig::default() },
                schedule: ScheduleConfig { kind: schedule, warmup: 5, ..ScheduleConfig::default() },
                ..TrainConfig::default()
            };
            let trained =
                train(flow(MAF), &mut NegativeLogLikelihood, &data(), &config, None, &mut go).expect("trains");
            let history = &trained.report.history;
            let (first, best) = (history[0].value, trained.report.best.expect("validated").value);
            assert!(best < first - 0.1, "{kind:?} {schedule:?}: from {first} to {best}");
        }
    }
}

#[test]
fn a_stopped_and_resumed_training_ends_in_the_same_bits() {
    for json in [GLOW, MAF] {
        let teacher = flow(json);
        let distil = || {
            let config = DistillConfig { ilkd: 0.1, skd: 0.1, pool: 128, ..DistillConfig::default() };
            Distillation::new(&teacher, &flow(json), &config, 3, 64).expect("fits")
        };
        let objectives: [Box<dyn Fn() -> Box<dyn Objective>>; 2] =
            [Box::new(|| Box::new(NegativeLogLikelihood)), Box::new(|| Box::new(distil()))];
        for objective in objectives {
            let (data, config) = (data(), settings());
            let whole = tempfile::tempdir().expect("a folder");
            let run = RunFolder::create(whole.path()).expect("a folder");
            let straight = train(flow(json), &mut *objective(), &data, &config, Some(&run), &mut go).expect("trains");
            let parts = tempfile::tempdir().expect("a folder");
            let resumed_run = RunFolder::create(parts.path()).expect("a folder");
            let mut stops = vec![7, 20, 31, 59].into_iter().peekable();
            let resumed = loop {
                let stop = stops.next();
                let mut watch = |event: &Event| match event {
                    Event::Step { step, .. } if Some(*step) == stop => Control::Stop,
                    _ => Control::Continue,
                };
                match train(flow(json), &mut *objective(), &data, &config, Some(&resumed_run), &mut watch) {
                    Err(Error::Interrupted { step }) => assert_eq!(Some(step), stop),
                    other => break other.expect("trains"),
                }
            };
            assert_eq!(straight.model.fingerprint(), resumed.model.fingerprint());
            assert_eq!(straight.report.history, resumed.report.history);
            let read = |run: &RunFolder| std::fs::read_to_string(run.metrics()).expect("metrics");
            assert_eq!(read(&run), read(&resumed_run));
            // A finished run is not trained again.
            let again = train(flow(json), &mut *objective(), &data, &config, Some(&run), &mut go).expect("finished");
            assert_eq!(again.model.fingerprint(), straight.model.fingerprint());
        }
    }
}

#[test]
fn a_training_stopped_at_every_validation_and_checkpoint_ends_in_the_same_bits() {
    let (data, config) = (data(), settings());
    let straight = train(flow(MAF), &mut NegativeLogLikelihood, &data, &config, None, &mut go).expect("trains");
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(folder.path()).expect("a folder");
    let mut stops = 0;
    let resumed = loop {
        let mut watch = |event: &Event| match event {
            Event::Validated(_) | Event::Checkpointed { .. } => Control::Stop,
            _ => Control::Continue,
        };
        match train(flow(MAF), &mut NegativeLogLikelihood, &data, &config, Some(&run), &mut watch) {
            Err(Error::Interrupted { .. }) => stops += 1,
            other => break other.expect("trains"),
        }
    };
    // Steps 15, 20, 30, 40 and 45; the last one, 60, is the end and not a stop.
    assert_eq!((stops, resumed.report.steps), (5, 60));
    assert_eq!(straight.model.fingerprint(), resumed.model.fingerprint());
    assert_eq!(straight.report.history, resumed.report.history);
}

#[test]
fn a_training_killed_between_checkpoints_goes_on_from_the_last_one_to_the_same_bits() {
    let (data, config) = (data(), settings());
    let whole = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(whole.path()).expect("a folder");
    let mut kept = None;
    // What a kill at step 41 leaves: the checkpoint of step 30 and metrics up to 40.
    let mut watch = |event: &Event| {
        if let Event::Step { step: 41, .. } = event {
            let copy = tempfile::tempdir().expect("a folder");
            for name in ["checkpoint.safetensors", "metrics.jsonl"] {
                std::fs::copy(whole.path().join(name), copy.path().join(name)).expect("copies");
            }
            kept = Some(copy);
        }
        Control::Continue
    };
    let straight =
        train(flow(GLOW), &mut NegativeLogLikelihood, &data, &config, Some(&run), &mut watch).expect("trains");
    let kept = kept.expect("step 41 was taken");
    let killed = RunFolder::create(kept.path()).expect("a folder");
    let mut started = 0;
    let mut watch = |event: &Event| {
        if let Event::Started { step, .. } = event {
            started = *step;
        }
        Control::Continue
    };
    let resumed =
        train(flow(GLOW), &mut NegativeLogLikelihood, &data, &config, Some(&killed), &mut watch).expect("trains");
    assert_eq!(started, 30);
    assert_eq!(straight.model.fingerprint(), resumed.model.fingerprint());
    let read = |path: &std::path::Path| std::fs::read_to_string(path.join("metrics.jsonl")).expect("metrics");
    assert_eq!(read(whole.path()), read(kept.path()));
}

#[test]
fn early_stopping_keeps_the_best_weights() {
    let config = TrainConfig {
        steps: 4000,
        patience: 3,
        validate_every: 10,
        optimiser: OptimiserConfig { rate: 0.02, ..OptimiserConfig::default() },
        schedule: ScheduleConfig { kind: ScheduleKind::Constant, ..ScheduleConfig::default() },
        ..settings()
    };
    let small = TrainingData { train: table(64, 1), validation: table(200, 2) };
    let trained = train(flow(GLOW), &mut NegativeLogLikelihood, &small, &config, None, &mut go).expect("trains");
    assert!(trained.report.steps < 4000, "64 rows are overfitted long before 4000 steps");
    let best = trained.report.best.expect("validated").value;
    let kept = flowstill::train::mean_nll(&trained.model, &small.validation, &Device::default()).expect("fits");
    assert_eq!(best, kept);
    assert!(trained.report.history.iter().all(|validation| validation.value >= best));
}

/// NLL that turns into NaN at chosen steps.
struct Broken(fn(u64) -> bool);

flowstill::parameters!(Broken {});

impl Objective for Broken {
    fn loss(&self, flow: &Flow, batch: &Batch, step: u64, total: u64) -> Result<Loss> {
        let mut loss = NegativeLogLikelihood.loss(flow, batch, step, total)?;
        if (self.0)(step) {
            loss.total = loss.total * f64::NAN;
        }
        Ok(loss)
    }

    fn identity(&self) -> String {
        "broken".into()
    }
}

#[test]
fn a_step_that_is_not_finite_is_skipped_and_counted() {
    let mut seen = 0;
    let mut watch = |event: &Event| {
        seen += u64::from(matches!(event, Event::Skipped { .. }));
        Control::Continue
    };
    let trained =
        train(flow(GLOW), &mut Broken(|step| step % 20 == 3), &data(), &settings(), None, &mut watch).expect("trains");
    assert_eq!((trained.report.skipped, seen), (3, 3));
}

#[test]
fn too_many_steps_that_are_not_finite_stop_the_run_with_its_checkpoint_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(folder.path()).expect("a folder");
    let mut objective = Broken(|step| step >= 30);
    let error =
        train(flow(GLOW), &mut objective, &data(), &settings(), Some(&run), &mut go).map(|_| ()).expect_err("stops");
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
    assert!(!error.is_input() && run.checkpoint().exists());
}

#[test]
fn another_recipe_does_not_go_on_from_a_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(folder.path()).expect("a folder");
    train(flow(GLOW), &mut NegativeLogLikelihood, &data(), &settings(), Some(&run), &mut go).expect("trains");
    let other = TrainConfig { batch: 65, ..settings() };
    let error = train(flow(GLOW), &mut NegativeLogLikelihood, &data(), &other, Some(&run), &mut go)
        .map(|_| ())
        .expect_err("refuses");
    assert!(error.to_string().contains("another recipe"), "{error}");
}

#[test]
fn a_damaged_checkpoint_is_named_and_never_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(folder.path()).expect("a folder");
    train(flow(MAF), &mut NegativeLogLikelihood, &data(), &settings(), Some(&run), &mut go).expect("trains");
    let good = std::fs::read(run.checkpoint()).expect("a checkpoint");
    let mut rng = random::stream(1, "damage", 0);
    for round in 0..60 {
        let mut bad = good.clone();
        let at = (random::uniforms(1, &mut rng)[0] * good.len() as f32) as usize % good.len();
        if round % 2 == 0 {
            bad.truncate(at)
        } else {
            bad[at] ^= 1 << (round / 2 % 8)
        }
        std::fs::write(run.checkpoint(), &bad).expect("writes");
        let error = train(flow(MAF), &mut NegativeLogLikelihood, &data(), &settings(), Some(&run), &mut go).map(|_| ());
        let error = error.expect_err("damage must be noticed").to_string();
        assert!(error.contains("checkpoint.safetensors") && !error.contains('\n'), "round {round} at {at}: {error}");
    }
}

#[test]
fn gaussians_that_hang_together_are_recovered_and_not_by_the_first_batch_alone() {
    // Deviations of 0.1, 1 and 10, so that standardisation does not help; neighbours correlate by 0.8, which ActNorm's start knows nothing of.
    let noise = random::normals(3 * 4000, &mut random::stream(5, "gaussians", 0));
    let row = |n: &[f32]| {
        let second = 0.8 * n[0] + 0.6 * n[1];
        [0.1 * n[0], second, 10.0 * (0.8 * second + 0.6 * n[2])]
    };
    let rows = Rows::new(noise.chunks_exact(3).flat_map(row).collect(), 3).expect("finite");
    let data = TrainingData { train: rows.clone(), validation: rows.clone() };
    let moments = |flow: &Flow| {
        let drawn: Tensor<4> = flow.sample(8000, 1.0, None, &mut random::stream(6, "draw", 0)).expect("samples");
        let drawn = flowstill::to_f64(drawn);
        let column = |at: usize| drawn.iter().skip(at).step_by(3).copied().collect::<Vec<f64>>();
        let columns = [0, 1, 2].map(column).map(|values| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter().map(|value| value - mean).collect::<Vec<f64>>()
        });
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64;
        let deviation = |at: usize| product(&columns[at], &columns[at]).sqrt();
        let correlation = |at: usize| product(&columns[at], &columns[at + 1]) / (deviation(at) * deviation(at + 1));
        ([deviation(0) / 0.1, deviation(1), deviation(2) / 10.0], [correlation(0), correlation(1)])
    };
    let mut start = flow(GLOW);
    start.initialize(&rows.range(0..256, &Device::default()).x, None).expect("fits");
    let config = TrainConfig {
        steps: 300,
        batch: 256,
        validate_every: 50,
        optimiser: OptimiserConfig { rate: 1e-2, ..OptimiserConfig::default() },
        ..TrainConfig::default()
    };
    let trained = train(flow(GLOW), &mut NegativeLogLikelihood, &data, &config, None, &mut go).expect("trains");
    let (deviations, correlations) = moments(&trained.model);
    assert!(deviations.iter().all(|ratio| (ratio - 1.0).abs() < 0.1), "{deviations:?}");
    assert!(correlations.iter().all(|correlation| (correlation - 0.8).abs() < 0.05), "{correlations:?}");
    let (_, untrained) = moments(&start);
    assert!(untrained.iter().any(|correlation| (correlation - 0.8).abs() > 0.3), "{untrained:?}");
}

#[test]
fn a_run_goes_on_to_the_same_bits_with_as_many_threads_and_with_others_not_at_all() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("starts");
    let run_until = |run: &RunFolder, stop: Option<u64>| {
        let mut watch = |event: &Event| match event {
            Event::Step { step, .. } if Some(*step) == stop => Control::Stop,
            _ => Control::Continue,
        };
        train(flow(MAF), &mut NegativeLogLikelihood, &data(), &settings(), Some(run), &mut watch)
    };
    for threads in [1, 2, 3] {
        let [whole, parts] = [(), ()].map(|()| tempfile::tempdir().expect("a folder"));
        let [whole, parts] = [&whole, &parts].map(|folder| RunFolder::create(folder.path()).expect("a folder"));
        let straight = pool(threads).install(|| run_until(&whole, None)).expect("trains");
        assert!(matches!(pool(threads).install(|| run_until(&parts, Some(31))), Err(Error::Interrupted { .. })));
        let error = pool(threads + 1).install(|| run_until(&parts, None)).map(|_| ()).expect_err("other bits");
        let (text, other) = (error.to_string(), threads + 1);
        assert!(error.is_input() && !text.contains('\n'), "{text}");
        assert!(text.contains(&format!("by {threads} threads")) && text.contains(&format!("has {other}")), "{text}");
        assert!(text.contains(&format!("--threads {threads}")), "{text}");
        let resumed = pool(threads).install(|| run_until(&parts, None)).expect("goes on");
        assert_eq!(straight.model.fingerprint(), resumed.model.fingerprint(), "{threads} threads");
        // Nothing is computed any more, so that nothing depends on threads.
        let again = pool(threads + 1).install(|| run_until(&parts, None)).expect("finished");
        assert_eq!(straight.model.fingerprint(), again.model.fingerprint());
    }
}

#[test]
fn a_history_that_is_not_finite_is_gone_on_from() {
    // Values so large that every validation overflows, while the rows to learn from are ordinary.
    let wild: Vec<f32> = (0..30).map(|i| if i % 2 == 0 { 3e38 } else { -3e38 }).collect();
    let validation = Rows::new(wild, 3).expect("finite");
    let data = TrainingData { train: table(600, 1), validation };
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(folder.path()).expect("a folder");
    let config = TrainConfig {
        schedule: ScheduleConfig { kind: ScheduleKind::Plateau, patience: 1, ..ScheduleConfig::default() },
        ..settings()
    };
    let mut seen = Vec::new();
    for stop in [31, 45, 1000] {
        let mut watch = |event: &Event| match event {
            Event::Step { step, .. } if *step == stop => Control::Stop,
            Event::Validated(validation) => {
                seen.push(validation.value);
                Control::Continue
            }
            _ => Control::Continue,
        };
        let error = train(flow(GLOW), &mut NegativeLogLikelihood, &data, &config, Some(&run), &mut watch).map(|_| ());
        match error.expect_err("nothing finite was found") {
            Error::Interrupted { step } => assert_eq!(step, stop),
            error => assert!(stop == 1000 && matches!(error, Error::NotFinite { .. }), "at {stop}: {error}"),
        }
    }
    assert!(seen.len() == 3 && seen.iter().all(|nll| !nll.is_finite()), "{seen:?}");
}

#[test]
fn a_short_run_averages_over_its_own_weights_and_not_over_the_untrained_ones() {
    let best = |ema: f64| {
        let config = TrainConfig { ema, checkpoint_every: 1000, ..settings() };
        let config = TrainConfig { optimiser: OptimiserConfig { rate: 5e-3, ..OptimiserConfig::default() }, ..config };
        let trained =
            train(flow(MAF), &mut NegativeLogLikelihood, &data(), &config, None, &mut go).expect("trains").report;
        (trained.best.expect("validated").value, trained.history[0].value)
    };
    let ((without, _), (with, first)) = (best(0.0), best(0.999_9));
    assert!(with - without < 0.25 * (first - without), "{with} with an average, {without} without, {first} at first");
}

#[test]
fn settings_out_of_range_are_refused_before_anything_is_built() {
    let base = serde_json::to_value(TrainConfig::default()).expect("writes");
    let many = serde_json::json!(u64::MAX);
    for (path, value, name) in [
        ("/batch", many.clone(), "train.batch"),
        ("/steps", many.clone(), "train.steps"),
        ("/initialize_rows", 0.into(), "train.initialize_rows"),
        ("/calibrate_momentum", 1.5.into(), "train.calibrate_momentum"),
        ("/schedule/factor", 2.0.into(), "train.schedule.factor"),
        ("/schedule/final_fraction", (-0.1).into(), "train.schedule.final_fraction"),
        ("/schedule/patience", 0.into(), "train.schedule.patience"),
        ("/schedule/warmup", many.clone(), "train.schedule.warmup"),
    ] {
        let mut changed = base.clone();
        *changed.pointer_mut(path).expect("a setting") = value;
        let config: TrainConfig = serde_json::from_value(changed).expect("reads");
        let error = config.check().expect_err(name).to_string();
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
    }
    let refused: [fn(&mut TrainConfig); 7] = [
        |c| c.optimiser.epsilon = f64::INFINITY,
        |c| c.optimiser.epsilon = 1e-300,
        |c| c.optimiser.weight_decay = f64::INFINITY,
        |c| c.schedule.final_fraction = f64::NAN,
        |c| c.calibrate_momentum = f64::NAN,
        |c| c.epochs = Some(f64::INFINITY),
        |c| c.clip_norm = f64::INFINITY,
    ];
    for change in refused {
        let mut config = TrainConfig::default();
        change(&mut config);
        assert!(config.check().is_err());
    }
    let refused: [fn(&mut DistillConfig); 4] = [
        |c| c.pool = usize::MAX,
        |c| c.noise_batch = usize::MAX,
        |c| c.outlier = f64::INFINITY,
        |c| c.distance = flowstill::distill::Distance::Huber { delta: f64::INFINITY },
    ];
    for change in refused {
        let mut config = DistillConfig::default();
        change(&mut config);
        assert!(config.check().is_err_and(|error| error.to_string().starts_with("distill.")));
    }
    for json in [
        r#"{"kind":"nsf","blocks":1000000000000}"#,
        r#"{"kind":"nsf","blocks":1000000000000,"form":"autoregressive"}"#,
        r#"{"kind":"glow","steps":1,"base":{"kind":"mixture","components":1000000000000}}"#,
    ] {
        let config: FlowConfig = serde_json::from_str(json).expect("valid");
        assert!(config.assemble(3, 0, 1).and_then(|a| Flow::new(&a, 1, &Device::default())).is_err(), "{json}");
    }
}
