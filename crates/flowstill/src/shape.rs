//! Reshape between the one batch shape, `[batch, height, width, channels]`, and the forms that layers compute in.

use crate::to_f64;
use burn::tensor::Tensor;

/// Every position as one row: `[batch * height * width, channels]`.
pub fn to_rows(x: Tensor<4>) -> Tensor<2> {
    let [b, h, w, c] = x.dims();
    x.reshape([b * h * w, c])
}

/// Rows back to the batch shape of `[batch, height, width]`, with as many channels as the rows have.
pub fn from_rows(rows: Tensor<2>, batch: [usize; 3]) -> Tensor<4> {
    let [_, c] = rows.dims();
    rows.reshape([batch[0], batch[1], batch[2], c])
}

/// The first three lengths of a batch.
pub fn positions(x: &Tensor<4>) -> [usize; 3] {
    let [b, h, w, _] = x.dims();
    [b, h, w]
}

/// Sum over everything but the batch: `[batch]`.
pub fn sum_event(x: Tensor<4>) -> Tensor<1> {
    let [b, h, w, c] = x.dims();
    x.reshape([b, h * w * c]).sum_dim(1).reshape([b])
}

/// One number for every sample of the batch that `like` has.
pub fn expand_to_batch(value: Tensor<1>, like: &Tensor<4>) -> Tensor<1> {
    match like.dims()[0] {
        // Burn refuses to expand to nothing.
        0 => zero_log_det(like),
        batch => value.expand([batch]),
    }
}

/// Zeros, one for every sample, with the device and number type of `like`.
pub fn zero_log_det(like: &Tensor<4>) -> Tensor<1> {
    Tensor::zeros([like.dims()[0]], (&like.device().without_autodiff(), like.dtype()))
}

/// Context rows repeated for every position of their sample: `[batch * height * width, context]`.
pub fn context_rows(context: &Tensor<2>, positions: [usize; 3]) -> Tensor<2> {
    let [b, h, w] = positions;
    let width = context.dims()[1];
    if h * w == 1 || b * width == 0 {
        return context.clone().reshape([b * h * w, width]);
    }
    context.clone().reshape([b, 1, width]).expand([b, h * w, width]).reshape([b * h * w, width])
}

/// A table, `[rows, columns]`, as a batch of 1x1 images.
pub fn table_to_batch(rows: Tensor<2>) -> Tensor<4> {
    let [n, d] = rows.dims();
    rows.reshape([n, 1, 1, d])
}

/// Mean and (population) variance of every channel, in f64 on the host.
pub(crate) fn channel_moments(x: &Tensor<4>) -> (Vec<f64>, Vec<f64>) {
    let rows = to_rows(x.clone());
    let [n, c] = rows.dims();
    let values = to_f64(rows);
    let mut mean = vec![0.0; c];
    for row in values.chunks_exact(c) {
        mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / n as f64);
    }
    let mut variance = vec![0.0; c];
    for row in values.chunks_exact(c) {
        variance.iter_mut().zip(row).zip(&mean).for_each(|((s, v), m)| *s += (v - m).powi(2) / n as f64);
    }
    (mean, variance)
}
