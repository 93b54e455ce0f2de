//! Hold every term of a distillation to its settings: weights by the step, rows and temperatures of noise, samples left out, orders of every level.

mod students;

use flowstill::Parameters;
use flowstill::base::Noise;
use flowstill::burn::tensor::{Device, Tensor};
use flowstill::distill::{
    AlignmentConfig, Distance, DistillConfig, Distillation, Scale, SkdForm, TermConfig, Terms, WeightSchedule,
};
use flowstill::flows::{Architecture, Flow, FlowConfig};
use flowstill::train::{Loss, Objective};
use flowstill::{random, to_f64};
use students::{batch, everything, flows, moved, moved_by};

const FORMS: [SkdForm; 3] = [SkdForm::Inverse, SkdForm::Cycle, SkdForm::Trajectory];

fn nothing() -> DistillConfig {
    DistillConfig { lkd: 0.0, ilkd: 0.0, skd: 0.0, teacher_samples: 0.0, pool: 0, ..DistillConfig::default() }
}

fn maf() -> FlowConfig {
    flows().remove(3).1
}

fn term(loss: &Loss, name: &str) -> Option<f64> {
    loss.terms.iter().find(|(own, _)| *own == name).map(|(_, value)| to_f64(value.clone())[0])
}

fn value(tensor: Tensor<1>) -> f64 {
    to_f64(tensor)[0]
}

#[track_caller]
fn assert_close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "{what}: {got} is not {want}");
}

#[test]
fn a_student_of_its_teachers_shape_and_seed_starts_with_no_weight_of_it() {
    for (name, config) in flows() {
        let architecture = config.assemble(4, 2, 3).expect("valid");
        let teacher = Flow::new(&architecture, 3, &Device::default()).expect("valid");
        let student = Flow::student(&architecture, 3, &Device::default()).expect("valid");
        let mut drawn = 0;
        for ((path, own), (_, theirs)) in student.params().into_iter().zip(teacher.params()) {
            // What is 0 at first is not drawn.
            for (own, theirs) in own.values().iter().zip(theirs.values()).filter(|(own, _)| **own != 0.0) {
                drawn += usize::from(own != &theirs);
                assert!(!own_is_drawn(&path, own) || *own != theirs, "{name}: {path} holds {own} in both");
            }
        }
        assert!(drawn > 20, "{name}: {drawn} drawn values differ");
        let again = Flow::student(&architecture, 3, &Device::default()).expect("valid");
        assert_eq!(again.fingerprint(), student.fingerprint());
    }
}

/// Whether a first value comes from the stream of weights: masks, signs and marks do not.
fn own_is_drawn(path: &str, value: &f32) -> bool {
    value.abs() != 1.0 && !path.ends_with("mask")
}

#[test]
fn weights_follow_their_schedules() {
    let warm = WeightSchedule::Warmup { until: 0.5 };
    let cool = WeightSchedule::Anneal { from: 0.2, to: 0.6 };
    for (schedule, step, want) in [
        (WeightSchedule::Constant, 0, 1.0),
        (WeightSchedule::Constant, 99, 1.0),
        (warm, 0, 0.0),
        (warm, 25, 0.5),
        (warm, 50, 1.0),
        (warm, 99, 1.0),
        (cool, 0, 1.0),
        (cool, 20, 1.0),
        (cool, 40, 0.5),
        (cool, 60, 0.0),
        (cool, 99, 0.0),
    ] {
        assert!((schedule.factor(step, 100) - want).abs() < 1e-12, "{schedule:?} at {step}");
    }
    let own = |schedule| TermConfig { schedule: Some(schedule), ..TermConfig::default() };
    let terms = Terms { skd: own(cool), norm_control: own(WeightSchedule::Constant), ..Terms::default() };
    let config = DistillConfig { schedule: warm, terms, ..everything() };
    let at = config.weights_at(25, 100);
    assert_eq!((at.lkd, at.ilkd, at.teacher_samples, at.norm_control), (0.05, 0.05, 0.05, 0.5));
    assert!((at.skd - 0.0875).abs() < 1e-12 && (at.nll - (1.0 - 0.15 - 0.0875)).abs() < 1e-12, "{at:?}");
}

