//! Judge one column by its sorted values.

use std::f64::consts::{PI, TAU};

use super::{Atom, Trait};

/// The share of rows from which a value counts as shared, and the rows it takes at least.
const SHARED: (f64, usize) = (0.01, 10);

/// Rows of each value, on average, from which a grid counts.
const RECURRING: usize = 3;

/// Shared values that are told.
const TOLD: usize = 8;

/// The finite values in order.
pub(super) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    // Adding 0 makes one of the two zeros.
    let mut own: Vec<f64> = values.filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
    own.sort_unstable_by(f64::total_cmp);
    own
}

/// What is peculiar about a column; nothing is said of fewer than 20 rows, or of a constant.
pub(super) fn traits(own: &[f64]) -> Vec<Trait> {
    let mut found = Vec::new();
    if own.len() < 20 || own[0] == own[own.len() - 1] {
        return found;
    }
    let values: Vec<(f64, usize)> = own.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    if values.len() * RECURRING <= own.len()
        && let Some(step) = grid(&values)
    {
        found.push(Trait::Grid { step, origin: own[0], values: values.len() });
        return found;
    }
    let shared = |count: usize| count >= SHARED.1 && count as f64 >= SHARED.0 * own.len() as f64;
    let mut atoms: Vec<Atom> = values
        .iter()
        .filter(|(_, count)| shared(*count))
        .map(|(value, count)| Atom { value: *value, share: *count as f64 / own.len() as f64 })
        .collect();
    // The rest of the column is judged without them.
    let rest: Vec<f64> = own.iter().copied().filter(|value| atoms.iter().all(|atom| atom.value != *value)).collect();
    if !atoms.is_empty() {
        atoms.sort_by(|a, b| b.share.total_cmp(&a.share));
        atoms.truncate(TOLD);
        found.push(Trait::Atoms { atoms });
    }
    if rest.len() < 50 {
        return found;
    }
    let (low, high) = limits(&rest);
    match (circle(&rest).filter(|_| low.is_some() && high.is_some()), low.or(high)) {
        (Some(circle), _) => found.push(circle),
        (None, Some(_)) => found.push(Trait::Bounded { low, high }),
        (None, None) => {}
    }
    let ratio = (quantile(&rest, 0.995) - quantile(&rest, 0.005)) / (quantile(&rest, 0.75) - quantile(&rest, 0.25));
    if ratio.is_finite() && ratio > 7.0 {
        found.push(Trait::HeavyTails { ratio });
    }
    found
}

/// The value below which a part of the rows lies.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[(part * (sorted.len() - 1) as f64).round() as usize]
}

/// The largest step that reaches every value from the lowest, if there is one above rounding.
fn grid(values: &[(f64, usize)]) -> Option<f64> {
    let (low, high) = (values[0].0, values[values.len() - 1].0);
    // Numbers that came through single precision are off by so much.
    let noise = 2e-7 * low.abs().max(high.abs());
    let mut step = 0.0_f64;
    for pair in values.windows(2) {
        step = common(step, pair[1].0 - pair[0].0, noise);
        if step <= 16.0 * noise {
            return None;
        }
    }
    // Summed over many places a step found from one is not exact enough.
    let places = ((high - low) / step).round();
    let exact = (high - low) / places;
    let on = |(value, _): &(f64, usize)| {
        let at = (value - low) / exact;
        (at - at.round()).abs() <= 0.01
    };
    values.iter().all(on).then(|| neat(exact))
}

/// Euclid's greatest common measure of two lengths, up to `noise`.
fn common(mut a: f64, mut b: f64, noise: f64) -> f64 {
    while b > 8.0 * noise {
        let rest = a - (a / b).round() * b;
        (a, b) = (b, rest.abs());
    }
    a
}

/// The same number without the rounding of its last digits.
fn neat(value: f64) -> f64 {
    let short: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    if ((short - value) / value).abs() < 1e-6 { short } else { value }
}

/// Limits at which rows crowd: in a strip of a fiftieth of the central range lie far more than in any tail that ends by itself.
fn limits(rest: &[f64]) -> (Option<f64>, Option<f64>) {
    let (low, high) = (rest[0], rest[rest.len() - 1]);
    let strip = (quantile(rest, 0.95) - quantile(rest, 0.05)) / 50.0;
    let crowded = |count: usize| count >= 5 && count as f64 >= 0.005 * rest.len() as f64;
    let near_low = rest.partition_point(|value| *value <= low + strip);
    let near_high = rest.len() - rest.partition_point(|value| *value < high - strip);
    let round = |limit: f64, inside: f64| {
        // A limit is a round number just outside the rows, if there is one.
        let known = [0.0, 1.0, -1.0, 100.0, -PI, PI, TAU, 180.0, -180.0, 360.0];
        let fits = |known: &&f64| (*known - limit).abs() <= strip && (*known - limit) * inside <= 1e-6 * strip;
        known.iter().find(fits).copied().unwrap_or(limit)
    };
    (crowded(near_low).then(|| round(low, 1.0)), crowded(near_high).then(|| round(high, -1.0)))
}

/// Whether the values fill a whole turn, in radians or degrees, from 0 or from half a turn back.
fn circle(rest: &[f64]) -> Option<Trait> {
    let (low, high) = (rest[0], rest[rest.len() - 1]);
    [TAU, 360.0].into_iter().flat_map(|period| [(0.0, period), (-period / 2.0, period)]).find_map(|(start, period)| {
        let slack = 0.02 * period;
        // Rounded to single precision an angle may pass its end a little.
        let inside = low >= start - 1e-6 * period && high <= start + period * (1.0 + 1e-6);
        let full = low <= start + slack && high >= start + period - slack;
        (inside && full).then_some(Trait::Circle { low: start, period })
    })
}
