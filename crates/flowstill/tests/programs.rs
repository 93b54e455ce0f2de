//! Hold compiled programs to the composition of bijectors: the same values, taps and gradients, in every memory mode.

mod families;

use families::{FLOWS, batch, flow};
use flowstill::burn::tensor::{Device, Tensor};
use flowstill::flows::{Flow, Latents, Memory};
use flowstill::{Parameters, random, to_f64};

type Named = Vec<(String, Vec<f64>)>;

/// Latents, log-det, all taps, and the gradients of a loss that all of them have a part in.
fn everything(flow: &Flow, rows: usize, of_x: bool, of_weights: bool) -> Named {
    let (x, context) = batch(flow, rows, 3);
    let flow = if of_weights { flow.clone().tracked() } else { flow.clone() };
    let x = if of_x { x.autodiff().require_grad() } else { x };
    let (latents, log_det, trace) = flow.forward_traced(x.clone(), context.as_ref()).expect("fits");
    let mut out: Named = Vec::new();
    let mut rng = random::stream(8, "loss", 0);
    let mut weigh = |tensor: Tensor<4>| {
        let weights = random::normal_tensor(tensor.dims(), &mut rng, &Device::default());
        (tensor * weights).sum()
    };
    let mut loss = (log_det.clone() * 0.7).sum();
    for (index, state) in latents.levels.iter().chain(trace.states.iter().flatten()).enumerate() {
        out.push((format!("state {index}"), to_f64(state.clone())));
        loss = loss + weigh(state.clone());
    }
    out.push(("log det".into(), to_f64(log_det)));
    if of_x || of_weights {
        let grads = loss.backward();
        if of_x {
            out.push(("gradient of x".into(), to_f64(x.grad(&grads).expect("a leaf"))));
        }
        if of_weights {
            let params = flow.params();
            let leaves = params.iter().filter(|(_, param)| param.is_trainable());
            out.extend(leaves.map(|(name, param)| {
                let gradient = param.flat().grad(&grads).map(to_f64);
                (format!("gradient of {name}"), gradient.unwrap_or_else(|| vec![0.0; param.len()]))
            }));
        }
    }
    out
}

/// The largest distance in units of the largest value.
fn worst(a: &Named, b: &Named) -> f64 {
    let each = a.iter().zip(b).map(|((_, a), (_, b))| {
        let scale = b.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
        let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs() / scale);
        // f64::max would drop a NaN.
        apart.fold(0.0_f64, |most, gap| if gap.is_nan() || gap > most { gap } else { most })
    });
    each.fold(0.0, |most: f64, gap| if gap.is_nan() || gap > most { gap } else { most })
}

fn assert_close(ours: &Named, plain: &Named, tolerance: f64, what: &str) {
    assert_eq!(ours.len(), plain.len(), "{what}");
    for ((name, ours), (other, plain)) in ours.iter().zip(plain) {
        assert_eq!((name, ours.len()), (other, plain.len()), "{what}");
        let scale = plain.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
        for (a, b) in ours.iter().zip(plain) {
            assert!((a - b).abs() <= tolerance * scale, "{what}, {name}: {a} against {b} (scale {scale})");
        }
    }
}

#[test]
fn programs_give_what_compositions_give() {
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let flow = flow(text, *event, context);
            assert!(flow.is_compiled(), "{text}");
            for rows in [1, 5, 37] {
                for (of_x, of_weights) in [(true, true), (false, true), (true, false), (false, false)] {
                    let ours = everything(&flow, rows, of_x, of_weights);
                    let plain = everything(&flow.clone().composed(), rows, of_x, of_weights);
                    assert_close(&ours, &plain, 2e-4, &format!("{text} {context} {rows}"));
                }
            }
        }
    }
}

#[test]
fn memory_modes_give_the_same_gradients() {
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let flow = flow(text, *event, context);
            let stored = everything(&flow, 21, true, true);
            for (memory, tolerance) in [(Memory::Recompute, 1e-6), (Memory::Invert, 2e-3)] {
                let ours = everything(&flow.clone().with_memory(memory), 21, true, true);
                assert_close(&ours, &stored, tolerance, &format!("{text} {context} {memory:?}"));
            }
        }
    }
}

#[test]
fn inverses_give_what_compositions_give() {
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let flow = flow(text, *event, context);
            for rows in [1, 37] {
                let (x, context) = batch(&flow, rows, 4);
                let (latents, log_det) = flow.forward(x.clone(), context.as_ref()).expect("fits");
                let named = |(x, log_det): (Tensor<4>, Tensor<1>)| {
                    vec![("x".to_string(), to_f64(x)), ("log det".to_string(), to_f64(log_det))]
                };
                let ours = named(flow.inverse(&latents, context.as_ref()).expect("fits"));
                let plain = named(flow.clone().composed().inverse(&latents, context.as_ref()).expect("fits"));
                let expect = named((x, log_det));
                // A spline with a narrow bin loses digits on its way back, whoever goes it.
                let (own, other) = (worst(&ours, &expect), worst(&plain, &expect));
                assert!(
                    own <= 2e-4 + 4.0 * other,
                    "{text} {rows}: {own} away from where it came, the composition {other}"
                );
            }
        }
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    for (text, event) in FLOWS {
        let flow = flow(text, *event, 0);
        let (x, _) = batch(&flow, 300, 6);
        let all = to_f64(flow.log_prob(x.clone(), None).expect("fits"));
        for rows in [1, 7, 130] {
            let some = to_f64(flow.log_prob(x.clone().narrow(0, 0, rows), None).expect("fits"));
            // To the last bit.
            assert_eq!(some[..], all[..rows], "{text}");
        }
    }
}