#[test]
fn a_loss_is_the_sum_of_its_terms_by_their_weights_at_the_step() {
    let (teacher, student) = (moved(&maf(), 4, 0, 3), moved(&maf(), 4, 0, 4).tracked());
    let own = |schedule| TermConfig { schedule: Some(schedule), ..TermConfig::default() };
    let cool = WeightSchedule::Anneal { from: 0.0, to: 0.5 };
    for schedule in [WeightSchedule::Constant, WeightSchedule::Warmup { until: 0.9 }, cool] {
        for terms in [Terms::default(), Terms { ilkd: own(cool), ..Terms::default() }] {
            for scale in [Scale::Mean, Scale::PerDimension] {
                let config = DistillConfig { schedule, terms, scale, ..everything() };
                let objective = Distillation::new(&teacher, &student, &config, 5, 32).expect("fits");
                for step in [0, 3, 7] {
                    let loss = objective.loss(&student, &batch(32, 4, 0, step), step, 10).expect("fits");
                    let weights = config.weights_at(step, 10);
                    // As if the likelihood counted in bits per dimension.
                    let factor = if scale == Scale::Mean { 1.0 } else { 4.0 * std::f64::consts::LN_2 };
                    let all = [
                        ("nll", weights.nll),
                        ("lkd", weights.lkd * factor),
                        ("ilkd", weights.ilkd * factor),
                        ("skd", weights.skd * factor),
                        ("teacher_samples", weights.teacher_samples),
                        ("norm", weights.norm_control),
                    ];
                    let mut sum = 0.0;
                    for (name, weight) in all {
                        let term = term(&loss, name);
                        assert_eq!(term.is_some(), weight > 0.0 || name == "nll", "{schedule:?} {step} {name}");
                        sum += weight * term.unwrap_or(0.0);
                    }
                    assert_close(value(loss.total.clone()), sum, &format!("{schedule:?} at {step}"));
                }
            }
        }
    }
}

#[test]
fn what_weighs_nothing_at_a_step_is_not_computed() {
    let student = moved(&maf(), 4, 0, 4).tracked();
    let mut broken = moved(&maf(), 4, 0, 3);
    for (_, param) in broken.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        param.set_values(vec![f32::NAN; param.len()]);
    }
    let ended = WeightSchedule::Anneal { from: 0.1, to: 0.3 };
    for skd_form in FORMS {
        let config = DistillConfig { skd_form, schedule: ended, pool: 0, ..everything() };
        let objective = Distillation::new(&broken, &student, &config, 5, 32).expect("fits");
        let loss = objective.loss(&student, &batch(32, 4, 0, 1), 5, 10).expect("fits");
        let names: Vec<&str> = loss.terms.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["nll"], "{skd_form:?}");
        assert_eq!(Some(value(loss.total.clone())), term(&loss, "nll"));
    }
    // Nothing at all: a step that moves nothing, and is no fault.
    let config = DistillConfig { skd: 1.0, skd_every: 2, ..nothing() };
    let objective = Distillation::new(&moved(&maf(), 4, 0, 3), &student, &config, 5, 32).expect("fits");
    let total = objective.loss(&student, &batch(32, 4, 0, 1), 1, 10).expect("fits").total;
    assert_eq!(value(total.clone()), 0.0);
    let grads = total.backward();
    let still = |tensor: &Tensor<1>| tensor.grad(&grads).is_none_or(|g| to_f64(g).iter().all(|g| *g == 0.0));
    assert!(student.params().into_iter().all(|(_, param)| still(param.flat())));
    // The likelihood of data that no student can score does not spoil what is learned from samples alone.
    let config = DistillConfig { teacher_samples: 1.0, ..nothing() };
    let objective = Distillation::new(&moved(&maf(), 4, 0, 3), &student, &config, 5, 32).expect("fits");
    let mut wild = batch(32, 4, 0, 1);
    wild.x = wild.x * f64::NAN;
    assert!(value(objective.loss(&student, &wild, 1, 10).expect("fits").total).is_finite());
}

#[test]
fn skd_is_taken_at_every_nth_step_only() {
    let (teacher, student) = (moved(&maf(), 4, 0, 3), moved(&maf(), 4, 0, 4).tracked());
    for skd_form in FORMS {
        let config = DistillConfig { skd_form, skd_every: 3, ..everything() };
        let objective = Distillation::new(&teacher, &student, &config, 5, 32).expect("fits");
        for step in 0..7 {
            let loss = objective.loss(&student, &batch(32, 4, 0, step), step, 10).expect("fits");
            assert_eq!(term(&loss, "skd").is_some(), [0, 3, 6].contains(&step), "{skd_form:?} at {step}");
        }
    }
}

