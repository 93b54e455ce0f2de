//! Sum models up over seeds.

use super::{Gain, Kind, OverSeeds, Row};
use serde::Serialize;

/// What is told of a role that models pictures, over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PictureSummary {
    /// Bits per dimension of the test split.
    pub bits_per_dim: OverSeeds,
    /// Mean over seeds of its standard error over the test pictures.
    pub bits_per_dim_standard_error_over_pictures: f64,
    /// How many bits per dimension fewer than its baseline's of the same seed; above 0 is better.
    pub gain_over_plain_bits_per_dim: Option<Gain>,
    /// Squared Frechet distance of samples and train pictures.
    pub frechet_distance: Option<OverSeeds>,
    /// How much smaller it is than its baseline's of the same seed; above 0 is better.
    pub gain_over_plain_frechet: Option<Gain>,
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

/// The baseline's row of the same seed.
fn beside<'a>(rows: &'a [Row], row: &Row) -> Option<&'a Row> {
    let baseline = row.baseline.as_deref()?;
    rows.iter().find(|other| other.role == baseline && other.seed == row.seed)
}

/// By how much a value is lower than the baseline's of the same seed.
fn gain(rows: &[Row], own: &[&Row], value: &dyn Fn(&Row) -> Option<f64>) -> Option<Gain> {
    let one = |row: &&Row| Some(value(beside(rows, row)?)? - value(row)?);
    Gain::of(&own.iter().filter_map(one).collect::<Vec<_>>())
}

/// By how many nats a row is likelier than under its baseline, on the rows that both have.
pub(crate) fn gain_in_nats(rows: &[Row], row: &Row) -> Option<f64> {
    let baseline = beside(rows, row)?;
    match row.common {
        Some(common) => Some(common.baseline_test_nll_nats? - common.test_nll_nats?),
        None => Some(baseline.metrics.test_nll_nats - row.metrics.test_nll_nats),
    }
}

fn picture_summary(rows: &[Row], own: &[&Row]) -> Option<PictureSummary> {
    let over = |value: &dyn Fn(&Row) -> Option<f64>| {
        OverSeeds::of(&own.iter().filter_map(|row| value(row)).collect::<Vec<_>>())
    };
    let bits = |row: &Row| row.metrics.bits_per_dim;
    let frechet = |row: &Row| row.metrics.frechet_distance;
    let first = own.first()?;
    let errors = own.iter().filter_map(|row| row.metrics.bits_per_dim_standard_error);
    Some(PictureSummary {
        bits_per_dim: over(&bits)?,
        bits_per_dim_standard_error_over_pictures: errors.sum::<f64>() / own.len() as f64,
        gain_over_plain_bits_per_dim: gain(rows, own, &bits),
        frechet_distance: over(&frechet),
        gain_over_plain_frechet: gain(rows, own, &frechet),
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
    /// What it is.
    pub kind: Kind,
    /// The plain student of the same shape and training, from which its gains are counted; for a teacher the plain student.
    pub baseline: Option<String>,
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
    /// How much higher the test log-likelihood is than its baseline's of the same seed; above 0 is better.
    pub gain_over_plain_nats: Option<Gain>,
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
    /// The same of the models' own samples; none too where none were drawn.
    pub own_samples_round_trip_error: Option<f64>,
    /// Seeds whose model has faults: rows or samples without a density, or an inverse that is none.
    pub seeds_with_faults: Vec<u64>,
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
    let in_nats: Vec<f64> = own.iter().filter_map(|row| gain_in_nats(rows, row)).collect();
    let round_trips: Option<Vec<f64>> = own.iter().map(|row| row.metrics.round_trip_error).collect();
    let of_samples: Option<Vec<f64>> =
        own.iter().map(|row| row.metrics.own_samples.and_then(|own| own.round_trip_error)).collect();
    Some(Summary {
        role: role.to_string(),
        kind: first.kind,
        baseline: first.baseline.clone(),
        model: first.model.clone(),
        seeds: own.iter().map(|row| row.seed).collect(),
        parameters: first.parameters,
        test_nll_nats: over(&|row| Some(row.metrics.test_nll_nats)),
        test_nll_nats_data_units: over(&|row| Some(row.metrics.test_nll_nats_data_units)),
        standard_error_over_rows: own.iter().map(|row| row.metrics.standard_error).sum::<f64>() / own.len() as f64,
        gain_over_plain_nats: Gain::of(&in_nats),
        validation_nll: over(&|row| row.validation_nll),
        pictures: picture_summary(rows, &own),
        c2st: over(&|row| row.metrics.c2st),
        mmd2: over(&|row| row.metrics.mmd2),
        sample_rows_per_second: median(&|row| row.metrics.sample_rows_per_second),
        log_prob_rows_per_second: median(&|row| row.metrics.log_prob_rows_per_second),
        sample_latency_ms: median(&|row| row.metrics.sample_latency_ms),
        log_prob_latency_ms: median(&|row| row.metrics.log_prob_latency_ms),
        round_trip_error: round_trips.map(|all| all.into_iter().fold(0.0, f64::max)),
        own_samples_round_trip_error: of_samples.map(|all| all.into_iter().fold(0.0, f64::max)),
        seeds_with_faults: own.iter().filter(|row| !row.metrics.faults().is_empty()).map(|row| row.seed).collect(),
        skipped_steps: own.iter().map(|row| row.skipped_steps).sum(),
        train_seconds: own.iter().map(|row| row.train_seconds).sum::<f64>() / own.len() as f64,
        differs: first.differs.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Metrics;
    use crate::report::CommonRows;

    fn row(role: &str, seed: u64, nll: f64) -> Row {
        let metrics = Metrics { test_nll_nats: nll, standard_error: 0.01, ..Metrics::default() };
        let baseline = (role != "plain").then(|| "plain".to_string());
        Row { role: role.into(), seed, metrics, baseline, ..Row::default() }
    }

    #[test]
    fn gains_are_paired_by_seed() {
        let rows = [row("plain", 1, 1.0), row("lkd", 1, 0.9), row("plain", 2, 2.0), row("lkd", 2, 1.7)];
        let summaries = summarise(&rows);
        assert_eq!(summaries.iter().map(|s| s.role.as_str()).collect::<Vec<_>>(), ["plain", "lkd"]);
        let gain = summaries[1].gain_over_plain_nats.unwrap().over;
        assert!((gain.mean - 0.2).abs() < 1e-12);
        // Two gains of 0.1 and 0.3: standard deviation sqrt(0.02), standard error 0.1.
        assert!((gain.standard_error.unwrap() - 0.1).abs() < 1e-12);
        assert!((gain.standard_deviation.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        assert!(summaries[0].gain_over_plain_nats.is_none());
    }

    #[test]
    fn without_a_baseline_there_is_no_gain_and_lost_rows_give_none() {
        let mut rows = [row("plain", 1, 1.0), row("wide", 1, 0.5), row("lkd", 1, -9.0)];
        rows[1].baseline = None;
        rows[2].common = Some(CommonRows { rows: 7, test_nll_nats: Some(0.9), baseline_test_nll_nats: Some(0.8) });
        rows[2].metrics.test_rows_not_finite = 3;
        let summaries = summarise(&rows);
        assert!(summaries[1].gain_over_plain_nats.is_none());
        assert!((summaries[2].gain_over_plain_nats.unwrap().over.mean + 0.1).abs() < 1e-12);
        assert_eq!((&summaries[1].seeds_with_faults, &summaries[2].seeds_with_faults), (&vec![], &vec![1]));
    }
}
