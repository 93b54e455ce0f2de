//! Gradients with respect to inputs, context and every weight, against central differences.

use crate::common::*;
use crate::table::{Case, TRANSFORMS, autoregressive, for_every_case};
use burn::tensor::{DType, Tensor};
use flowstill::bijectors::{Bijector, Build};
use flowstill::conditioners::MadeConfig;
use flowstill::random::stream;
use flowstill::{Parameters, to_f64};

/// `S = sum(w * out) + sum(v * log_det)` with fixed random `w` and `v`.
fn score(layer: &dyn Bijector, way: Way, x: Tensor<4>, context: Option<&Tensor<2>>) -> Tensor<1> {
    let (out, log_det) = way.apply(layer, x, context);
    let shape = out.dims();
    let w = tensor_as(&noise(shape.iter().product(), "w", 1), shape, out.dtype());
    let v = tensor_as(&noise(shape[0], "v", 1), [shape[0]], out.dtype());
    (out * w).sum() + (log_det * v).sum()
}

/// Gradients by autodiff: of the inputs, the context and each trainable tensor.
fn tape(layer: &dyn Bijector, way: Way, batch: &Batch, dtype: DType) -> Vec<(String, Vec<f64>)> {
    let (x, context) = batch.tensors(dtype);
    let x = x.autodiff().require_grad();
    let context = context.map(|context| context.autodiff().require_grad());
    let mut layer = layer.boxed();
    for (_, param) in layer.params_mut() {
        if param.is_trainable() {
            param.set(param.flat().clone().autodiff().require_grad());
        }
    }
    let grads = score(layer.as_ref(), way, x.clone(), context.as_ref()).backward();
    fn or_zero<const D: usize>(leaf: Tensor<D>, grads: &burn::tensor::Gradients) -> Vec<f64> {
        leaf.grad(grads).map_or_else(|| vec![0.0; leaf.shape().num_elements()], to_f64)
    }
    let mut out = vec![("x".to_string(), or_zero(x, &grads))];
    if let Some(context) = context {
        out.push(("context".to_string(), or_zero(context, &grads)));
    }
    for (name, param) in layer.params() {
        if param.is_trainable() {
            out.push((name, or_zero(param.flat().clone(), &grads)));
        }
    }
    out
}

/// The same by central differences.
fn differences(layer: &dyn Bijector, way: Way, batch: &Batch) -> Vec<(String, Vec<f64>)> {
    const STEP: f64 = 1e-6;
    let value = |layer: &dyn Bijector, batch: &Batch| {
        let (x, context) = batch.tensors(DType::F64);
        to_f64(score(layer, way, x, context.as_ref()))[0]
    };
    let central = |count: usize, evaluate: &mut dyn FnMut(usize, f64) -> f64| -> Vec<f64> {
        (0..count).map(|i| (evaluate(i, STEP) - evaluate(i, -STEP)) / (2.0 * STEP)).collect()
    };
    let moved = |values: &[f64], i: usize, step: f64| {
        let mut values = values.to_vec();
        values[i] += step;
        values
    };
    let mut out = Vec::new();
    let x = central(batch.values.len(), &mut |i, step| value(layer, &batch.with_values(moved(&batch.values, i, step))));
    out.push(("x".to_string(), x));
    if batch.width > 0 {
        let context = central(batch.context.len(), &mut |i, step| {
            value(layer, &Batch { context: moved(&batch.context, i, step), ..batch.clone() })
        });
        out.push(("context".to_string(), context));
    }
    let mut layer = layer.boxed();
    let trainable: Vec<usize> =
        layer.params().iter().enumerate().filter(|(_, (_, p))| p.is_trainable()).map(|(k, _)| k).collect();
    for k in trainable {
        let (name, values) = (layer.params()[k].0.clone(), layer.params()[k].1.values_f64());
        let gradient = central(values.len(), &mut |i, step| {
            layer.params_mut()[k].1.set(tensor(&moved(&values, i, step), [values.len()]));
            value(layer.as_ref(), batch)
        });
        layer.params_mut()[k].1.set(tensor(&values, [values.len()]));
        out.push((name, gradient));
    }
    out
}

fn check(case: &Case, way: Way) {
    let (layer, batch) = (case.build(), case.batch(2));
    let batch = match way {
        Way::Forward => batch,
        Way::Inverse => batch.with_values(batch.run(layer.as_ref(), Way::Forward).0),
    };
    let exact = tape(layer.as_ref(), way, &batch, DType::F64);
    for ((name, tape), (other, difference)) in exact.iter().zip(differences(layer.as_ref(), way, &batch)) {
        assert_eq!(*name, other);
        // Rounding in a difference grows with the value that is differenced, so compare on the scale of the whole tensor.
        let scale = 1.0 + difference.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        for (i, (t, d)) in tape.iter().zip(&difference).enumerate() {
            assert!((t - d).abs() <= 2e-6 * scale, "{case:?} {way:?} {name}[{i}]: tape {t:e}, difference {d:e}");
        }
    }
}

#[test]
fn forward_gradients_match_central_differences() {
    for_every_case(|case| check(case, Way::Forward));
}

#[test]
fn inverse_gradients_match_central_differences() {
    for_every_case(|case| check(case, Way::Inverse));
}

/// Away from a tape all channels move at once until nothing changes; on it they are settled one after the other. Both end at the same point.
#[test]
fn the_fixed_point_is_where_the_passes_end() {
    for (index, transform) in TRANSFORMS.into_iter().enumerate() {
        let (channels, context) = (1 + index % 6, index % 2 * 3);
        let made = MadeConfig { hidden: vec![9, 8], ..MadeConfig::default() };
        let config = autoregressive(channels, transform, made, context);
        let mut layer = config.build(&mut stream(3, "init", 0), &device()).expect("valid settings");
        for (k, (_, param)) in layer.params_mut().into_iter().enumerate().filter(|(_, (_, p))| p.is_trainable()) {
            let noise = noise(param.len(), "perturb", k as u64);
            param.set_values(param.values().iter().zip(noise).map(|(v, n)| v + 0.3 * n as f32).collect());
        }
        let batch = Batch {
            values: noise(4 * channels, "data", 5),
            shape: [4, 1, 1, channels],
            context: noise(4 * context, "context", 5),
            width: context,
        };
        layer.params_mut().into_iter().for_each(|(_, param)| param.cast(DType::F64));
        let settled = batch.run_as(layer.as_ref(), Way::Inverse, DType::F64);
        for (_, param) in layer.params_mut() {
            param.set(param.flat().clone().autodiff());
        }
        let passes = batch.run_as(layer.as_ref(), Way::Inverse, DType::F64);
        // Burn computes a softmax in another order on a tape than off it.
        assert_close(&settled.0, &passes.0, 1e-12, &format!("{transform:?}, x"));
        assert_close(&settled.1, &passes.1, 1e-12, &format!("{transform:?}, log-det"));
    }
}
