//! Remember how a flow came to be: its role, its data and the rows that it must not be judged on.

use serde::{Deserialize, Serialize};

/// What is known about how a flow came to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingFacts {
    /// The role in a comparison: teacher, plain, ilkd, ...
    pub role: String,
    /// The family and size in words.
    pub flow: String,
    /// The data set.
    pub data: String,
    /// The columns, in order.
    pub columns: Vec<String>,
    /// The conditioning columns, in order.
    pub context_columns: Vec<String>,
    /// The seed of the training.
    pub seed: u64,
    /// Steps taken.
    pub steps: u64,
    /// The lowest mean negative log-likelihood on the validation split, nats, standardised data.
    pub validation_nll: Option<f64>,
    /// Steps that were skipped for non-finite numbers.
    pub skipped: u64,
    /// Which rows it learned from; `None` where nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitFacts>,
    /// The version of flowstill that wrote it.
    pub flowstill: String,
}

/// Which rows of which table a flow learned from: enough to tell whether rows that test elsewhere have trained it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SplitFacts {
    /// The set's name; `table` for one of the user's own.
    pub set: String,
    /// The seed of the split, and of what else the preparation draws.
    pub seed: u64,
    /// The part of the rows outside the test split that validated.
    pub validation: f64,
    /// The part of the rows that tested.
    pub test: f64,
    /// The most rows that it was trained on, if there was a limit.
    pub limit_rows: Option<usize>,
    /// What told which pictures are of one thing and stay in one split, as a recipe writes it; none where every picture is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,
    /// Rows of all parts.
    pub rows: usize,
    /// A fingerprint of all rows, whatever their order.
    pub table_fingerprint: String,
    /// A fingerprint of the test rows, whatever their order.
    pub test_fingerprint: String,
}
