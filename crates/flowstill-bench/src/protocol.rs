//! Say what may be asked of a worker and what it answers; the workers in `bench/peers` speak the same.

use crate::case::Case;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One line of standard input.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// Build the flow of a case, and write what peers import: the flow, its teacher, the input.
    Build { case: Box<Case>, seed: u64, save: PathBuf, data: PathBuf, teacher: Option<PathBuf> },
    /// Compute what peers with the same weights must compute too.
    Check,
    /// Repeat the case's work for about so many seconds.
    Run { seconds: f64 },
}

/// One line of standard output.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// How many values the optimiser would move.
    Built { parameters: usize },
    /// Log-densities in nats, and for distillation the terms of the loss.
    Checked { values: Vec<f64> },
    /// So many units were done in so many seconds; `rss_mib` is the most memory that this process ever held.
    Ran { count: f64, unit: &'static str, seconds: f64, rss_mib: f64 },
    /// The request was not done.
    Failed { error: String },
}
