//! Draw every random number from one explicit seed, a purpose and a counter, so that resuming needs no saved state.

use burn::tensor::{Device, Shape, Tensor, TensorData};
use rand::RngCore;

pub use flowstill_runtime::random::{normals, stream, uniforms};

/// A tensor of standard normal values, drawn on the host so that every device sees the same ones.
pub fn normal_tensor<const D: usize>(shape: [usize; D], rng: &mut impl RngCore, device: &Device) -> Tensor<D> {
    let values = normals(shape.iter().product(), rng);
    Tensor::from_data(TensorData::new(values, Shape::from(shape)), device)
}

/// Values uniform in `[-bound, bound)`, for weight initialisation.
pub fn symmetric(count: usize, bound: f32, rng: &mut impl RngCore) -> Vec<f32> {
    uniforms(count, rng).into_iter().map(|value| (2.0 * value - 1.0) * bound).collect()
}
