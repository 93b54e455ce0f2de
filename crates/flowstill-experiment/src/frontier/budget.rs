//! Say what a student must keep to, and measure whether it does.

use crate::words::thousands;
use crate::{Error, Result};
use flowstill::model::Model;
use flowstill::train::Rows;
use flowstill::{to_f32, train::Batch};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What a student must keep to; what is not given is free.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Rows drawn in a second, at least, in batches.
    pub samples_per_second: Option<f64>,
    /// Rows scored in a second, at least, in batches.
    pub log_prob_rows_per_second: Option<f64>,
    /// Microseconds for a single row, at most: to draw it and to score it, whichever is slower.
    pub latency_us: Option<f64>,
    /// Size of its file, at most, in 10^6 bytes.
    pub megabytes: Option<f64>,
    /// Trained values, at most.
    pub parameters: Option<usize>,
}

/// By what models are told apart beside their likelihood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Rows drawn in a second.
    #[default]
    SamplesPerSecond,
    /// Rows scored in a second.
    LogProbRowsPerSecond,
    /// Microseconds for a single row.
    Latency,
    /// Size of the file.
    Megabytes,
    /// Trained values.
    Parameters,
}

impl Axis {
    /// What a plot writes beside it.
    pub fn label(self) -> &'static str {
        match self {
            Self::SamplesPerSecond => "rows drawn in a second",
            Self::LogProbRowsPerSecond => "rows scored in a second",
            Self::Latency => "rows in a second, one at a time",
            Self::Megabytes => "models in 10^6 bytes",
            Self::Parameters => "models in 10^6 trained values",
        }
    }

    /// Where a model stands on it; more is better.
    pub fn value(self, cost: &Cost) -> f64 {
        match self {
            Self::SamplesPerSecond => cost.samples_per_second.median,
            Self::LogProbRowsPerSecond => cost.log_prob_rows_per_second.median,
            Self::Latency => 1e6 / cost.latency_us().max(1e-3),
            Self::Megabytes => 1.0 / cost.megabytes.max(1e-9),
            Self::Parameters => 1e6 / (cost.parameters as f64).max(1.0),
        }
    }
}

impl Budget {
    /// The first limit that is given, in the order of the fields; else the rows drawn in a second.
    pub fn axis(&self) -> Axis {
        let given = [
            (self.samples_per_second.is_some(), Axis::SamplesPerSecond),
            (self.log_prob_rows_per_second.is_some(), Axis::LogProbRowsPerSecond),
            (self.latency_us.is_some(), Axis::Latency),
            (self.megabytes.is_some(), Axis::Megabytes),
            (self.parameters.is_some(), Axis::Parameters),
        ];
        given.into_iter().find(|(given, _)| *given).map_or_else(Axis::default, |(_, axis)| axis)
    }

    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }

    /// Refuse limits that are no numbers above 0.
    ///
    /// # Errors
    /// Names the limit.
    pub fn check(&self) -> Result<()> {
        let limits = [
            ("samples_per_second", self.samples_per_second),
            ("log_prob_rows_per_second", self.log_prob_rows_per_second),
            ("latency_us", self.latency_us),
            ("megabytes", self.megabytes),
            ("parameters", self.parameters.map(|count| count as f64)),
        ];
        match limits.iter().find(|(_, limit)| limit.is_some_and(|limit| limit.is_nan() || limit <= 0.0)) {
            Some((name, limit)) => {
                let limit = limit.unwrap_or_default();
                Err(Error::input(format!(
                    "budget.{name}: expected a number above 0, got {limit}; leave it out for no limit"
                )))
            }
            None => Ok(()),
        }
    }

    /// The limits that `cost` breaks, in words; none where it keeps to all.
    pub fn broken_by(&self, cost: &Cost) -> Vec<String> {
        let least = |limit: Option<f64>, value: f64, what: &str| {
            limit
                .filter(|limit| value < *limit)
                .map(|limit| format!("{} {what}, wanted {}", thousands(value), thousands(limit)))
        };
        let most = |limit: Option<f64>, value: f64, what: &str| {
            limit.filter(|limit| value > *limit).map(|limit| format!("{value:.3} {what}, wanted at most {limit}"))
        };
        let all = [
            least(self.samples_per_second, cost.samples_per_second.median, "samples/s"),
            least(self.log_prob_rows_per_second, cost.log_prob_rows_per_second.median, "rows scored/s"),
            most(self.latency_us, cost.latency_us(), "us a row"),
            most(self.megabytes, cost.megabytes, "MB"),
            most(self.parameters.map(|count| count as f64), cost.parameters as f64, "parameters"),
        ];
        all.into_iter().flatten().collect()
    }
}

/// A timing over several rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The median of the rounds.
    pub median: f64,
    /// The lowest.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
}

impl Timing {
    fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        let at = |index: usize| rounds.get(index).copied().unwrap_or_default();
        Self { median: at(rounds.len() / 2), lowest: at(0), highest: at(rounds.len().saturating_sub(1)) }
    }
}

