//! What makes each layer itself: zeros of the Jacobian, reachability, untouched halves.

use crate::common::*;
use crate::table::{MASKS, TRANSFORMS, for_every_case};
use burn::tensor::DType;
use flowstill::bijectors::{BijectorConfig, Mask, Univariate};
use flowstill::conditioners::{Activation, Made, MadeConfig};
use flowstill::random::stream;
use flowstill::{Parameters, Role, to_f64};

/// A layer's description and its composition tell of the same tensors, shapes, roles and order of channels.
#[test]
fn descriptions_are_what_is_built() {
    for_every_case(|case| {
        let layer = case.build();
        let mut described = Vec::new();
        case.config.describe().tensors(&mut |name, shape, role, range| {
            described.push((name.to_string(), shape.to_vec(), role, range));
        });
        let built = layer.params().into_iter().filter(|(_, param)| param.role() != Role::Constant);
        let mut built: Vec<_> = built.collect();
        described.sort_by(|a, b| a.0.cmp(&b.0));
        built.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(described.len(), built.len(), "{case:?}");
        for ((name, shape, role, range), (own, param)) in described.iter().zip(built) {
            assert_eq!((name, shape.as_slice(), *role), (&own, param.shape(), param.role()), "{case:?}");
            assert_eq!(range.violation(&param.values(), shape), None, "{case:?} {name}");
        }
        assert_eq!(case.config.reordering(), layer.reordering(), "{case:?}");
        case.config.check().expect("the table holds valid settings");
    });
}

#[test]
fn autoregressive_jacobians_are_triangular_and_couplings_keep_a_half() {
    for_every_case(|case| {
        let (layer, batch) = (case.build(), case.batch(2));
        match &case.config {
            BijectorConfig::MaskedAutoregressive(_) => {
                let (n, c) = (batch.event(), case.channels);
                for way in Way::BOTH {
                    let jacobian = batch.jacobian(layer.as_ref(), way, 0);
                    for (i, j) in (0..n * n).map(|k| (k / n, k % n)).filter(|(i, j)| j > i || i / c != j / c) {
                        assert_eq!(jacobian[i * n + j], 0.0, "{case:?} {way:?}: output {i} ignores input {j}");
                    }
                }
            }
            BijectorConfig::Coupling(config) => {
                let tail = match config.transform {
                    Univariate::RationalQuadratic { tail_bound, .. } => tail_bound,
                    _ => f64::INFINITY,
                };
                if config.mask.is_spatial() {
                    let ([h, w], c) = (case.space, case.channels);
                    let parity = usize::from(config.mask == Mask::CheckerboardOdd);
                    for way in Way::BOTH {
                        let (out, _) = batch.run(layer.as_ref(), way);
                        for (i, (before, after)) in batch.values.iter().zip(&out).enumerate() {
                            let (y, x) = (i / c / w % h, i / c % w);
                            match (y + x) % 2 == parity {
                                true => assert_eq!(before, after, "{case:?}: position {y} {x} conditions"),
                                false => assert!(before != after || before.abs() >= tail, "{case:?}: {y} {x} moves"),
                            }
                        }
                    }
                    return;
                }
                let (kept, moved) = config.mask.halves(case.channels);
                assert_eq!(kept.len() + moved.len(), case.channels);
                assert!((!kept.is_empty() || config.context > 0) && !moved.is_empty(), "{case:?}");
                for way in Way::BOTH {
                    let (out, _) = batch.run(layer.as_ref(), way);
                    for (before, after) in batch.values.chunks(case.channels).zip(out.chunks(case.channels)) {
                        assert!(kept.iter().all(|&i| before[i] == after[i]), "{case:?}: the conditioning half is kept");
                        let moves = |&i: &usize| before[i] != after[i] || before[i].abs() >= tail;
                        assert!(moved.iter().all(moves), "{case:?}: the other half moves");
                    }
                }
            }
            _ => {}
        }
    });
}

#[test]
fn the_halves_of_opposite_masks_are_opposite() {
    for channels in 2..8 {
        for pair in MASKS.chunks(2).filter(|_| channels % 2 == 0) {
            assert_eq!(pair[0].halves(channels).0, pair[1].halves(channels).1);
        }
        for mask in MASKS {
            let (kept, moved) = mask.halves(channels);
            let mut all = [kept, moved].concat();
            all.sort_unstable();
            assert_eq!(all, (0..channels).collect::<Vec<_>>());
        }
    }
}

fn perturbed_made(config: &MadeConfig, channels: usize, context: usize, transform: &Univariate) -> Made {
    let mut made = Made::new(config, channels, context, transform, &mut stream(5, "init", 0), &device());
    for (k, (_, param)) in made.params_mut().into_iter().enumerate() {
        if param.is_trainable() {
            param.set_values(noise(param.len(), "weights", k as u64).into_iter().map(|v| v as f32).collect());
        }
        param.cast(DType::F64);
    }
    made
}

/// Output of feature `d` is reached by exactly the features before it: by the product of the masks, and by the numbers.
#[test]
fn the_product_of_the_masks_of_made_is_reachability() {
    // Relu units may all be off; tanh ones pass every path.
    let nets = [(vec![], false), (vec![16], false), (vec![11, 7], false), (vec![9, 9, 9], true)];
    for (hidden, residual) in nets {
        for (channels, context) in [(1, 0), (1, 2), (2, 0), (3, 2), (6, 0), (6, 2)] {
            for transform in [TRANSFORMS[0], TRANSFORMS[1]] {
                let config = MadeConfig { hidden: hidden.clone(), activation: Activation::Tanh, residual };
                let made = perturbed_made(&config, channels, context, &transform);
                let outputs = channels * transform.params();

                let params = made.params();
                let masks = params.iter().filter(|(name, _)| name.starts_with("masks."));
                let mut paths: Option<(Vec<f64>, usize)> = None;
                for (_, mask) in masks {
                    let (rows, columns) = (mask.shape()[0], mask.shape()[1]);
                    let values = mask.values_f64();
                    let product = match paths {
                        None => values,
                        Some((before, inner)) => (0..channels * columns)
                            .map(|k| {
                                let (i, j) = (k / columns, k % columns);
                                (0..inner).map(|m| before[i * inner + m] * values[m * columns + j]).sum()
                            })
                            .collect(),
                    };
                    assert_eq!(product.len(), channels * columns, "{rows}");
                    paths = Some((product, columns));
                }
                let (paths, _) = paths.expect("a net has layers");

                let run = |x: &[f64], c: &[f64]| {
                    let context = (context > 0).then(|| tensor(c, [1, context]));
                    to_f64(made.forward(tensor(x, [1, channels]), context.as_ref()))
                };
                let (x, c) = (noise(channels, "x", 1), noise(context, "c", 1));
                let at = run(&x, &c);
                for input in 0..channels {
                    let mut other = x.clone();
                    other[input] += 0.1;
                    let moved = run(&other, &c);
                    for output in 0..outputs {
                        let reached = input < transform.feature_of(output, channels);
                        assert_eq!(paths[input * outputs + output] > 0.0, reached, "{config:?} {channels}");
                        assert_eq!(moved[output] != at[output], reached, "{config:?} {channels}");
                    }
                }
                for input in 0..context {
                    let mut other = c.clone();
                    other[input] += 0.1;
                    let moved = run(&x, &other);
                    assert!((0..outputs).all(|output| moved[output] != at[output]), "the context reaches every output");
                }
            }
        }
    }
}
