//! Invert a masked autoregressive layer by the kernels, at the cost of about one pass.

use super::host::{Host, from_host};
use crate::bijectors::{MaskedAutoregressive, ScaleMap, Univariate};
use crate::conditioners::Activation;
use burn::tensor::Tensor;
use flowstill_kernels::made::{Activation as Kernel, Inverse, Layer};
use flowstill_kernels::univariate::{LogScale, Map};

/// Rows of `x` and of the log-slopes for rows of `z`, both `[rows, channels]`, off the tape; `shift` is what the context adds to the first layer.
///
/// `None` unless all numbers are f32 on the CPU: then the caller runs its passes.
pub(crate) fn inverse(
    layer: &MaskedAutoregressive,
    z: &Tensor<2>,
    shift: Option<&Tensor<2>>,
) -> Option<(Tensor<2>, Tensor<2>)> {
    let [rows, channels] = z.dims();
    if rows * channels == 0 {
        return None;
    }
    let values = Host::read(z.clone())?;
    let shift = match shift {
        Some(shift) => Some(Host::read(shift.clone())?),
        None => None,
    };
    let net = layer.net();
    let stored: Option<Vec<(Host, Host, &[usize])>> = net
        .layers_with_degrees()
        .map(|(weight, bias, degrees)| Some((Host::read(weight)?, Host::read(bias)?, degrees)))
        .collect();
    let stored = stored?;
    let layers: Vec<Layer<'_>> = stored
        .iter()
        .map(|(weight, bias, degrees)| Layer { weight: weight.values(), bias: bias.values(), degrees })
        .collect();
    let config = net.config();
    let activation = match config.activation {
        Activation::Relu => Kernel::Relu,
        Activation::Tanh => Kernel::Tanh,
        Activation::Silu => Kernel::Silu,
    };
    let inverse = Inverse::new(channels, &layers, config.residual, activation, map(*layer.transform()));
    let (x, slopes) = inverse.run(values.values(), shift.as_ref().map(Host::values));
    Some((from_host(x, [rows, channels]), from_host(slopes, [rows, channels])))
}

fn map(transform: Univariate) -> Map {
    match transform {
        Univariate::Additive => Map::Additive,
        Univariate::RationalQuadratic { bins, tail_bound } => Map::Spline { bins, tail_bound: tail_bound as f32 },
        Univariate::Affine { scale } => Map::Affine(match scale {
            ScaleMap::Tanh { bound } => LogScale::Tanh(bound as f32),
            ScaleMap::Softsign { bound } => LogScale::Softsign(bound as f32),
            ScaleMap::Sigmoid { floor } => LogScale::Sigmoid(floor as f32),
            ScaleMap::Exp => LogScale::Exp,
        }),
    }
}
