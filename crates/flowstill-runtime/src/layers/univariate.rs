//! Order the raw values that the maps of single values take as the kernels read them.

use flowstill_kernels::univariate::Map;

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
