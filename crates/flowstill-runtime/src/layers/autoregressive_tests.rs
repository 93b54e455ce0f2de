//! Hold the way back through the inverse, one pass, to the plain one, a pass for every feature.

use super::*;
use crate::architecture::{MadeConfig, ScaleMap, Univariate};
use crate::random::{normals, stream};
use flowstill_kernels::elementwise::add;

/// The plain twin of [`Layer::backward_inverse`]: solves `J^T y = r` by as many passes as there are features, and pulls `-y` back once more.
fn backward_inverse(layer: &Autoregressive, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
    let (lanes, size) = (work.lanes(), layer.channels * work.lanes());
    let block = tape.pop(layer.block(lanes));
    let mut g_raw = vec![0.0; layer.net.outputs() * lanes];
    let [mut direct, mut slope, mut right] = [0, 1, 2].map(|_| vec![0.0; size]);
    let mut g_slopes = vec![0.0; lanes];
    layer.pull(block, lanes, &vec![1.0; size], &g_slopes, &mut slope, &mut g_raw);
    work.spread_g_log_det(&mut g_slopes);
    layer.pull(block, lanes, &vec![0.0; size], &g_slopes, &mut right, &mut g_raw);
    layer.net.backward(work, block, lanes, &g_raw, &mut right, &mut []);
    add(&mut right, &work.gradient);
    // J is triangular: each pass settles at least one feature more, the last first.
    g_slopes.fill(0.0);
    let mut solved: Vec<f32> = right.iter().zip(&slope).map(|(right, slope)| right / slope).collect();
    for _ in 1..layer.channels {
        layer.pull(block, lanes, &solved, &g_slopes, &mut direct, &mut g_raw);
        direct.fill(0.0);
        layer.net.backward(work, block, lanes, &g_raw, &mut direct, &mut []);
        let rest = right.iter().zip(&direct).zip(&slope);
        solved.iter_mut().zip(rest).for_each(|(y, ((right, others), slope))| *y = (right - others) / slope);
    }
    work.spread_g_log_det(&mut g_slopes);
    let negative: Vec<f32> = solved.iter().map(|y| -y).collect();
    layer.pull(block, lanes, &negative, &g_slopes, &mut direct, &mut g_raw);
    // Those passes asked for no gradient of the context.
    work.g_context.fill(0.0);
    layer.net.backward(work, block, lanes, &g_raw, &mut direct, accumulators);
    work.gradient.copy_from_slice(&solved);
}

fn assert_close(ours: &[f32], plain: &[f32], what: &str) {
    let scale = plain.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
    for (a, b) in ours.iter().zip(plain) {
        assert!((a - b).abs() <= 2e-4 * scale, "{what}: {a} against {b} (scale {scale})");
    }
}

#[test]
fn the_way_back_through_the_inverse_equals_the_plain_one() {
    let affine = Univariate::Affine { scale: ScaleMap::Tanh { bound: 2.0 } };
    let spline = Univariate::RationalQuadratic { bins: 5, tail_bound: 3.0 };
    let nets: [(&[usize], bool); 7] = [
        (&[], false),
        (&[9], false),
        (&[20, 70], false),
        (&[3, 40, 5], false),
        (&[100, 100], false),
        (&[12], true),
        (&[30, 30, 30, 30, 30], true),
    ];
    let mut rng = stream(3, "test", 0);
    for (hidden, residual) in nets {
        for (index, transform) in [affine, spline, Univariate::Additive].into_iter().enumerate() {
            for (channels, context) in [(1, 0), (1, 2), (4, 1), (13, 0), (40, 2)] {
                let activation = [Activation::Relu, Activation::Tanh, Activation::Silu][(index + channels) % 3];
                let made = MadeConfig { hidden: hidden.to_vec(), activation, residual };
                let config = Config { channels, transform, made, context };
                let outputs = channels * transform.params();
                let mut widths = vec![channels];
                widths.extend(hidden.iter().chain([&outputs]));
                let mut names = Vec::new();
                for (layer, pair) in widths.windows(2).enumerate() {
                    names.push((format!("a.net.layers.{layer}.weight"), pair[0] * pair[1]));
                    names.push((format!("a.net.layers.{layer}.bias"), pair[1]));
                }
                names.push(("a.net.context".into(), context * widths[1]));
                let offsets = Offsets::new(names.iter().map(|(name, length)| (name.as_str(), *length)));
                let what = format!("{config:?}");
                let mut layer = Autoregressive::new("a", &config, &offsets).expect(&what);
                let values: Vec<f32> = normals(offsets.len(), &mut rng).iter().map(|v| 0.2 * v).collect();
                layer.load(&values, Purpose { forward: true, backward: true, inverse: true });
                let samples = 37;
                let mut work = Work::default();
                (work.samples, work.height, work.width, work.channels) = (samples, 1, 1, channels);
                let lanes = work.lanes();
                work.state = normals(channels * lanes, &mut rng);
                work.context = normals(context * samples, &mut rng);
                work.log_det = vec![0.0; samples];
                work.g_log_det = normals(samples, &mut rng);
                work.wants_context = true;
                let mut gradient = normals(channels * lanes, &mut rng);
                gradient.chunks_exact_mut(lanes).for_each(|plane| plane[samples..].fill(0.0));
                let x = work.state.clone();
                let [ours, plain] = [true, false].map(|fast| {
                    let mut tape = Tape::default();
                    work.state.copy_from_slice(&x);
                    work.gradient = gradient.clone();
                    work.g_context = vec![0.0; context * samples];
                    let mut accumulators = vec![0.0; layer.accumulators()];
                    layer.forward(&mut work, &mut tape);
                    match fast {
                        true => layer.backward_inverse(&mut work, &mut tape, &mut accumulators),
                        false => backward_inverse(&layer, &mut work, &mut tape, &mut accumulators),
                    }
                    assert_eq!(tape.height(), 0);
                    let mut of_values = vec![0.0; values.len()];
                    layer.finish(&values, &accumulators, &mut Slots::new(&mut of_values, 0));
                    [work.gradient.clone(), of_values, work.g_context.clone()]
                });
                for (ours, plain) in ours.iter().zip(&plain) {
                    assert!(plain.is_empty() || plain.iter().any(|value| *value != 0.0), "{what}");
                    assert_close(ours, plain, &what);
                }
            }
        }
    }
}
