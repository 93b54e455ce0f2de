//! Name the maps of single values as the kernels do.

use crate::architecture::{ScaleMap, Univariate};
use flowstill_kernels::univariate::{LogScale, Map};

/// The kernels' name of a map.
pub(crate) fn map(transform: Univariate) -> Map {
    match transform {
        Univariate::Additive => Map::Additive,
        Univariate::RationalQuadratic { bins, tail_bound } => Map::Spline { bins, tail_bound: tail_bound as f32 },
        Univariate::Affine { scale } => Map::Affine(log_scale(scale)),
    }
}

pub(crate) fn log_scale(scale: ScaleMap) -> LogScale {
    match scale {
        ScaleMap::Tanh { bound } => LogScale::Tanh(bound as f32),
        ScaleMap::Softsign { bound } => LogScale::Softsign(bound as f32),
        ScaleMap::Sigmoid { floor } => LogScale::Sigmoid(floor as f32),
        ScaleMap::Exp => LogScale::Exp,
    }
}

/// The stored columns of the raw values of `features` values, feature by feature.
///
/// A spline's are stored so; of the affine map all shifts come first, then all raw scales.
pub(crate) fn columns(map: Map, features: usize) -> Vec<usize> {
    let params = map.params();
    match map {
        Map::Spline { .. } => (0..features * params).collect(),
        Map::Affine(_) | Map::Additive => {
            (0..features).flat_map(|feature| (0..params).map(move |p| p * features + feature)).collect()
        }
    }
}
