//! Draw every random number from one explicit seed, a purpose and a counter, so that resuming needs no saved state.

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
    let mut values = vec![0.0; count];
    fill_normals(&mut values, rng);
    values
}

/// The same into a slice.
pub fn fill_normals(values: &mut [f32], rng: &mut impl RngCore) {
    values.iter_mut().for_each(|value| *value = StandardNormal.sample(&mut *rng));
}

/// Uniform values in [0, 1).
pub fn uniforms(count: usize, rng: &mut impl RngCore) -> Vec<f32> {
    let mut values = vec![0.0; count];
    fill_uniforms(&mut values, rng);
    values
}

/// The same into a slice.
pub fn fill_uniforms(values: &mut [f32], rng: &mut impl RngCore) {
    values.iter_mut().for_each(|value| *value = StandardUniform.sample(&mut *rng));
}
