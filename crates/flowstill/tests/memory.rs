//! Hold the memory modes equal: the same values, the same gradients, and, inverted, no growth with depth.

use flowstill::burn::tensor::{Device, Gradients, Tensor};
use flowstill::distill::{DistillConfig, Distillation};
use flowstill::flows::{Flow, FlowConfig, Memory};
use flowstill::train::{Batch, Objective};
use flowstill::{Parameters, random, to_f64};

const FLOWS: [(&str, [usize; 3]); 6] = [
    (r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"base":{"kind":"diagonal_normal"}}"#, [4, 8, 3]),
    (
        r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"transform":{"kind":"additive"},"split":{"kind":"standard"}}"#,
        [4, 4, 1],
    ),
    (r#"{"kind":"realnvp","levels":2,"steps":2,"hidden":[6]}"#, [4, 4, 2]),
    (r#"{"kind":"glow","steps":3,"hidden":8,"layers":3}"#, [1, 1, 5]),
    (r#"{"kind":"maf","blocks":2,"hidden":[8],"order":"reverse"}"#, [1, 1, 4]),
    (r#"{"kind":"nsf","steps":2,"hidden":8,"blocks":1,"bins":4}"#, [1, 1, 4]),
];

fn flow(text: &str, event: [usize; 3], context: usize) -> Flow {
    let config: FlowConfig = serde_json::from_str(text).expect("a valid flow");
    let architecture = match event {
        [1, 1, columns] => config.assemble(columns, context, 1),
        event => config.assemble_picture(event, context),
    };
    let mut flow = Flow::new(&architecture.expect("valid"), 1, &Device::default()).expect("valid");
    let data = batch(&flow, 64, 9);
    flow.initialize(&data.x, data.context.as_ref()).expect("fits");
    let mut rng = random::stream(5, "move", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.03 * noise).collect());
    }
    flow
}

fn batch(flow: &Flow, rows: usize, seed: u64) -> Batch {
    let ([h, w, c], context) = (flow.architecture().event, flow.architecture().context);
    let (mut rng, device) = (random::stream(seed, "batch", 0), Device::default());
    Batch {
        x: random::normal_tensor([rows, h, w, c], &mut rng, &device) * 0.5,
        context: (context > 0).then(|| random::normal_tensor([rows, context], &mut rng, &device)),
        log_dets: Vec::new(),
        pixels: None,
    }
}

fn gradients(flow: &Flow, loss: &Tensor<1>) -> Vec<(String, Vec<f64>)> {
    gradients_in(flow, &loss.backward())
}

fn gradients_in(flow: &Flow, grads: &Gradients) -> Vec<(String, Vec<f64>)> {
    let params = flow.params().into_iter().filter(|(_, param)| param.is_trainable());
    params
        .map(|(name, param)| (name, param.flat().grad(grads).map(to_f64).unwrap_or_else(|| vec![0.0; param.len()])))
        .collect()
}

fn assert_close(a: &[(String, Vec<f64>)], b: &[(String, Vec<f64>)], tolerance: f64, what: &str) {
    for ((name, a), (other, b)) in a.iter().zip(b) {
        assert_eq!(name, other);
        let scale = 1e-3 + a.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= tolerance * scale, "{what} {name}: {a} against {b}");
        }
    }
}

#[test]
fn likelihoods_samples_and_their_gradients_agree() {
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let flow = flow(text, event, context);
            let data = batch(&flow, 6, 3);
            let run = |memory: Memory| {
                let flow = flow.clone().with_memory(memory).tracked();
                let x = data.x.clone().autodiff().require_grad();
                let nll = -flow.log_prob(x.clone(), data.context.as_ref()).expect("fits").mean();
                let value = to_f64(nll.clone())[0];
                let grads = nll.backward();
                let mut all = gradients_in(&flow, &grads);
                all.push(("x".into(), x.grad(&grads).map(to_f64).expect("x is a leaf")));
                // Backwards: a loss on samples, whose gradient goes through the inverse.
                let noise = flow.draw_noise(6, &mut random::stream(2, "noise", 0));
                let latents = flow.latents_from_noise(&noise, 0.7);
                let (samples, log_det) = flow.inverse(&latents, data.context.as_ref()).expect("fits");
                let loss = samples.clone().square().mean() + log_det.mean() * 0.01;
                (value, to_f64(loss.clone())[0], all, gradients(&flow, &loss))
            };
            let (nll, sampled, forward, inverse) = run(Memory::Store);
            for memory in [Memory::Recompute, Memory::Invert] {
                let other = run(memory);
                let what = format!("{text} {memory:?} with {context} conditioning values");
                assert!((other.0 - nll).abs() < 1e-5 * (1.0 + nll.abs()), "{what}: {} is not {nll}", other.0);
                assert!(
                    (other.1 - sampled).abs() < 1e-5 * (1.0 + sampled.abs()),
                    "{what}: {} is not {sampled}",
                    other.1
                );
                assert_close(&forward, &other.2, 2e-3, &what);
                assert_close(&inverse, &other.3, 2e-3, &format!("{what}, inverse"));
            }
        }
    }
}

#[test]
fn distillation_gives_the_same_gradients_in_every_mode() {
    let (text, event) = FLOWS[0];
    let teacher = flow(text, event, 0);
    let mut student = teacher.clone();
    for (_, param) in student.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        param.set_values(param.values().iter().map(|value| value + 0.01).collect());
    }
    let config = DistillConfig { lkd: 0.1, ilkd: 0.2, skd: 0.2, pool: 16, ..DistillConfig::default() };
    let run = |memory: Memory| {
        let student = student.clone().with_memory(memory).tracked();
        let objective = Distillation::new(&teacher, &student, &config, 3, 8).expect("fits");
        let loss = objective.loss(&student, &batch(&student, 8, 4), 1, 10).expect("fits");
        (to_f64(loss.total.clone())[0], gradients(&student, &loss.total))
    };
    let (loss, gradients) = run(Memory::Store);
    for memory in [Memory::Recompute, Memory::Invert] {
        let (other, theirs) = run(memory);
        assert!((loss - other).abs() < 1e-5 * (1.0 + loss.abs()), "{memory:?}: {other} is not {loss}");
        assert_close(&gradients, &theirs, 2e-3, &format!("{memory:?}"));
    }
}

/// THE LAW holds in every mode.
#[test]
fn a_copied_student_loses_nothing_in_any_mode() {
    let (text, event) = FLOWS[0];
    let teacher = flow(text, event, 0);
    for memory in [Memory::Store, Memory::Recompute, Memory::Invert] {
        let student = teacher.clone().with_memory(memory).tracked();
        let config = DistillConfig { lkd: 0.1, ilkd: 0.2, skd: 0.2, pool: 16, ..DistillConfig::default() };
        let objective = Distillation::new(&teacher, &student, &config, 3, 8).expect("fits");
        let loss = objective.loss(&student, &batch(&student, 8, 4), 1, 10).expect("fits");
        for (term, value) in loss.terms.iter().filter(|(term, _)| ["lkd", "ilkd", "skd"].contains(term)) {
            assert_eq!(to_f64(value.clone())[0], 0.0, "{memory:?} {term}");
        }
    }
}
