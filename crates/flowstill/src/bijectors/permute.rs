//! Put the channels in another fixed order.

use super::{Bijector, BijectorConfig, Context, Reordering};
use crate::shape::zero_log_det;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Channel `i` of the latent is channel `indices[i]` of the data; `log_det = 0`.
///
/// The indices are part of the configuration, so they are saved with the flow and cannot be drawn anew on loading.
#[derive(Clone, Debug)]
pub struct Permute {
    indices: Vec<usize>,
    inverse: Vec<usize>,
}

crate::parameters!(Permute {});

impl Permute {
    /// `indices` must hold every channel once; [`BijectorConfig::check`] sees to it.
    pub fn new(indices: Vec<usize>) -> Self {
        let inverse = invert(&indices);
        Self { indices, inverse }
    }

    /// The reversed order of a MAF's blocks.
    pub fn reverse(channels: usize) -> Self {
        Self::new((0..channels).rev().collect())
    }

    /// The order.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

pub(crate) use flowstill_runtime::architecture::inverse_permutation as invert;

/// Take channels in the order of `indices`.
pub(crate) fn take_channels(x: Tensor<4>, indices: &[usize]) -> Tensor<4> {
    let contiguous = indices.windows(2).all(|pair| pair[1] == pair[0] + 1);
    match (indices.first(), contiguous) {
        (Some(&first), true) => x.narrow(3, first, indices.len()),
        _ => {
            let device: Device = x.device().without_autodiff();
            let values: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
            let indices = Tensor::<1, Int>::from_data(TensorData::new(values, [indices.len()]), &device);
            x.select(3, indices)
        }
    }
}

impl Bijector for Permute {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let log_det = zero_log_det(&x);
        (take_channels(x, &self.indices), log_det)
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let log_det = zero_log_det(&z);
        (take_channels(z, &self.inverse), log_det)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Permute { indices: self.indices.clone() })
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }

    fn reordering(&self) -> Reordering {
        Reordering::Kept.then(Reordering::Permuted(self.indices.clone()))
    }
}