#[test]
fn likelihoods_have_the_gradients_of_compositions_however_rows_are_weighed() {
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let flow = flow(text, *event, context);
            let run = |flow: Flow, even: bool, of_x: bool| -> Named {
                let (x, context) = batch(&flow, 21, 3);
                let (flow, x) = (flow.tracked(), if of_x { x.autodiff().require_grad() } else { x });
                let log_prob = flow.log_prob(x.clone(), context.as_ref()).expect("fits");
                let weights = random::normal_tensor([21], &mut random::stream(8, "loss", 0), &Device::default());
                let loss = if even { -log_prob.clone().mean() } else { (log_prob.clone() * weights).sum() };
                let grads = loss.backward();
                let mut out = vec![("log p".to_string(), to_f64(log_prob))];
                if of_x {
                    out.push(("gradient of x".into(), to_f64(x.grad(&grads).expect("a leaf"))));
                }
                let params = flow.params();
                let leaves = params.iter().filter(|(_, param)| param.is_trainable());
                out.extend(leaves.map(|(name, param)| {
                    let gradient = param.flat().grad(&grads).map(to_f64);
                    (format!("gradient of {name}"), gradient.unwrap_or_else(|| vec![0.0; param.len()]))
                }));
                out
            };
            for (even, of_x) in [(true, true), (true, false), (false, true), (false, false)] {
                let (ours, plain) = (run(flow.clone(), even, of_x), run(flow.clone().composed(), even, of_x));
                assert_close(&ours, &plain, 2e-4, &format!("{text} {context} {even}"));
            }
        }
    }
}

#[test]
fn gradients_of_inverses_are_those_of_compositions() {
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let flow = flow(text, *event, context);
            let (x, context) = batch(&flow, 21, 3);
            let (latents, _) = flow.forward(x, context.as_ref()).expect("fits");
            let run = |flow: Flow, of_latents: bool, of_weights: bool| -> Named {
                let flow = if of_weights { flow.tracked() } else { flow };
                let mut latents = latents.clone();
                if of_latents {
                    latents.levels = latents.levels.into_iter().map(|z| z.autodiff().require_grad()).collect();
                }
                let (x, log_det) = flow.inverse(&latents, context.as_ref()).expect("fits");
                let mut rng = random::stream(8, "loss", 0);
                let weights = random::normal_tensor(x.dims(), &mut rng, &Device::default());
                let of_each = random::normal_tensor([21], &mut rng, &Device::default());
                let mut loss = (x * weights).sum();
                if log_det.is_tracked() {
                    // A log-determinant that follows from nothing tracked has no gradient.
                    loss = loss + (log_det * of_each).sum();
                }
                let grads = loss.backward();
                let mut out = Named::new();
                for (level, z) in latents.levels.iter().enumerate().filter(|_| of_latents) {
                    out.push((format!("gradient of level {level}"), to_f64(z.grad(&grads).expect("a leaf"))));
                }
                let params = flow.params();
                let leaves = params.iter().filter(|(_, param)| of_weights && param.is_trainable());
                out.extend(leaves.map(|(name, param)| {
                    let gradient = param.flat().grad(&grads).map(to_f64);
                    (format!("gradient of {name}"), gradient.unwrap_or_else(|| vec![0.0; param.len()]))
                }));
                out
            };
            for (of_latents, of_weights) in [(true, true), (false, true), (true, false)] {
                let ours = run(flow.clone(), of_latents, of_weights);
                let plain = run(flow.clone().composed(), of_latents, of_weights);
                assert_close(&ours, &plain, 1e-3, &format!("{text} {context:?}"));
            }
        }
    }
}

#[test]
fn a_changed_flow_is_loaded_anew() {
    let mut changed = flow(FLOWS[0].0, FLOWS[0].1, 0);
    let (x, _) = batch(&changed, 9, 3);
    let before = changed.clone();
    let first = to_f64(changed.log_prob(x.clone(), None).expect("fits"));
    for (_, param) in changed.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        param.set_values(param.values().iter().map(|value| value * 1.1).collect());
    }
    let second = to_f64(changed.log_prob(x.clone(), None).expect("fits"));
    assert_ne!(first, second);
    assert_close(
        &vec![("log p".into(), second)],
        &vec![("log p".into(), to_f64(changed.composed().log_prob(x.clone(), None).expect("fits")))],
        1e-5,
        "changed",
    );
    // The copy that was made before is as it was.
    assert_eq!(to_f64(before.log_prob(x, None).expect("fits")), first);
}

