//! Give a mean over seeds with the interval that its truth lies in.

use flowstill_metrics::{half_width_95, mean_and_standard_error};
use serde::Serialize;

/// Mean and spread over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OverSeeds {
    /// Mean.
    pub mean: f64,
    /// Seeds behind it.
    pub seeds: usize,
    /// Standard deviation over seeds; none for a single one.
    pub standard_deviation: Option<f64>,
    /// Standard error of the mean; none for a single seed.
    pub standard_error: Option<f64>,
    /// The 95 % interval of the mean by Student's t with one degree of freedom less than seeds; none for a single seed.
    pub interval_95: Option<[f64; 2]>,
}

impl OverSeeds {
    /// Of one value a seed; none without values, or when one of them is not finite.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        match mean_and_standard_error(values) {
            Ok(summary) => Some(Self {
                mean: summary.mean,
                seeds: summary.count,
                standard_deviation: Some(summary.standard_error * (summary.count as f64).sqrt()),
                standard_error: Some(summary.standard_error),
                interval_95: half_width_95(summary.standard_error, summary.count)
                    .map(|half| [summary.mean - half, summary.mean + half]),
            }),
            Err(_) => values.first().filter(|v| values.len() == 1 && v.is_finite()).map(|&mean| Self {
                mean,
                seeds: 1,
                ..Self::default()
            }),
        }
    }

    /// Half the width of the interval.
    pub fn half_width_95(&self) -> Option<f64> {
        self.standard_error.and_then(|error| half_width_95(error, self.seeds))
    }

    /// The same of values multiplied by `factor`.
    pub(super) fn times(self, factor: f64) -> Self {
        let spread = |value: Option<f64>| value.map(|value| value * factor.abs());
        let ends = self.interval_95.map(|[low, high]| [low * factor, high * factor]);
        Self {
            mean: self.mean * factor,
            seeds: self.seeds,
            standard_deviation: spread(self.standard_deviation),
            standard_error: spread(self.standard_error),
            interval_95: ends.map(|[a, b]| [a.min(b), a.max(b)]),
        }
    }
}

/// A gain over another model, paired by seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// Mean and spread of the gains.
    #[serde(flatten)]
    pub over: OverSeeds,
    /// Whether its interval leaves 0 out; none without an interval.
    pub excludes_zero: Option<bool>,
}

impl Gain {
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let over = OverSeeds::of(values)?;
        Some(Self { over, excludes_zero: over.interval_95.map(|[low, high]| low > 0.0 || high < 0.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_standard_errors_of_three_seeds_are_no_interval() {
        // Mean 3, standard error 1: two errors would leave 0 out, t = 4.303 does not.
        let three = [3.0 - 3f64.sqrt(), 3.0, 3.0 + 3f64.sqrt()];
        let gain = Gain::of(&three).unwrap();
        let [low, high] = gain.over.interval_95.unwrap();
        assert!((low - (3.0 - 4.302_652_729_7)).abs() < 1e-9 && (high - 7.302_652_729_7).abs() < 1e-9);
        assert_eq!((gain.excludes_zero, gain.over.seeds), (Some(false), 3));
        assert_eq!(Gain::of(&three.map(|value| value + 2.0)).unwrap().excludes_zero, Some(true));
        assert_eq!(Gain::of(&three.map(|value| -value - 2.0)).unwrap().excludes_zero, Some(true));
    }

    #[test]
    fn one_seed_has_no_interval_and_a_lost_one_no_mean() {
        let gain = Gain::of(&[-0.5]).unwrap();
        assert_eq!((gain.over.mean, gain.over.interval_95, gain.excludes_zero), (-0.5, None, None));
        assert_eq!(OverSeeds::of(&[1.0, f64::NAN]), None);
        assert_eq!(OverSeeds::of(&[]), None);
        let twice = OverSeeds::of(&[1.0, 3.0]).unwrap().times(-2.0);
        assert_eq!((twice.mean, twice.standard_error), (-4.0, Some(2.0)));
        assert!(twice.interval_95.is_some_and(|[low, high]| low < high));
    }
}
