//! List the Sylvester layers of the table.

use crate::table::Case;
use flowstill::bijectors::{Basis, BijectorConfig, SylvesterLayerConfig};

/// Sylvester layers, last of all: a row's seed is its number.
pub fn sylvesters(before: u64) -> Vec<Case> {
    let layer = |channels, basis, context| BijectorConfig::Sylvester(SylvesterLayerConfig { channels, basis, context });
    let orthogonal = [1, 2, 3, 3, 2, 1].map(|rank| Basis::Orthogonal { rank });
    let householder = [1, 2, 5, 3].map(|reflections| Basis::Householder { reflections });
    let sized = |(index, basis)| {
        let (channels, context) = (3 + index % 3, index % 2 * 2);
        (layer(channels, basis, context), channels, context)
    };
    let mut rows: Vec<_> = orthogonal.into_iter().chain(householder).enumerate().map(sized).collect();
    rows.push((layer(1, Basis::Orthogonal { rank: 1 }, 0), 1, 0));
    for basis in [orthogonal[1], householder[2]] {
        rows.push((BijectorConfig::Inverted { inner: Box::new(layer(3, basis, 0)) }, 3, 0));
    }
    let number = |(index, (config, channels, context))| {
        let space = if channels == 3 { [2, 1] } else { [1, 1] };
        Case { config, channels, context, space, seed: before + index as u64 + 1 }
    };
    rows.into_iter().enumerate().map(number).collect()
}
