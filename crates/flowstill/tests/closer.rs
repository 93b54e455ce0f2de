//! Hold every loss of distillation to its purpose: a student that minimises it alone comes closer to its teacher.

mod students;

use flowstill::burn::tensor::{Device, Tensor};
use flowstill::distill::{DistillConfig, Distillation, Inheritance, SkdForm};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::train::{Control, Dataset as _, OptimiserConfig, Rows, TrainConfig, TrainingData, train};
use flowstill::{random, to_f32, to_f64};
use students::moved_by;

const COLUMNS: usize = 3;

fn rows(samples: &Tensor<4>) -> Rows {
    Rows::new(to_f32(samples.clone()), COLUMNS).expect("finite")
}

/// `E[log p_teacher - log p_student]` over samples of the teacher, nats.
fn divergence(teacher: &Flow, student: &Flow, samples: &Tensor<4>) -> f64 {
    let log_prob = |flow: &Flow| flow.log_prob(samples.clone(), None).expect("fits").mean();
    to_f64(log_prob(teacher))[0] - to_f64(log_prob(student))[0]
}

#[test]
fn a_student_comes_closer_to_its_teacher_under_every_loss_alone() {
    let config: FlowConfig =
        serde_json::from_str(r#"{"kind":"glow","steps":3,"hidden":16,"layers":3}"#).expect("valid");
    let teacher = moved_by(0.2, &config, COLUMNS, 0, 3);
    let draw = |count, seed| teacher.sample(count, 1.0, None, &mut random::stream(seed, "held", 0)).expect("samples");
    let held = draw(4000, 1);
    let data: TrainingData =
        TrainingData { train: rows(&draw(2000, 2)).into(), validation: rows(&draw(1000, 3)).into() };
    // From where training begins, its first batch seen: what the loss does is what comes after.
    let architecture = config.assemble(COLUMNS, 0, 9).expect("valid");
    let mut start = Flow::student(&architecture, 9, &Device::default()).expect("valid");
    start.initialize(&data.train.range(0..512, &Device::default()).x, None).expect("fits");
    let before = divergence(&teacher, &start, &held);
    assert!(before > 0.1, "the student starts {before} nats away");
    let nothing = DistillConfig {
        lkd: 0.0,
        ilkd: 0.0,
        skd: 0.0,
        teacher_samples: 0.0,
        inherit: Inheritance::None,
        pool: 8192,
        ..DistillConfig::default()
    };
    let skd = |skd_form| DistillConfig { skd: 1.0, skd_form, ..nothing.clone() };
    for (name, lesson) in [
        ("lkd", DistillConfig { lkd: 1.0, ..nothing.clone() }),
        ("ilkd", DistillConfig { ilkd: 1.0, ..nothing.clone() }),
        ("skd, inverse", skd(SkdForm::Inverse)),
        ("skd, cycle", skd(SkdForm::Cycle)),
        ("skd, trajectory", skd(SkdForm::Trajectory)),
        ("teacher_samples", DistillConfig { teacher_samples: 1.0, ..nothing.clone() }),
    ] {
        let settings = TrainConfig {
            steps: 400,
            batch: 256,
            validate_every: 100,
            optimiser: OptimiserConfig { rate: 1e-2, ..OptimiserConfig::default() },
            ..TrainConfig::default()
        };
        let mut objective = Distillation::new(&teacher, &start, &lesson, 5, 256).expect("fits");
        let go = &mut |_: &_| Control::Continue;
        let trained = train(start.clone(), &mut objective, &data, &settings, None, go).expect("trains");
        let after = divergence(&teacher, &trained.model, &held);
        println!("{name}: from {before:.3} to {after:.3} nats");
        assert!(after < 0.5 * before, "{name}: from {before} to {after} nats");
    }
}
