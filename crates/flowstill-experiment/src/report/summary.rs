//! Sum models up over seeds.

use super::{Row, table};
use crate::recipe::{PLAIN, TEACHER};
use flowstill_metrics::mean_and_standard_error;
use serde::Serialize;

/// Mean and spread over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OverSeeds {
    /// Mean.
    pub mean: f64,
    /// Standard deviation over seeds; none for a single one.
    pub standard_deviation: Option<f64>,
    /// Standard error of the mean; none for a single seed.
    pub standard_error: Option<f64>,
}

impl OverSeeds {
    fn of(values: &[f64]) -> Option<Self> {
        match mean_and_standard_error(values) {
            Ok(summary) => Some(Self {
                mean: summary.mean,
                standard_deviation: Some(summary.standard_error * (summary.count as f64).sqrt()),
                standard_error: Some(summary.standard_error),
            }),
            Err(_) => values.first().filter(|v| values.len() == 1 && v.is_finite()).map(|&mean| Self {
                mean,
                standard_deviation: None,
                standard_error: None,
            }),
        }
    }
}

/// What is told of a role that models pictures, over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PictureSummary {
    /// Bits per dimension of the test split.
    pub bits_per_dim: OverSeeds,
    /// Mean over seeds of its standard error over the test pictures.
    pub bits_per_dim_standard_error_over_pictures: f64,
    /// How many bits per dimension fewer than the plain student of the same seed; above 0 is better.
    pub gain_over_plain_bits_per_dim: Option<OverSeeds>,
    /// Squared Frechet distance of samples and train pictures.
    pub frechet_distance: Option<OverSeeds>,
    /// How much smaller it is than the plain student's of the same seed; above 0 is better.
    pub gain_over_plain_frechet: Option<OverSeeds>,
    /// The network behind it.
    pub frechet_network: Option<String>,
    /// Samples behind it.
    pub frechet_samples: Option<usize>,
    /// Unbiased polynomial-kernel distance.
    pub kernel_distance: Option<OverSeeds>,
    /// Part of the samples among the real pictures.
    pub precision: Option<OverSeeds>,
    /// Part of the real pictures among the samples.
    pub recall: Option<OverSeeds>,
}

fn picture_summary(rows: &[Row], own: &[&Row]) -> Option<PictureSummary> {
    let over = |value: &dyn Fn(&Row) -> Option<f64>| {
        OverSeeds::of(&own.iter().filter_map(|row| value(row)).collect::<Vec<_>>())
    };
    let gain = |value: &dyn Fn(&Row) -> Option<f64>| {
        let paired = |row: &Row| {
            let plain = rows.iter().find(|other| other.role == PLAIN && other.seed == row.seed)?;
            (row.role != PLAIN).then_some(value(plain)? - value(row)?)
        };
        over(&paired)
    };
    let bits = |row: &Row| row.metrics.bits_per_dim;
    let frechet = |row: &Row| row.metrics.frechet_distance;
    let first = own.first()?;
    let errors = own.iter().filter_map(|row| row.metrics.bits_per_dim_standard_error);
    Some(PictureSummary {
        bits_per_dim: over(&bits)?,
        bits_per_dim_standard_error_over_pictures: errors.sum::<f64>() / own.len() as f64,
        gain_over_plain_bits_per_dim: gain(&bits),
        frechet_distance: over(&frechet),
        gain_over_plain_frechet: gain(&frechet),
        frechet_network: first.metrics.frechet_network.clone(),
        frechet_samples: first.metrics.frechet_samples,
        kernel_distance: over(&|row| row.metrics.kernel_distance),
        precision: over(&|row| row.metrics.precision),
        recall: over(&|row| row.metrics.recall),
    })
}

/// One role, over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// teacher, plain, or the variant's name.
    pub role: String,
    /// The flow in words.
    pub model: String,
    /// Seeds that entered.
    pub seeds: Vec<u64>,
    /// Values that training moved.
    pub parameters: usize,
    /// Negative log-likelihood on the test split, nats, standardised data.
    pub test_nll_nats: Option<OverSeeds>,
    /// The same in the data's own units.
    pub test_nll_nats_data_units: Option<OverSeeds>,
    /// Mean over seeds of the standard error over the test rows.
    pub standard_error_over_rows: f64,
    /// How much higher the test log-likelihood is than the plain student's of the same seed; above 0 is better.
    pub gain_over_plain_nats: Option<OverSeeds>,
    /// Validation negative log-likelihood, nats, standardised data; bits per dimension for pictures.
    pub validation_nll: Option<OverSeeds>,
    /// Pictures: what is told of them.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PictureSummary>,
    /// Accuracy of a classifier between samples and test rows.
    pub c2st: Option<OverSeeds>,
    /// Unbiased squared maximum mean discrepancy.
    pub mmd2: Option<OverSeeds>,
    /// Median over seeds.
    pub sample_rows_per_second: Option<f64>,
    /// Median over seeds.
    pub log_prob_rows_per_second: Option<f64>,
    /// Median over seeds.
    pub sample_latency_ms: Option<f64>,
    /// Median over seeds.
    pub log_prob_latency_ms: Option<f64>,
    /// Largest over seeds; none if any is not finite.
    pub round_trip_error: Option<f64>,
    /// Sum over seeds.
    pub skipped_steps: u64,
    /// Mean over seeds.
    pub train_seconds: f64,
    /// In what it differs from the plain student beside its distillation.
    pub differs: Option<String>,
}

