//! Compute a base density off the tape, in f32 on the CPU, by the code that runs flow files.
//!
//! The compositions of tensor operations beside it serve the tape, every other device and every other number type.

use super::Base;
use crate::ops::host::{Host, from_host};
use burn::tensor::Tensor;
use flowstill_runtime::density::Density;

/// The density over so many dimensions; `None` where its tensors are not plain numbers on the CPU.
pub(super) fn density(base: &Base, dimensions: usize) -> Option<Density> {
    let read = |param: &Option<crate::Param>| match param {
        None => Some(Vec::new()),
        Some(param) if param.flat().is_autodiff() => None,
        Some(param) => Some(Host::read(param.flat().clone())?.values().to_vec()),
    };
    Some(Density::new(&base.config, dimensions, &read(&base.mean)?, &read(&base.log_std)?, &read(&base.logits)?))
}

/// The log-density of every row of latents.
pub(super) fn log_prob(z: &Tensor<4>, density: impl FnOnce(usize) -> Option<Density>) -> Option<Tensor<1>> {
    let [b, h, w, c] = z.dims();
    if z.is_autodiff() || b == 0 {
        return None;
    }
    let z = Host::read(z.clone())?;
    let density = density(h * w * c)?;
    let each = z.values().chunks_exact(h * w * c).map(|row| density.log_prob(row) as f32).collect();
    Some(from_host(each, [b]))
}

/// Noise as latents.
pub(super) fn shape_noise(base: &Base, normal: &Tensor<4>, uniform: &[f32], temperature: f64) -> Option<Tensor<4>> {
    let [b, h, w, c] = normal.dims();
    if normal.is_autodiff() || b == 0 {
        return None;
    }
    let mut values = Host::read(normal.clone())?.values().to_vec();
    density(base, h * w * c)?.shape_noise(&mut values, uniform, temperature);
    Some(from_host(values, [b, h, w, c]))
}