/// What a model costs to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Rows drawn in a second, in batches.
    pub samples_per_second: Timing,
    /// Rows scored in a second, in batches.
    pub log_prob_rows_per_second: Timing,
    /// Microseconds to draw a single row.
    pub sample_latency_us: Timing,
    /// Microseconds to score a single row.
    pub log_prob_latency_us: Timing,
    /// Size of its file in 10^6 bytes; before there is one, of its values.
    pub megabytes: f64,
    /// Trained values.
    pub parameters: usize,
}

impl Cost {
    /// The slower of drawing and scoring a single row.
    pub fn latency_us(&self) -> f64 {
        self.sample_latency_us.median.max(self.log_prob_latency_us.median)
    }
}

/// Rows of a timed batch, at most.
const BATCH: usize = 4096;
/// Single rows in a round, of which the median counts.
const SINGLE: usize = 21;

/// Time `models` on `probe`, standardised rows with their context: `rounds` rounds, each of which takes every model once, so that what else the machine does meets
/// all of them alike.
///
/// # Errors
/// What a flow reports.
pub(super) fn measure(models: &[&Model], probe: &Rows, rounds: usize) -> Result<Vec<Cost>> {
    let (batch, one) = (probe.head(BATCH), probe.head(1));
    let mut rounds_of: Vec<[Vec<f64>; 4]> = models.iter().map(|_| Default::default()).collect();
    // A first round warms up: packed weights, memory, the processor's clock.
    for round in 0..=rounds {
        for (model, kept) in models.iter().zip(&mut rounds_of) {
            let rows = batch.len() as f64;
            let figures = [
                rows / seconds(1, || draw(model, &batch))?,
                rows / seconds(1, || score(model, &batch))?,
                1e6 * seconds(SINGLE, || draw(model, &one))?,
                1e6 * seconds(SINGLE, || score(model, &one))?,
            ];
            if round > 0 {
                kept.iter_mut().zip(figures).for_each(|(kept, figure)| kept.push(figure));
            }
        }
    }
    let cost = |(model, kept): (&&Model, [Vec<f64>; 4])| {
        let [samples, scored, draw, score] = kept.map(Timing::of);
        let parameters = model.flow.parameter_count();
        Cost {
            samples_per_second: samples,
            log_prob_rows_per_second: scored,
            sample_latency_us: draw,
            log_prob_latency_us: score,
            megabytes: 4e-6 * parameters as f64,
            parameters,
        }
    };
    Ok(models.iter().zip(rounds_of).map(cost).collect())
}

fn draw(model: &Model, rows: &Rows) -> Result<()> {
    model.sample_standardised(rows.len(), 1, 1.0, rows.context_values())?;
    Ok(())
}

fn score(model: &Model, rows: &Rows) -> Result<()> {
    let Batch { x, context, .. } = rows.range(0..rows.len(), &model.flow.device());
    to_f32(model.flow.log_prob(x, context.as_ref())?);
    Ok(())
}

/// The median time of a piece of work.
fn seconds(repetitions: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(repetitions);
    for _ in 0..repetitions {
        let begun = Instant::now();
        work()?;
        times.push(begun.elapsed().as_secs_f64().max(1e-9));
    }
    Ok(Timing::of(times).median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(value: f64) -> Timing {
        Timing { median: value, lowest: value, highest: value }
    }

    #[test]
    fn a_budget_names_what_is_broken() {
        let cost = Cost {
            samples_per_second: timing(5e4),
            log_prob_rows_per_second: timing(9e4),
            sample_latency_us: timing(30.0),
            log_prob_latency_us: timing(12.0),
            megabytes: 0.4,
            parameters: 100_000,
        };
        assert!(Budget::default().broken_by(&cost).is_empty() && !Budget::default().is_limited());
        let tight = Budget { samples_per_second: Some(1e5), latency_us: Some(20.0), ..Budget::default() };
        assert_eq!(tight.broken_by(&cost), ["50.0k samples/s, wanted 100k", "30.000 us a row, wanted at most 20"]);
        assert_eq!((tight.axis(), Budget::default().axis()), (Axis::SamplesPerSecond, Axis::SamplesPerSecond));
        let small = Budget { parameters: Some(100_000), ..Budget::default() };
        assert!(small.broken_by(&cost).is_empty() && small.axis() == Axis::Parameters);
        assert!(Budget { megabytes: Some(-1.0), ..Budget::default() }.check().is_err());
        // Twice as fast stands twice as far along.
        let fast = Cost { sample_latency_us: timing(15.0), ..cost };
        assert_eq!(Axis::Latency.value(&fast), 2.0 * Axis::Latency.value(&cost));
    }

    #[test]
    fn timings_give_median_and_ends() {
        assert_eq!(Timing::of(vec![3.0, 1.0, 2.0]), Timing { median: 2.0, lowest: 1.0, highest: 3.0 });
    }
}
