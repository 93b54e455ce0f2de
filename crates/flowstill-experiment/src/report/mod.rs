//! Keep what is told of a model.

mod baseline;
mod common_rows;
mod comparison;
mod legend;
mod over_seeds;
mod summary;
mod table;

use crate::evaluate::{EvaluateConfig, Metrics};
use crate::{Error, Result};
use flowstill::file::write_atomically;
use flowstill::model::Model;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;

pub use baseline::Kind;
pub use common_rows::CommonRows;
pub use comparison::{Comparison, Failed};
pub use over_seeds::{Gain, OverSeeds};
pub use summary::{PictureSummary, Summary};

pub(crate) use baseline::{place, place_given};
pub(crate) use common_rows::pair;
pub(crate) use comparison::best_by_validation;
pub(crate) use summary::{gain_in_nats, summarise};

/// One model of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The flow in words.
    pub model: String,
    /// teacher, plain, or the variant's name.
    pub role: String,
    /// The seed of its training.
    pub seed: u64,
    /// Values that training moved.
    pub parameters: usize,
    /// What was found out on the test split.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// The lowest negative log-likelihood on the validation split, which chose the weights; nats, standardised data.
    pub validation_nll: Option<f64>,
    /// Steps taken.
    pub steps: u64,
    /// Steps skipped for non-finite numbers.
    pub skipped_steps: u64,
    /// Seconds of training.
    pub train_seconds: f64,
    /// In what a variant's flow or training, or a teacher's training, differs from the plain student's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
    /// What it is in its comparison.
    #[serde(default)]
    pub kind: Kind,
    /// The plain student of the same shape and training, from which a distilled student's gain is counted; for a teacher the plain student.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The rows that this model and its baseline have in common, where either lost any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<CommonRows>,
}

impl Row {
    /// What a model file and its metrics say.
    pub(crate) fn new(model: &Model, metrics: Metrics) -> Self {
        Self {
            model: model.facts.flow.clone(),
            role: model.facts.role.clone(),
            seed: model.facts.seed,
            parameters: model.flow.parameter_count(),
            metrics,
            validation_nll: model.facts.validation_nll,
            steps: model.facts.steps,
            skipped_steps: model.facts.skipped,
            ..Self::default()
        }
    }

    /// One line; ± is the 95 % interval over the test rows.
    pub fn summary(&self) -> String {
        let metrics = &self.metrics;
        let mut text = match (metrics.bits_per_dim, metrics.bits_per_dim_standard_error) {
            (Some(bits), Some(error)) => {
                let frechet = match (metrics.frechet_distance, &metrics.frechet_network) {
                    (Some(distance), Some(network)) => format!(", Frechet distance {distance:.3} ({network})"),
                    _ => String::new(),
                };
                format!("test {bits:.4} ± {:.4} bits/dim{frechet}", metrics.half_width(error))
            }
            _ => {
                let spikes = match &metrics.unbounded_columns[..] {
                    [] => String::new(),
                    names => format!(" (unbounded: {})", crate::words::first_names(names, 8)),
                };
                format!(
                    "test log-likelihood {:.4} ± {:.4} nats{spikes}",
                    -metrics.test_nll_nats,
                    metrics.half_width(metrics.standard_error)
                )
            }
        };
        text += &format!(", {} parameters, trained {:.1} s", self.parameters, self.train_seconds);
        if self.skipped_steps > 0 {
            text += &format!(", {} steps skipped", self.skipped_steps);
        }
        metrics.faults().iter().for_each(|fault| text += &format!("; ! {fault}"));
        text
    }
}

/// `report.json` of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was found out.
    pub row: Row,
    /// What was aligned, repaired or inherited.
    pub notes: Vec<String>,
    /// The model's part of the plan.
    pub plan: serde_json::Value,
    /// How it was evaluated.
    #[serde(rename = "judged")]
    pub evaluated: EvaluateConfig,
    /// Data, plan and teacher that it belongs to.
    pub identity: String,
    /// The fingerprint of the flow that it tells of; empty in reports of before.
    #[serde(default)]
    pub flow: String,
}

impl Report {
    /// Where it lies.
    pub(crate) fn path(folder: &Path) -> std::path::PathBuf {
        folder.join("report.json")
    }

    /// Read the report of a finished model; `None` if there is none.
    ///
    /// # Errors
    /// When it is no report.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = Self::path(folder);
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            Error::input(format!(
                "{}: not a report ({error}); remove it, and the model is judged again",
                path.display()
            ))
        })
    }

    /// Write it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        Ok(write_atomically(&Self::path(folder), json(self)?.as_bytes())?)
    }
}

/// Indented JSON, with its last line ended.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| Error::run(format!("cannot write JSON: {error}")))
}

/// Read a number that JSON writes as null where it is not finite.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// Read numbers as [`number`] does.
pub(crate) fn numbers<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<f64>, D::Error> {
    let values: Vec<Option<f64>> = Vec::deserialize(from)?;
    Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}
