//! Evaluate one model on data that it has not seen; what is asked, and what is found out.

mod features;
mod pictures;
mod rows;

use serde::{Deserialize, Serialize};

pub use features::{FeatureConfig, NetworkName, Reference};
pub use pictures::{evaluate_pictures, shown_pixels};
pub use rows::evaluate_rows;

/// How models are evaluated; the same for every model of a comparison. Recipes call it `[judge]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Samples drawn for the two-sample tests, at most as many as there are test rows; default 10000, 0 for no tests.
    pub samples: usize,
    /// Seed of those samples and tests; default 20.
    pub seed: u64,
    /// Rows at once when speed is measured; default 8192.
    pub batch: usize,
    /// Repetitions of each timing after a warm-up, of which the median counts; default 5, 0 for no timings.
    pub repetitions: usize,
    /// Rows of the round trip; default 4096.
    pub round_trip_rows: usize,
    /// Pictures: draws of the noise per picture; several give the importance-weighted bound. Default 1.
    pub draws: usize,
    /// Pictures: temperature of the samples that are compared with real ones; default 1.
    pub temperature: f64,
    /// Pictures: the network whose features are compared; default none, and then no Frechet distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<FeatureConfig>,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            samples: 10_000,
            seed: 20,
            batch: 8192,
            repetitions: 5,
            round_trip_rows: 4096,
            draws: 1,
            temperature: 1.0,
            features: None,
        }
    }
}

impl EvaluateConfig {
    /// Refuse what cannot be done.
    ///
    /// # Errors
    /// The setting that is out of range.
    pub fn check(&self) -> Result<(), String> {
        match (self.batch, self.samples, self.repetitions) {
            (0, ..) => Err("judge.batch: expected at least 1, got 0".into()),
            (.., 10_001..) => Err(format!("judge.repetitions: expected 0 to 10000, got {}", self.repetitions)),
            (_, 1..=99, _) => Err(format!("judge.samples: expected 0 or at least 100, got {}", self.samples)),
            _ if !(1..=10_000).contains(&self.draws) => {
                Err(format!("judge.draws: expected 1 to 10000, got {}", self.draws))
            }
            _ if !(self.temperature > 0.0 && self.temperature.is_finite()) => {
                Err(format!("judge.temperature: expected a number above 0, got {}", self.temperature))
            }
            _ if self.features.as_ref().is_some_and(|features| features.reference < 2) => {
                Err("judge.features.reference: expected at least 2 pictures".into())
            }
            _ => Ok(()),
        }
    }
}

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
    /// Unbiased squared maximum mean discrepancy between samples and test rows.
    pub mmd2: Option<f64>,
    /// Its standard error.
    pub mmd2_standard_error: Option<f64>,
    /// Samples that were not finite; the tests leave them out.
    pub samples_not_finite: usize,
    /// `max |x - f^-1(f(x))|` over standardised rows; none when it is not finite.
    pub round_trip_error: Option<f64>,
    /// Columns whose values recur in the rows as the flow sees them: the likelihood has no bound there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbounded_columns: Vec<String>,
    /// Pictures: bits per dimension of the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim: Option<f64>,
    /// Standard error of that mean over the pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim_standard_error: Option<f64>,
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