/// Gradients of a context by way of latents and log-determinants, of a likelihood with even and uneven rows, and of the inverse; alone, and beside all others.
fn of_context(flow: &Flow, others: bool) -> Named {
    let (x, context) = batch(flow, 21, 3);
    let leaf = context.expect("a flow with a context").autodiff().require_grad();
    let flow = if others { flow.clone().tracked() } else { flow.clone() };
    let on = |x: Tensor<4>| if others { x.autodiff().require_grad() } else { x };
    let mut rng = random::stream(8, "loss", 0);
    let rows: Tensor<1> = random::normal_tensor([21], &mut rng, &Device::default());
    let weigh = |tensor: Tensor<4>| {
        let weights = random::normal_tensor(tensor.dims(), &mut random::stream(9, "loss", 0), &Device::default());
        (tensor * weights).sum()
    };
    let start = on(x.clone());
    let (latents, log_det) = flow.forward(start.clone(), Some(&leaf)).expect("fits");
    let ends = latents.levels.clone().into_iter().map(weigh).fold((log_det * rows.clone()).sum(), |sum, own| sum + own);
    let even = flow.log_prob(start.clone(), Some(&leaf)).expect("fits").mean();
    let uneven = (flow.log_prob(start.clone(), Some(&leaf)).expect("fits") * rows.clone()).sum();
    let still = flow.forward(x, Some(&leaf.clone().without_autodiff())).expect("fits").0;
    let mut still = Latents { levels: still.levels.into_iter().map(|z| z.without_autodiff()).collect() };
    still.levels = still.levels.into_iter().map(on).collect();
    let (back, log_det) = flow.inverse(&still, Some(&leaf)).expect("fits");
    let mut back = weigh(back);
    if log_det.is_tracked() {
        back = back + (log_det * rows).sum();
    }
    let mut out = Named::new();
    for (name, loss) in [("forward", ends), ("even", even), ("uneven", uneven), ("inverse", back)] {
        let grads = loss.backward();
        let gradient = leaf.grad(&grads).map(to_f64).unwrap_or_else(|| vec![0.0; 42]);
        out.push((format!("{name}: gradient of the context"), gradient));
        if others {
            let start = if name == "inverse" { &still.levels[0] } else { &start };
            out.push((format!("{name}: gradient of the start"), to_f64(start.grad(&grads).expect("a leaf"))));
        }
    }
    out
}

#[test]
fn contexts_have_the_gradients_of_compositions() {
    for (text, event) in FLOWS {
        let flow = flow(text, *event, 2);
        let plain = of_context(&flow.clone().composed(), true);
        for memory in [Memory::Store, Memory::Recompute, Memory::Invert] {
            let tolerance = if memory == Memory::Invert { 2e-3 } else { 1e-3 };
            let ours = of_context(&flow.clone().with_memory(memory), true);
            assert_close(&ours, &plain, tolerance, &format!("{text} {memory:?}"));
        }
        let alone: Named = plain.into_iter().filter(|(name, _)| name.ends_with("the context")).collect();
        assert_close(&of_context(&flow, false), &alone, 1e-3, text);
    }
}

#[test]
fn gradients_of_contexts_are_central_differences() {
    for (text, event) in FLOWS {
        let flow = flow(text, *event, 2);
        let (x, context) = batch(&flow, 21, 3);
        let context = context.expect("a flow with a context");
        let direction = random::normal_tensor([21, 2], &mut random::stream(8, "way", 0), &Device::default());
        let leaf = context.clone().autodiff().require_grad();
        let grads = flow.log_prob(x.clone(), Some(&leaf)).expect("fits").sum().backward();
        let gradient = to_f64(leaf.grad(&grads).expect("a leaf"));
        let ours: f64 = gradient.iter().zip(to_f64(direction.clone())).map(|(a, b)| a * b).sum();
        let size: f64 = gradient.iter().zip(to_f64(direction.clone())).map(|(a, b)| (a * b).abs()).sum();
        let at = |step: f64| -> f64 {
            let context = context.clone() + direction.clone() * step;
            to_f64(flow.log_prob(x.clone(), Some(&context)).expect("fits")).iter().sum()
        };
        let step = 4e-3;
        let expect = (at(step) - at(-step)) / (2.0 * step);
        assert!((ours - expect).abs() < 0.02 * size + 0.02, "{text}: {ours} against {expect} (size {size})");
    }
}

#[test]
fn a_composition_runs_no_program_that_was_loaded_before() {
    let mut others = 0;
    for (text, event) in FLOWS {
        let flow = flow(text, *event, 0);
        let (x, _) = batch(&flow, 21, 3);
        let score = |flow: &Flow| to_f64(flow.log_prob(x.clone(), None).expect("fits"));
        let before = score(&flow.clone().composed());
        let program = score(&flow);
        assert_eq!(score(&flow.clone().composed()), before, "{text}");
        others += usize::from(program != before);
    }
    // The two round apart, or the comparisons above would compare one with itself.
    assert!(others > FLOWS.len() / 2, "{others}");
}