/// Sum rows up by role, in the order of their first appearance.
pub(crate) fn summarise(rows: &[Row]) -> Vec<Summary> {
    let mut roles: Vec<&str> = Vec::new();
    for row in rows {
        if !roles.contains(&row.role.as_str()) {
            roles.push(&row.role);
        }
    }
    roles.into_iter().filter_map(|role| summary(rows, role)).collect()
}

fn summary(rows: &[Row], role: &str) -> Option<Summary> {
    let own: Vec<&Row> = rows.iter().filter(|row| row.role == role).collect();
    let first = own.first()?;
    let over = |value: &dyn Fn(&Row) -> Option<f64>| {
        OverSeeds::of(&own.iter().filter_map(|row| value(row)).collect::<Vec<_>>())
    };
    let median = |value: &dyn Fn(&Row) -> Option<f64>| {
        let mut values: Vec<f64> = own.iter().filter_map(|row| value(row)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let gain = |row: &Row| {
        let plain = rows.iter().find(|other| other.role == PLAIN && other.seed == row.seed)?;
        (row.role != PLAIN).then_some(plain.metrics.test_nll_nats - row.metrics.test_nll_nats)
    };
    let round_trips: Option<Vec<f64>> = own.iter().map(|row| row.metrics.round_trip_error).collect();
    Some(Summary {
        role: role.to_string(),
        model: first.model.clone(),
        seeds: own.iter().map(|row| row.seed).collect(),
        parameters: first.parameters,
        test_nll_nats: over(&|row| Some(row.metrics.test_nll_nats)),
        test_nll_nats_data_units: over(&|row| Some(row.metrics.test_nll_nats_data_units)),
        standard_error_over_rows: own.iter().map(|row| row.metrics.standard_error).sum::<f64>() / own.len() as f64,
        gain_over_plain_nats: over(&gain),
        validation_nll: over(&|row| row.validation_nll),
        pictures: picture_summary(rows, &own),
        c2st: over(&|row| row.metrics.c2st),
        mmd2: over(&|row| row.metrics.mmd2),
        sample_rows_per_second: median(&|row| row.metrics.sample_rows_per_second),
        log_prob_rows_per_second: median(&|row| row.metrics.log_prob_rows_per_second),
        sample_latency_ms: median(&|row| row.metrics.sample_latency_ms),
        log_prob_latency_ms: median(&|row| row.metrics.log_prob_latency_ms),
        round_trip_error: round_trips.map(|all| all.into_iter().fold(0.0, f64::max)),
        skipped_steps: own.iter().map(|row| row.skipped_steps).sum(),
        train_seconds: own.iter().map(|row| row.train_seconds).sum::<f64>() / own.len() as f64,
        differs: first.differs.clone(),
    })
}

/// A distilled student whose training diverged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// The variant's name.
    pub role: String,
    /// The seed.
    pub seed: u64,
    /// What happened.
    pub error: String,
}

/// A whole comparison, as `--json` and `comparison.json` give it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The recipe's name.
    pub name: String,
    /// Where the rows come from.
    pub data: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Every model.
    pub rows: Vec<Row>,
    /// Every role, over its seeds.
    pub summary: Vec<Summary>,
    /// Distilled students whose training diverged.
    pub failed: Vec<Failed>,
    /// The run folder.
    pub run: String,
}

impl Comparison {
    /// The table with what it means, for a terminal.
    pub fn text(&self) -> String {
        table::text(self)
    }

    /// The same as Markdown.
    pub fn markdown(&self) -> String {
        table::markdown(self)
    }

    /// Whether a role is a distilled student.
    pub fn is_distilled(role: &str) -> bool {
        role != TEACHER && role != PLAIN
    }

    /// The distilled role with the best likelihood on the validation split, never on the test split.
    pub fn best_distilled(&self) -> Option<&Summary> {
        let distilled = self.summary.iter().filter(|summary| Self::is_distilled(&summary.role));
        let value = |summary: &Summary| summary.validation_nll.map_or(f64::INFINITY, |nll| nll.mean);
        distilled.min_by(|a, b| value(a).total_cmp(&value(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Metrics;

    fn row(role: &str, seed: u64, nll: f64) -> Row {
        let metrics = Metrics { test_nll_nats: nll, standard_error: 0.01, ..Metrics::default() };
        Row { role: role.into(), seed, metrics, ..Row::default() }
    }

    #[test]
    fn gains_are_paired_by_seed() {
        let rows = [row("plain", 1, 1.0), row("lkd", 1, 0.9), row("plain", 2, 2.0), row("lkd", 2, 1.7)];
        let summaries = summarise(&rows);
        assert_eq!(summaries.iter().map(|s| s.role.as_str()).collect::<Vec<_>>(), ["plain", "lkd"]);
        let gain = summaries[1].gain_over_plain_nats.unwrap();
        assert!((gain.mean - 0.2).abs() < 1e-12);
        // Two gains of 0.1 and 0.3: standard deviation sqrt(0.02), standard error 0.1.
        assert!((gain.standard_error.unwrap() - 0.1).abs() < 1e-12);
        assert!((gain.standard_deviation.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        assert!(summaries[0].gain_over_plain_nats.is_none());
    }

    #[test]
    fn a_single_seed_has_a_mean_and_no_spread() {
        let summaries = summarise(&[row("plain", 1, 1.0), row("skd", 1, 1.5)]);
        let gain = summaries[1].gain_over_plain_nats.unwrap();
        assert_eq!((gain.mean, gain.standard_error, gain.standard_deviation), (-0.5, None, None));
    }
}
