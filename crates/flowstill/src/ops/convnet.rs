//! Put the network of a convolutional coupling on the tape as one node, computed by the kernels.

use super::custom::{supports, with_pullback};
use super::host::{Host, from_host};
use burn::tensor::Tensor;
use flowstill_kernels::convnet::{self, Shape, Wanted, Weights};

/// `patches - W1 - relu - W2 - relu - W3 - fold`, each with its bias, of `[batch, h, w, inputs]`; the result is `[batch, h, w, outputs]`.
///
/// `weights` are flat: `W1 [9 * inputs, hidden]`, `b1`, `W2 [hidden, hidden]`, `b2`, `W3 [hidden, 9 * outputs]`, `b3`; columns of the windows lie as in
/// [`patches`](super::patches::patches) and [`fold`](super::patches::fold). `None` unless all numbers are f32 on the CPU: then the caller composes the
/// layers itself. The same kernel runs whether anything is tracked or not, so that a constant and a tracked network with equal weights agree to
/// the last bit.
pub fn forward(x: Tensor<4>, weights: [Tensor<1>; 6]) -> Option<Tensor<4>> {
    let [batch, height, width, inputs] = x.dims();
    let [hidden, outputs] = [1, 5].map(|bias: usize| weights[bias].dims()[0]);
    let shape = Shape { batch, height, width, inputs, hidden, outputs };
    if shape.positions() * inputs * hidden * outputs == 0 {
        return None;
    }
    let x = x.reshape([shape.positions() * inputs]);
    let [w1, b1, w2, b2, w3, b3] = weights;
    let tensors = [x, w1, b1, w2, b2, w3, b3];
    let call = Call { shape, values: read(&tensors)? };
    let event = [batch, height, width, outputs];
    if !tensors.iter().any(Tensor::is_autodiff) {
        return Some(from_host(call.forward(), event));
    }
    let wanted = Wanted { x: tensors[0].is_tracked(), weights: tensors[1..].iter().any(Tensor::is_tracked) };
    let tensors = tensors.map(Tensor::autodiff);
    if !tensors.iter().all(supports) {
        return None;
    }
    let length = [shape.positions() * outputs];
    if !(wanted.x || wanted.weights) {
        return Some(from_host::<1>(call.forward(), length).autodiff().reshape(event));
    }
    let [x, weights @ ..] = call.slices();
    let (output, kept) = convnet::forward_keeping(x, shape, &view(weights));
    let pullback = move |gradient: Tensor<1>| {
        let gradient = Host::read(gradient).expect("a gradient has the type and the device of its value");
        let [x, weights @ ..] = call.slices();
        let gradients = convnet::backward(x, shape, &view(weights), &kept, gradient.values(), wanted);
        let [w1, b1, w2, b2, w3, b3] = gradients.weights;
        [gradients.x, w1, b1, w2, b2, w3, b3].map(|values| {
            let length = values.len();
            from_host(values, [length])
        })
    };
    Some(with_pullback(tensors, from_host(output, length), pullback).reshape(event))
}

/// The input and the weights of one call.
struct Call {
    shape: Shape,
    values: [Host; 7],
}

impl Call {
    fn slices(&self) -> [&[f32]; 7] {
        self.values.each_ref().map(Host::values)
    }

    fn forward(&self) -> Vec<f32> {
        let [x, weights @ ..] = self.slices();
        convnet::forward(x, self.shape, &view(weights))
    }
}

fn view([first, first_bias, second, second_bias, last, last_bias]: [&[f32]; 6]) -> Weights<'_> {
    Weights { first, first_bias, second, second_bias, last, last_bias }
}

fn read(tensors: &[Tensor<1>; 7]) -> Option<[Host; 7]> {
    let values: Option<Vec<Host>> = tensors.iter().map(|tensor| Host::read(tensor.clone())).collect();
    values?.try_into().ok()
}
