//! Hold the laws of distillation: a copied student loses nothing, the teacher stays as it was, gradients are those of the tape.

mod students;

use flowstill::burn::tensor::{Device, Tensor};
use flowstill::distill::{
    AlignmentConfig, Distance, DistillConfig, Distillation, Inheritance, Mismatch, Projection, SkdForm, prepare_student,
};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::train::{Control, Objective, Rows, TrainConfig, TrainingData, train};
use flowstill::{Parameters, random, to_f64};
use students::{batch, everything, flows, moved};

#[test]
fn a_copied_student_has_every_distillation_loss_exactly_zero() {
    for (name, config) in flows() {
        for context in [0, 2] {
            let teacher = moved(&config, 4, context, 3);
            for skd_form in [SkdForm::Inverse, SkdForm::Cycle, SkdForm::Trajectory] {
                for distance in [Distance::L1, Distance::L2, Distance::Huber { delta: 0.5 }] {
                    for projection in [Projection::None, Projection::Linear] {
                        let settings = DistillConfig { skd_form, distance, projection, ..everything() };
                        let student = teacher.clone().tracked();
                        let objective = Distillation::new(&teacher, &student, &settings, 5, 32).expect("a copy fits");
                        for step in 0..3 {
                            let loss =
                                objective.loss(&student, &batch(32, 4, context, step), step, 10).expect("a copy fits");
                            let mut seen = 0;
                            for (term, value) in &loss.terms {
                                if ["lkd", "ilkd", "skd", "norm"].contains(term) {
                                    let value = to_f64(value.clone())[0];
                                    assert_eq!(
                                        value, 0.0,
                                        "{name}, context {context}, {skd_form:?}, {distance:?}: {term}"
                                    );
                                    seen += 1;
                                }
                            }
                            assert_eq!(seen, 4, "{name}: every term must take part");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn another_student_has_every_distillation_loss_above_zero() {
    for (name, config) in flows() {
        let teacher = moved(&config, 4, 0, 3);
        for skd_form in [SkdForm::Inverse, SkdForm::Cycle, SkdForm::Trajectory] {
            let student = moved(&config, 4, 0, 4).tracked();
            let objective = Distillation::new(&teacher, &student, &DistillConfig { skd_form, ..everything() }, 5, 32)
                .expect("fits");
            let loss = objective.loss(&student, &batch(32, 4, 0, 1), 0, 10).expect("fits");
            for (term, value) in &loss.terms {
                let value = to_f64(value.clone())[0];
                assert!(
                    value.is_finite() && (value > 0.0 || *term == "nll" || *term == "teacher_samples"),
                    "{name}: {term} is {value}"
                );
            }
        }
    }
}

#[test]
fn every_term_pulls_at_the_students_parameters_with_the_gradient_of_central_differences() {
    let config = flows().remove(3).1;
    let teacher = moved(&config, 3, 0, 3);
    for (skd_form, weights) in [
        (SkdForm::Inverse, [0.3, 0.2, 0.4, 0.1]),
        (SkdForm::Inverse, [0.0, 0.0, 1.0, 0.0]),
        (SkdForm::Cycle, [0.0, 0.0, 1.0, 0.0]),
        (SkdForm::Trajectory, [0.0, 0.0, 1.0, 0.0]),
    ] {
        let [lkd, ilkd, skd, teacher_samples] = weights;
        let settings = DistillConfig {
            lkd,
            ilkd,
            skd,
            teacher_samples,
            skd_form,
            distance: Distance::L2,
            pool: 32,
            ..DistillConfig::default()
        };
        let student = moved(&config, 3, 0, 8);
        let objective = Distillation::new(&teacher, &student, &settings, 5, 32).expect("fits");
        let data = batch(32, 3, 0, 1);
        let loss = |flow: &Flow| objective.loss(flow, &data, 0, 10).expect("fits").total;
        let tracked = student.clone().tracked();
        let grads = loss(&tracked).backward();
        let mut checked = 0;
        for (index, (name, param)) in tracked.params().into_iter().enumerate().filter(|(_, (_, p))| p.is_trainable()) {
            let gradient = param.flat().grad(&grads).map(to_f64).unwrap_or_else(|| vec![0.0; param.len()]);
            // The direction of the gradient itself: one directional derivative per tensor, well above f32's rounding.
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            if norm < 1e-3 {
                continue;
            }
            let h = 2e-3;
            let at = |sign: f64| {
                let mut flow = student.clone();
                let mut params = flow.params_mut();
                let param = &mut params[index].1;
                let moved =
                    param.values_f64().iter().zip(&gradient).map(|(v, g)| (v + sign * h * g / norm) as f32).collect();
                param.set_values(moved);
                drop(params);
                to_f64(loss(&flow))[0]
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * h);
            assert!(
                (slope - norm).abs() < 0.02 * norm + 2e-3,
                "{skd_form:?} {weights:?} {name}: {slope} is not {norm}"
            );
            checked += 1;
        }
        assert!(checked > 3, "{skd_form:?}: only {checked} tensors had a gradient");
    }
}

#[test]
fn the_teacher_is_bit_identical_after_a_training() {
    let config = flows().remove(3).1;
    let teacher = moved(&config, 3, 0, 3);
    let before = teacher.fingerprint();
    let student = Flow::new(&config.assemble(3, 0, 9).expect("valid"), 9, &Device::default()).expect("valid");
    let mut objective = Distillation::new(&teacher, &student, &everything(), 5, 32).expect("fits");
    let values = random::normals(3 * 256, &mut random::stream(1, "rows", 0));
    let rows = Rows::new(values, 3).expect("finite");
    let data = TrainingData { train: rows.clone(), validation: rows };
    let settings = TrainConfig { steps: 12, batch: 32, validate_every: 6, ..TrainConfig::default() };
    let trained = train(student, &mut objective, &data, &settings, None, &mut |_| Control::Continue).expect("trains");
    assert_eq!(trained.report.steps, 12);
    assert_eq!(before, teacher.fingerprint());
    assert_eq!(before, objective.teacher().fingerprint());
    assert!(objective.teacher().params().iter().all(|(_, param)| !param.flat().is_tracked()));
}

#[test]
fn reversed_variables_are_refused_or_compared_each_with_itself() {
    let maf = |blocks: usize| -> FlowConfig {
        serde_json::from_str(&format!(r#"{{"kind":"maf","blocks":{blocks},"hidden":[8],"norm":"none"}}"#))
            .expect("valid")
    };
    let flow =
        |blocks| Flow::new(&maf(blocks).assemble(3, 0, 1).expect("valid"), 1, &Device::default()).expect("valid");
    let settings = |mismatch, pairs| DistillConfig {
        ilkd: 0.1,
        skd: 0.0,
        teacher_samples: 0.0,
        alignment: AlignmentConfig::Pairs(pairs),
        mismatch,
        ..DistillConfig::default()
    };
    // A new MAF of this kind only reverses, so states differ by order alone.
    let (teacher, student) = (flow(4), flow(3));
    let refused = Distillation::new(&teacher, &student, &settings(Mismatch::Error, vec![(1, 2)]), 1, 8);
    assert!(refused.is_err_and(|error| error.to_string().contains("different orders")));
    let repaired = Distillation::new(&teacher, &student, &settings(Mismatch::Reorder, vec![(1, 2), (2, 3)]), 1, 8)
        .expect("repaired");
    assert!(
        repaired.notes().iter().any(|note| note.contains("each is compared with itself")),
        "{:?}",
        repaired.notes()
    );
    let loss = repaired.loss(&student.clone().tracked(), &batch(8, 3, 0, 1), 0, 1).expect("fits");
    let ilkd = loss.terms.iter().find(|(name, _)| *name == "ilkd").map(|(_, value)| to_f64(value.clone())[0]);
    assert_eq!(ilkd, Some(0.0));
    let same = Distillation::new(&teacher, &student, &settings(Mismatch::Error, vec![(1, 1), (2, 4)]), 1, 8)
        .expect("same parity");
    assert!(same.notes().is_empty());
}

#[test]
fn what_cannot_be_aligned_is_refused_by_name() {
    let glow = flows().remove(0).1;
    let maf = flows().remove(3).1;
    let (teacher, wide) = (moved(&glow, 4, 0, 1), moved(&glow, 5, 0, 1));
    let refused = |teacher: &Flow, student: &Flow, config: &DistillConfig, word: &str| {
        let error =
            Distillation::new(teacher, student, config, 1, 8).map(|_| ()).expect_err("must be refused").to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
    };
    refused(&teacher, &wide, &everything(), "same columns");
    refused(&teacher, &teacher, &DistillConfig { lkd: 0.9, ..everything() }, "sum");
    let pairs = DistillConfig { alignment: AlignmentConfig::Pairs(vec![(1, 7)]), ..everything() };
    refused(&teacher, &teacher, &pairs, "does not exist");
    let inherit = DistillConfig { inherit: Inheritance::Spread, ..everything() };
    let error =
        prepare_student(moved(&maf, 4, 0, 1), &teacher, &inherit).map(|_| ()).expect_err("other family").to_string();
    assert!(error.contains("different configurations"), "{error}");
}

#[test]
fn a_student_of_another_family_learns_from_a_maf() {
    let maf = flows().remove(3).1;
    let teacher = moved(&maf, 4, 0, 3);
    for (name, config) in flows() {
        let student = moved(&config, 4, 0, 4).tracked();
        let settings = DistillConfig { skd: 0.3, teacher_samples: 0.3, pool: 32, ..DistillConfig::default() };
        let objective = Distillation::new(&teacher, &student, &settings, 1, 32).expect("families may differ");
        let loss = objective.loss(&student, &batch(32, 4, 0, 1), 0, 10).expect("fits");
        assert!(to_f64(loss.total.clone())[0].is_finite(), "{name}");
        let grads = loss.total.backward();
        let sound = |tensor: &Tensor<1>| tensor.grad(&grads).is_none_or(|g| to_f64(g).iter().all(|v| v.is_finite()));
        assert!(student.params().iter().all(|(_, param)| !param.is_trainable() || sound(param.flat())), "{name}");
    }
}

#[test]
fn a_student_that_inherits_all_steps_is_its_teacher() {
    for (name, config) in flows() {
        let teacher = moved(&config, 4, 0, 3);
        let architecture = config.assemble(4, 0, 3).expect("valid");
        let student = Flow::new(&architecture, 17, &Device::default()).expect("valid");
        let settings = DistillConfig { inherit: Inheritance::Spread, ..DistillConfig::default() };
        let (student, notes) = prepare_student(student, &teacher, &settings).expect("same configuration");
        assert_eq!(student.fingerprint(), teacher.fingerprint(), "{name}: {notes:?}");
    }
}

#[test]
fn by_default_a_student_inherits_where_it_can_and_only_there() {
    let glow = |hidden: usize, steps: usize| -> Flow {
        let json = format!(r#"{{"kind":"glow","steps":{steps},"hidden":{hidden},"layers":2}}"#);
        moved(&serde_json::from_str(&json).expect("valid"), 4, 0, 3 + steps as u64)
    };
    let (teacher, config) = (glow(8, 5), DistillConfig::default());
    let (heir, notes) = prepare_student(glow(8, 3), &teacher, &config).expect("same width");
    assert!(notes[0].contains("[1, 3, 5]"), "{notes:?}");
    let value =
        |flow: &Flow, name: &str| flow.params().into_iter().find(|(own, _)| own == name).map(|(_, p)| p.values());
    for (own, theirs) in [(0, 0), (1, 2), (2, 4)] {
        let name = |step: usize| format!("levels.0.steps.{step}.steps.1.lower");
        assert_eq!(value(&heir, &name(own)), value(&teacher, &name(theirs)));
        assert!(value(&heir, &name(own)).is_some());
    }
    // A MAF of 8 blocks has seen 5 reversals before its last three: the three before those stand in the data's order.
    let maf = |blocks: usize| -> Flow {
        moved(
            &serde_json::from_str(&format!(r#"{{"kind":"maf","blocks":{blocks},"hidden":[4]}}"#)).expect("valid"),
            4,
            0,
            1,
        )
    };
    let (_, notes) = prepare_student(maf(3), &maf(8), &config).expect("same width");
    assert!(notes[0].contains("[5, 6, 7]"), "{notes:?}");
    let other = glow(6, 3);
    let (same, notes) = prepare_student(other.clone(), &teacher, &config).expect("left as it is");
    assert!(notes.is_empty() && same.fingerprint() == other.fingerprint());
}

#[test]
fn inherited_permutations_are_the_teachers_and_leave_the_students_weights() {
    let config: FlowConfig =
        serde_json::from_str(r#"{"kind":"maf","blocks":2,"hidden":[8],"order":"random"}"#).expect("valid");
    let flow = |seed| Flow::new(&config.assemble(6, 0, seed).expect("valid"), seed, &Device::default()).expect("valid");
    let (teacher, student) = (flow(1), flow(2));
    assert_ne!(teacher.reordering_after(2), student.reordering_after(2));
    let settings = DistillConfig { inherit: Inheritance::Permutations, ..DistillConfig::default() };
    let (heir, _) = prepare_student(student.clone(), &teacher, &settings).expect("both permute");
    assert_eq!(teacher.reordering_after(2), heir.reordering_after(2));
    assert_eq!(heir.fingerprint(), student.fingerprint(), "weights must stay");
}