#[test]
fn every_nth_student_step_and_the_end_are_compared() {
    let maf = |blocks: usize| -> Flow {
        moved(
            &serde_json::from_str(&format!(r#"{{"kind":"maf","blocks":{blocks},"hidden":[4]}}"#)).expect("valid"),
            4,
            0,
            1,
        )
    };
    let (teacher, student) = (maf(10), maf(5));
    for (n, want) in
        [(1, vec![(1, 2), (2, 4), (3, 6), (4, 8), (5, 10)]), (2, vec![(2, 4), (4, 8), (5, 10)]), (9, vec![(5, 10)])]
    {
        let config = DistillConfig { ilkd: 0.5, alignment: AlignmentConfig::Every(n), ..nothing() };
        let made = Distillation::new(&teacher, &student, &config, 5, 32).expect("fits");
        let pairs: Vec<(usize, usize)> = made.pairs().iter().map(|pair| (pair.student, pair.teacher)).collect();
        assert_eq!(pairs, want, "every {n}");
    }
}

/// What `draw` gives at a step without a pool: noise and the teacher's samples from it, rows past `outlier` left out.
fn drawn(teacher: &Flow, rows: usize, temperature: f64, outlier: f64, step: u64) -> (Noise, Tensor<4>) {
    let mut rng = random::stream(5, "distillation noise", step);
    let noise = Noise::draw(rows, teacher.latent_events(), &mut rng, &teacher.device());
    let samples =
        |noise: &Noise| teacher.inverse(&teacher.latents_from_noise(noise, temperature), None).expect("fits").0;
    let [_, _, _, columns] = samples(&noise).dims();
    let all = to_f64(samples(&noise));
    let good: Vec<i64> = (0..rows)
        .filter(|row| all[row * columns..(row + 1) * columns].iter().all(|value| value.abs() <= outlier))
        .map(|row| row as i64)
        .collect();
    let chosen = Tensor::<1, flowstill::burn::tensor::Int>::from_data(
        flowstill::burn::tensor::TensorData::new(good.clone(), [good.len()]),
        &teacher.device(),
    );
    let kept = Noise {
        normal: noise.normal.iter().map(|level| level.clone().select(0, chosen.clone())).collect(),
        uniform: good.iter().map(|&row| noise.uniform[row as usize]).collect(),
    };
    let samples = samples(&kept);
    (kept, samples)
}

#[test]
fn noise_has_its_own_rows_and_every_term_its_own_temperature() {
    let (teacher, student) = (moved(&maf(), 4, 0, 3), moved(&maf(), 4, 0, 4));
    let at = |temperature| TermConfig { temperature: Some(temperature), ..TermConfig::default() };
    for (terms, [skd, samples]) in [
        (Terms::default(), [0.7, 0.7]),
        (Terms { teacher_samples: at(1.0), ..Terms::default() }, [0.7, 1.0]),
        (Terms { skd: at(0.3), ..Terms::default() }, [0.3, 0.7]),
    ] {
        for rows in [7, 40] {
            for pool in [0, 3 * rows] {
                let config = DistillConfig {
                    skd: 0.3,
                    teacher_samples: 0.3,
                    noise_batch: rows,
                    temperature: 0.7,
                    terms,
                    pool,
                    ..nothing()
                };
                let objective = Distillation::new(&teacher, &student, &config, 5, 32).expect("fits");
                let loss = objective.loss(&student.clone().tracked(), &batch(32, 4, 0, 1), 2, 10).expect("fits");
                // A pool takes its draws in an order of its own.
                let steps = if pool == 0 { 2..3 } else { 0..3 };
                let wanted = |step| {
                    let (noise, target) = drawn(&teacher, rows, skd, 30.0, step);
                    let own = student.inverse(&student.latents_from_noise(&noise, skd), None).expect("fits").0;
                    let (_, taught) = drawn(&teacher, rows, samples, 30.0, step);
                    let nll = -student.log_prob(taught, None).expect("fits").mean();
                    [value(Distance::L1.mean(own, target)), value(nll)]
                };
                let got = ["skd", "teacher_samples"].map(|name| term(&loss, name).expect("taken"));
                let near = |want: [f64; 2]| {
                    want.iter().zip(got).all(|(want, got)| (want - got).abs() < 1e-5 * (1.0 + want.abs()))
                };
                assert!(
                    steps.clone().map(wanted).any(near),
                    "{rows} rows, pool {pool}, at {skd} and {samples}: {got:?}"
                );
            }
        }
    }
}

#[test]
fn samples_of_the_teacher_past_the_bound_are_left_out_and_told() {
    let (teacher, student) = (moved(&maf(), 4, 0, 3), moved(&maf(), 4, 0, 4));
    let config = DistillConfig { teacher_samples: 0.5, outlier: 2.0, ..nothing() };
    let objective = Distillation::new(&teacher, &student, &config, 5, 64).expect("fits");
    let loss = objective.loss(&student.clone().tracked(), &batch(64, 4, 0, 1), 3, 10).expect("fits");
    let (noise, samples) = drawn(&teacher, 64, 1.0, 2.0, 3);
    assert!((10..60).contains(&noise.batch()), "{} of 64 are within the bound", noise.batch());
    let want = value(-student.log_prob(samples, None).expect("fits").mean());
    assert_close(term(&loss, "teacher_samples").expect("taken"), want, "likelihood of what is left");
    let pooled =
        Distillation::new(&teacher, &student, &DistillConfig { pool: 128, ..config.clone() }, 5, 64).expect("fits");
    assert!(pooled.notes().iter().any(|note| note.contains("past 2: left out")), "{:?}", pooled.notes());
    let none = DistillConfig { outlier: 1e-6, pool: 128, ..config };
    let error =
        Distillation::new(&teacher, &student, &none, 5, 64).map(|_| ()).expect_err("nothing is left").to_string();
    assert!(error.contains("distill.outlier") && !error.contains('\n'), "{error}");
}

#[test]
fn distances_are_each_terms_own() {
    let (teacher, student) = (moved(&maf(), 4, 0, 3), moved(&maf(), 4, 0, 4).tracked());
    let run = |distance, terms| {
        let config = DistillConfig { distance, terms, ..everything() };
        let objective = Distillation::new(&teacher, &student, &config, 5, 32).expect("fits");
        objective.loss(&student, &batch(32, 4, 0, 1), 1, 10).expect("fits")
    };
    let l2 = TermConfig { distance: Some(Distance::L2), ..TermConfig::default() };
    let [by_l1, by_l2] = [Distance::L1, Distance::L2].map(|distance| run(distance, Terms::default()));
    let mixed = run(Distance::L1, Terms { ilkd: l2, ..Terms::default() });
    for (name, like, unlike) in [("lkd", &by_l1, &by_l2), ("ilkd", &by_l2, &by_l1), ("skd", &by_l1, &by_l2)] {
        assert_eq!(term(&mixed, name), term(like, name), "{name}");
        assert_ne!(term(&mixed, name), term(unlike, name), "{name}");
    }
}

#[test]
fn settings_of_terms_are_read_refused_by_name_and_leave_old_ones_as_they_were() {
    let read = |text: &str| serde_json::from_str::<DistillConfig>(text).expect("reads");
    let old = read(r#"{"ilkd":0.2,"distance":"l2","temperature":0.8}"#);
    assert!(old.terms == Terms::default() && old.scale == Scale::Mean);
    // Checkpoints are tied to this text.
    let text = serde_json::to_string(&old).expect("writes");
    assert!(!text.contains("terms") && !text.contains("scale"), "{text}");
    let own = read(r#"{"scale":"per_dimension","terms":{"ilkd":{"distance":"l2"},"skd":{"temperature":0.9}}}"#);
    assert_eq!(read(&serde_json::to_string(&own).expect("writes")), own);
    for (text, name) in [
        (r#"{"terms":{"lkd":{"temperature":0.9}}}"#, "distill.terms.lkd.temperature"),
        (r#"{"terms":{"teacher_samples":{"distance":"l1"}}}"#, "distill.terms.teacher_samples.distance"),
        (r#"{"terms":{"skd":{"temperature":0}}}"#, "distill.terms.skd.temperature"),
        (r#"{"terms":{"skd":{"distance":{"huber":{"delta":-1}}}}}"#, "distill.terms.skd.distance"),
        (
            r#"{"terms":{"norm_control":{"schedule":{"anneal":{"from":0.5,"to":0.1}}}}}"#,
            "distill.terms.norm_control.schedule",
        ),
    ] {
        let error = read(text).check().expect_err("out of range").to_string();
        assert!(error.starts_with(name) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn latents_of_every_level_are_compared_in_their_own_order() {
    // The halves that leave the two flows hold the same two variables in another order; what stays is alike.
    let flow = |leaving: &str, top: &str| -> Flow {
        let text = format!(
            r#"{{"event":[2,2,1],"context":0,"levels":[[{{"kind":"chain","steps":[{{"kind":"squeeze"}},{{"kind":"permute","indices":{leaving}}}]}}],
            [{{"kind":"permute","indices":{top}}}]],"splits":[{{"channels":4,"prior":{{"kind":"standard"}}}}],"base":{{"kind":"standard_normal"}}}}"#
        );
        let architecture: Architecture = serde_json::from_str(&text).expect("valid");
        Flow::new(&architecture, 1, &Device::default()).expect("valid")
    };
    let mut data = batch(16, 4, 0, 1);
    data.x = data.x.reshape([16, 2, 2, 1]);
    // Of the second pair the orders differ at the top alone, which says nothing of what left before.
    for (teacher, student) in [
        (flow("[0,1,3,2]", "[0,1]"), flow("[0,1,2,3]", "[0,1]")),
        (flow("[0,1,2,3]", "[1,0]"), flow("[0,1,2,3]", "[0,1]")),
    ] {
        for skd_form in [SkdForm::Inverse, SkdForm::Cycle] {
            let config = DistillConfig { lkd: 0.3, skd: 0.3, skd_form, ..nothing() };
            let objective = Distillation::new(&teacher, &student, &config, 5, 16).expect("fits");
            let loss = objective.loss(&student, &data, 1, 10).expect("fits");
            for name in ["lkd", "skd"] {
                let value = term(&loss, name).expect("taken");
                assert!(value < 1e-6, "{skd_form:?} {name}: {value}, {:?}", objective.notes());
            }
        }
    }
}

#[test]
fn a_copy_loses_exactly_nothing_however_badly_it_comes_back_and_another_student_something() {
    let deep = |kind: &str| -> FlowConfig { serde_json::from_str(kind).expect("valid") };
    let mut worst = 0.0_f64;
    for kind in [
        r#"{"kind":"maf","blocks":12,"hidden":[16,16],"norm":"none"}"#,
        r#"{"kind":"glow","steps":16,"hidden":16,"layers":3}"#,
        r#"{"kind":"nsf","steps":6,"hidden":16,"blocks":1,"bins":6}"#,
    ] {
        let teacher = moved_by(0.3, &deep(kind), 4, 0, 3);
        let noise = teacher.draw_noise(64, &mut random::stream(7, "noise", 0));
        let latents = teacher.latents_from_noise(&noise, 1.0);
        let there = teacher.inverse(&latents, None).expect("fits").0;
        let back = teacher.forward(there, None).expect("fits").0;
        let lost = to_f64((back.levels[0].clone() - latents.levels[0].clone()).abs().max())[0];
        worst = worst.max(lost);
        for skd_form in [SkdForm::Cycle, SkdForm::Trajectory] {
            let config = DistillConfig { skd: 1.0, skd_form, outlier: 1e6, ..nothing() };
            let student = teacher.clone().tracked();
            let objective = Distillation::new(&teacher, &student, &config, 5, 64).expect("a copy fits");
            for step in 0..4 {
                let loss = objective.loss(&student, &batch(64, 4, 0, step), step, 10).expect("a copy fits");
                assert_eq!(term(&loss, "skd"), Some(0.0), "{kind} {skd_form:?}");
            }
        }
    }
    assert!(worst > 5e-4, "the worst round trip loses only {worst}");
    // Where nothing is lost, little is too much: a fifth of what was let pass before is seen.
    let shift: FlowConfig = deep(r#"{"kind":"maf","blocks":1,"hidden":[4],"norm":"actnorm"}"#);
    let teacher = moved(&shift, 4, 0, 3);
    let mut student = teacher.clone();
    for (_, param) in student.params_mut().into_iter().filter(|(name, _)| name.ends_with("shift")) {
        param.set_values(param.values().iter().map(|value| value + 1e-4).collect());
    }
    let student = student.tracked();
    for skd_form in [SkdForm::Cycle, SkdForm::Trajectory] {
        let config = DistillConfig { skd: 1.0, skd_form, ..nothing() };
        let objective = Distillation::new(&teacher, &student, &config, 5, 64).expect("fits");
        let loss = objective.loss(&student, &batch(64, 4, 0, 1), 1, 10).expect("fits");
        let seen = term(&loss, "skd").expect("taken");
        assert!((1e-5..1e-3).contains(&seen), "{skd_form:?}: {seen}");
    }
}
