//! Evaluate one model on data that it has not seen; what is asked, and what is found out.

mod divergence;
mod features;
mod health;
mod metrics;
mod pictures;
mod rows;

use serde::{Deserialize, Serialize};

pub use divergence::{Divergence, divergence};
pub use features::{FeatureConfig, NetworkName, Reference};
pub use health::{OwnSamples, ROUND_TRIP_TOLERANCE, WorstRow};
pub use metrics::Metrics;
pub use pictures::{evaluate_pictures, shown_pixels};
pub use rows::evaluate_rows;

pub(crate) use health::densities;

/// How models are evaluated; the same for every model of a comparison. Recipes call it `[judge]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Samples drawn for the two-sample tests and for what is asked of the model's own samples, at most as many as there are test rows;
    /// default 10000, 0 for none.
    pub samples: usize,
    /// Seed of those samples and tests; default 20.
    pub seed: u64,
    /// Rows at once when speed is measured; default 8192.
    pub batch: usize,
    /// Repetitions of each timing after a warm-up, of which the median counts; default 5, 0 for no timings.
    pub repetitions: usize,
    /// Rows or pictures of the round trip, the first ones; default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_rows: Option<usize>,
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
            round_trip_rows: None,
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
