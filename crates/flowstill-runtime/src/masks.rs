//! Spread degrees over the units of a masked network.

/// The degrees of a hidden layer, rising: unit of degree `k` sees the features 1 to `k`.
///
/// Degrees go from 1 to `channels - 1`; with a context, or a single channel, from 0, so that there are units which see the context alone. A layer
/// narrower than that gets degrees spread evenly.
pub fn hidden_degrees(width: usize, channels: usize, context: bool) -> Vec<usize> {
    let least = if context || channels == 1 { 0 } else { 1 };
    let count = channels - least;
    let mut degrees: Vec<usize> = match width < count {
        true => (0..width).map(|unit| least + (unit + 1) * count / width - 1).collect(),
        false => (0..width).map(|unit| least + unit % count).collect(),
    };
    degrees.sort_unstable();
    degrees
}
