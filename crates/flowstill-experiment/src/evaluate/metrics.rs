//! Hold what was found out about a model, and say what is wrong with it.

use super::health::RoundTrip;
use super::{OwnSamples, ROUND_TRIP_TOLERANCE, WorstRow};
use flowstill_metrics::half_width_95;
use serde::{Deserialize, Serialize};

/// What was found out about a model; nats are of standardised data unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean negative log-likelihood of the rows, nats, standardised data: what papers quote.
    pub test_nll_nats: f64,
    /// The same in the data's own units.
    pub test_nll_nats_data_units: f64,
    /// Standard error of the mean over the rows.
    pub standard_error: f64,
    /// Rows evaluated.
    pub test_rows: usize,
    /// Rows whose density was not finite; the mean leaves them out.
    pub test_rows_not_finite: usize,
    /// Rows drawn in a second, in batches.
    pub sample_rows_per_second: Option<f64>,
    /// Rows scored in a second, in batches.
    pub log_prob_rows_per_second: Option<f64>,
    /// Milliseconds to draw a single row.
    pub sample_latency_ms: Option<f64>,
    /// Milliseconds to score a single row.
    pub log_prob_latency_ms: Option<f64>,
    /// Accuracy of a classifier between samples and test rows: 0.5 is a perfect forgery.
    pub c2st: Option<f64>,
    /// Its standard error.
    pub c2st_standard_error: Option<f64>,
    /// Samples behind it, and as many test rows, spread evenly over all of them.
    #[serde(default)]
    pub c2st_rows: Option<usize>,
    /// Unbiased squared maximum mean discrepancy between samples and test rows.
    pub mmd2: Option<f64>,
    /// Its standard error.
    pub mmd2_standard_error: Option<f64>,
    /// The width of its kernel, the median distance between test rows: of the data alone, and so the same for all models.
    #[serde(default)]
    pub mmd2_bandwidth: Option<f64>,
    /// Samples that were not finite; the tests leave them out.
    pub samples_not_finite: usize,
    /// `max |x - f^-1(f(x))|` over standardised rows; none when it is not finite.
    pub round_trip_error: Option<f64>,
    /// Rows behind it, the first ones.
    #[serde(default)]
    pub round_trip_rows: usize,
    /// How many of them come back further off than a tolerance of 1e-3.
    #[serde(default)]
    pub round_trip_beyond: usize,
    /// The worst of them, the worst first.
    #[serde(default)]
    pub round_trip_worst: Vec<WorstRow>,
    /// What the model makes of its own samples.
    #[serde(default)]
    pub own_samples: Option<OwnSamples>,
    /// Columns whose values recur in the rows as the flow sees them: the likelihood has no bound there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbounded_columns: Vec<String>,
    /// Pictures: bits per dimension of the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim: Option<f64>,
    /// Standard error of that mean over the pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim_standard_error: Option<f64>,
    /// Pictures that are of one thing count as one in that error: how many things there are; none where the set does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Draws of noise per picture behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim_draws: Option<usize>,
    /// Squared Frechet distance between the features of samples and of train pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_distance: Option<f64>,
    /// The network of those features, with its side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_network: Option<String>,
    /// Samples behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_samples: Option<usize>,
    /// The temperature of those samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_temperature: Option<f64>,
    /// Unbiased polynomial-kernel distance of the same features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_distance: Option<f64>,
    /// Its standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_distance_standard_error: Option<f64>,
    /// Part of the samples that lie among the real pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Part of the real pictures that lie among the samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
}

impl Metrics {
    /// Take over how rows came back from their latents.
    pub(super) fn put_round_trip(&mut self, trip: &RoundTrip) {
        self.round_trip_error = trip.error();
        self.round_trip_rows = trip.rows;
        self.round_trip_beyond = trip.beyond;
        self.round_trip_worst = trip.worst();
    }

    /// Independent values behind a mean over the test split: rows, or groups of pictures.
    pub fn independent(&self) -> usize {
        self.groups.unwrap_or(self.test_rows - self.test_rows_not_finite)
    }

    /// Half the width of the 95 % interval, over the test split, of a mean with this standard error.
    pub fn half_width(&self, standard_error: f64) -> f64 {
        half_width_95(standard_error, self.independent()).unwrap_or(f64::NAN)
    }

    /// What is wrong with the model's numbers, a line each: what its mean leaves out, and where its inverse is none.
    pub fn faults(&self) -> Vec<String> {
        let what = if self.bits_per_dim.is_some() { "pictures" } else { "rows" };
        let mut out = Vec::new();
        if self.test_rows_not_finite > 0 {
            let (lost, all) = (self.test_rows_not_finite, self.test_rows);
            out.push(format!("{lost} of {all} {what} have no finite density, and its mean is of the others alone"));
        }
        if self.samples_not_finite > 0 {
            out.push(format!("{} of its samples are not finite, and no test saw them", self.samples_not_finite));
        }
        if self.round_trip_beyond > 0 {
            let worst = self.round_trip_worst.iter().take(self.round_trip_beyond);
            let worst: Vec<String> = worst.map(|row| format!("{} by {}", row.row, shown(row.error))).collect();
            out.push(format!(
                "{} of {} {what} come back from their latents off by more than {ROUND_TRIP_TOLERANCE} (the worst, counted from 1: {})",
                self.round_trip_beyond,
                self.round_trip_rows,
                worst.join(", ")
            ));
        }
        out.extend(self.own_samples.iter().flat_map(OwnSamples::faults));
        out
    }
}

/// How far a row came back from where it was.
pub(super) fn shown(error: Option<f64>) -> String {
    error.map_or_else(|| "no finite number".into(), |error| format!("{error:.1e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_said_and_a_sound_model_has_none() {
        let sound = Metrics {
            test_rows: 100,
            round_trip_rows: 100,
            round_trip_worst: vec![WorstRow { row: 3, error: Some(1e-6) }],
            own_samples: Some(OwnSamples { drawn: 50, ..OwnSamples::default() }),
            ..Metrics::default()
        };
        assert!(sound.faults().is_empty());
        let worst = vec![WorstRow { row: 17, error: None }, WorstRow { row: 3, error: Some(2.2) }];
        let own = OwnSamples {
            drawn: 50,
            densities_not_finite: 1,
            densities_low: 2,
            round_trip_beyond: 3,
            ..OwnSamples::default()
        };
        let failing = Metrics {
            test_rows_not_finite: 4,
            samples_not_finite: 5,
            round_trip_beyond: 1,
            round_trip_worst: worst,
            own_samples: Some(own),
            ..sound
        };
        let faults = failing.faults();
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(faults[0].starts_with("4 of 100 rows have no finite density"), "{faults:?}");
        assert!(faults[2].contains("17 by no finite number)"), "{faults:?}");
    }
}
