//! Put the affine map of a coupling on the tape as one node, computed by the kernels.

use super::custom::{supports, with_pullback};
use super::host::{Host, from_host};
use burn::tensor::Tensor;
use flowstill_kernels::coupling::{Affine, Direction};

/// `z = (x + t) exp(s)`, `s = bound * tanh(raw_s / bound)`, of the channels `moved` of `state`, `[batch, h, w, channels]`, or its inverse; the log-det is the
/// sum of `s` per sample either way.
///
/// `raw` is `[batch, h, w, 2 * moved]`, at every position all `t`, then all `raw_s`. `None` unless all numbers are f32 on the CPU: then the caller
/// composes the map itself. The same kernel runs whether anything is tracked or not.
pub fn affine(
    state: &Tensor<4>,
    raw: &Tensor<4>,
    moved: &[usize],
    bound: f64,
    direction: Direction,
) -> Option<(Tensor<4>, Tensor<1>)> {
    let event = state.dims();
    let [samples, height, width, channels] = event;
    let positions = height * width;
    let [count, raw_count] = [samples * positions * channels, samples * positions * 2 * moved.len()];
    if count * raw_count == 0 {
        return None;
    }
    let map = Affine { samples, positions, channels, moved: moved.to_vec(), bound: bound as f32, direction };
    let tensors = [state.clone().reshape([count]), raw.clone().reshape([raw_count])];
    let [x, parameters] = tensors.each_ref().map(|tensor| Host::read(tensor.clone()));
    let (x, parameters) = (x?, parameters?);
    let tracked = tensors.iter().any(Tensor::is_autodiff);
    let tensors = if tracked { tensors.map(Tensor::autodiff) } else { tensors };
    if tracked && !tensors.iter().all(supports) {
        return None;
    }
    let (mut out, log_det) = map.apply(x.values(), parameters.values());
    if !tracked {
        return Some((from_host(out, event), from_host(log_det, [samples])));
    }
    // A node has one output: the state, then the log-dets.
    out.extend(log_det);
    let pullback = move |gradient: Tensor<1>| {
        let gradient = Host::read(gradient).expect("a gradient has the type and the device of its value");
        let (of_state, of_log_det) = gradient.values().split_at(count);
        let (to_state, to_raw) = map.backward(x.values(), parameters.values(), of_state, of_log_det);
        [from_host(to_state, [count]), from_host(to_raw, [raw_count])]
    };
    let both = with_pullback(tensors, from_host(out, [count + samples]), pullback);
    Some((both.clone().narrow(0, 0, count).reshape(event), both.narrow(0, count, samples)))
}
