//! Fit a step to the rows that a flow learns from.

use super::Step;
use super::step::yeo_johnson;
use crate::probit::quantile;

/// Shared values, each with the share of the rows that have it.
pub type Spreads<'a> = &'a [(f64, f64)];

/// Rows of each piece of a rank map, at least.
const ROWS: usize = 20;

impl Step {
    /// Rooms for shared values, in which they lie no denser than the quartiles of the other rows: `width = 2 (q75 - q25) share / (1 - all shares)`.
    pub fn spread(train: &[f64], shared: Spreads<'_>) -> Self {
        let mut shared = shared.to_vec();
        shared.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rest = ordered(train.iter().copied().filter(|x| shared.iter().all(|(atom, _)| atom != x)));
        let spread = if rest.len() < 4 { 1.0 } else { part(&rest, 0.75) - part(&rest, 0.25) };
        let spread = if spread.is_finite() && spread > 0.0 { spread } else { 1.0 };
        let left = (1.0 - shared.iter().map(|(_, share)| share).sum::<f64>()).max(0.01);
        let (atoms, widths) = shared.into_iter().map(|(atom, share)| (atom, 2.0 * spread * share / left)).unzip();
        Self::Spread { atoms, widths }
    }

    /// The power, 0 to 2, under which the train rows are likeliest as normal ones; they are centred by their median and scaled by their quartiles first.
    pub fn yeo_johnson(train: &[f64], lambda: Option<f64>) -> Self {
        let sorted = ordered(train.iter().copied());
        let center = part(&sorted, 0.5);
        let scale =
            [(part(&sorted, 0.75) - part(&sorted, 0.25)) / 1.349, (part(&sorted, 1.0) - part(&sorted, 0.0)) / 6.0, 1.0];
        let scale = scale.into_iter().find(|scale| scale.is_finite() && *scale > 0.0).unwrap_or(1.0);
        let z: Vec<f64> = sorted.iter().map(|x| (x - center) / scale).collect();
        let slopes: f64 = z.iter().map(|z| z.abs().ln_1p().copysign(*z)).sum();
        let likelihood = |lambda: f64| {
            let mean = z.iter().map(|z| yeo_johnson(*z, lambda)).sum::<f64>() / z.len() as f64;
            let variance = z.iter().map(|z| (yeo_johnson(*z, lambda) - mean).powi(2)).sum::<f64>() / z.len() as f64;
            -0.5 * z.len() as f64 * variance.ln() + (lambda - 1.0) * slopes
        };
        // The likelihood has one peak: thirds close in on it.
        let (mut low, mut high) = (0.0, 2.0);
        for _ in 0..40 {
            let third = (high - low) / 3.0;
            if likelihood(low + third) < likelihood(high - third) { low += third } else { high -= third }
        }
        Self::YeoJohnson { lambda: lambda.unwrap_or((low + high) / 2.0), center, scale }
    }

    /// Knots at quantiles of the train rows, at most `most`, with at least 20 rows between two.
    pub fn rank_normal(train: &[f64], most: usize) -> Self {
        let sorted = ordered(train.iter().copied());
        let count = (sorted.len() / ROWS + 1).clamp(2, most.max(2));
        let rows = sorted.len() as f64;
        let knot = |at: usize| {
            let p = (at as f64 / (count - 1) as f64).clamp(0.5 / rows, 1.0 - 0.5 / rows);
            [part(&sorted, at as f64 / (count - 1) as f64), quantile(p)]
        };
        let mut knots: Vec<[f64; 2]> = Vec::with_capacity(count);
        for [x, z] in (0..count).map(knot) {
            match knots.last() {
                Some(last) if last[0] >= x => {}
                _ => knots.push([x, z]),
            }
        }
        Self::RankNormal { knots }
    }

    /// The turn is cut in the widest gap between train rows, so that few rows lie there. `start` is where the data's own turn begins; without it 0, or half a turn below 0,
    /// where the rows fit, or else the lowest row.
    pub fn circle(train: &[f64], period: f64, start: Option<f64>) -> Self {
        let (lowest, highest) =
            train.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
        let fits = |start: &f64| lowest >= *start && highest <= start + period;
        let usual = [0.0, -period / 2.0].into_iter().find(fits);
        let start = start.or(usual).unwrap_or(if lowest.is_finite() { lowest } else { 0.0 });
        let sorted = ordered(train.iter().map(|x| x.rem_euclid(period)));
        let mut widest = (0.0, 0.0);
        for (at, x) in sorted.iter().enumerate() {
            let before = if at == 0 { sorted[sorted.len() - 1] - period } else { sorted[at - 1] };
            if x - before > widest.0 {
                widest = (x - before, (x + before) / 2.0);
            }
        }
        Self::Circle { low: widest.1, period, start }
    }
}

fn ordered(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut own: Vec<f64> = values.filter(|x| x.is_finite()).collect();
    own.sort_unstable_by(f64::total_cmp);
    own
}

/// The value below which a part of the rows lies, between two of them by a straight line; 0 without rows.
fn part(sorted: &[f64], part: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    let at = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}
