//! Draw every random number from one explicit seed, a purpose and a counter, so that resuming needs no saved state.

use burn::tensor::{Device, Shape, Tensor, TensorData};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// The generator for one purpose ("init", "noise", ...) and one counter (a step, an epoch) of a run.
///
/// Streams of different purposes or counters are independent; the same three values always give the same numbers.
pub fn stream(seed: u64, purpose: &str, counter: u64) -> ChaCha8Rng {
    // FNV-1a keeps the purpose in the key without a hash crate; ChaCha does the mixing.
    let purpose = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose.to_le_bytes());
    key[16..24].copy_from_slice(&counter.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Standard normal values.
pub fn normals(count: usize, rng: &mut impl RngCore) -> Vec<f32> {
    (0..count).map(|_| StandardNormal.sample(&mut *rng)).collect()
}

/// Uniform values in [0, 1).
pub fn uniforms(count: usize, rng: &mut impl RngCore) -> Vec<f32> {
    (0..count).map(|_| StandardUniform.sample(&mut *rng)).collect()
}

/// A tensor of standard normal values, drawn on the host so that every device sees the same ones.
pub fn normal_tensor<const D: usize>(shape: [usize; D], rng: &mut impl RngCore, device: &Device) -> Tensor<D> {
    let values = normals(shape.iter().product(), rng);
    Tensor::from_data(TensorData::new(values, Shape::from(shape)), device)
}

/// Values uniform in `[-bound, bound)`, for weight initialisation.
pub fn symmetric(count: usize, bound: f32, rng: &mut impl RngCore) -> Vec<f32> {
    uniforms(count, rng).into_iter().map(|value| (2.0 * value - 1.0) * bound).collect()
}
