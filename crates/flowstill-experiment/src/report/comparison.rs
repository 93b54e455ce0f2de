//! Hold a whole comparison, and choose in it by the validation split alone.

use super::legend::legend;
use super::{Kind, Row, Summary, summarise, table};
use crate::recipe::PLAIN;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A distilled student whose training diverged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The distilled student with the best validation, of the plain student's own shape where there is one.
    pub best_by_validation: Option<String>,
    /// The width of the kernel behind every `mmd2`, from the test rows alone.
    pub mmd2_bandwidth: Option<f64>,
    /// Distilled students whose training diverged.
    pub failed: Vec<Failed>,
    /// The run folder.
    pub run: String,
}

/// What of a kept comparison is read back: its summary follows from its rows.
#[derive(Deserialize)]
struct Kept {
    name: String,
    data: String,
    seeds: Vec<u64>,
    rows: Vec<Row>,
    best_by_validation: Option<String>,
    #[serde(default)]
    mmd2_bandwidth: Option<f64>,
    #[serde(default)]
    failed: Vec<Failed>,
    #[serde(default)]
    run: String,
}

impl Comparison {
    /// Read a `comparison.json`.
    ///
    /// # Errors
    /// A file that cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::input(format!("{}: cannot read: {error}", path.display())))?;
        let kept: Kept = serde_json::from_str(&text).map_err(|error| {
            Error::input(format!("{}: not a comparison ({error}); run the comparison again", path.display()))
        })?;
        let Kept { name, data, seeds, rows, best_by_validation, mmd2_bandwidth, failed, run } = kept;
        let summary = summarise(&rows);
        Ok(Self { name, data, seeds, rows, summary, best_by_validation, mmd2_bandwidth, failed, run })
    }

    /// The table with what it means, for a terminal.
    pub fn text(&self) -> String {
        table::text(self)
    }

    /// The same as Markdown.
    pub fn markdown(&self) -> String {
        table::markdown(self)
    }

    /// Headers and cells of that table, and the lines below it.
    pub(crate) fn table(&self) -> (&'static [&'static str], Vec<Vec<String>>, Vec<String>) {
        (table::headers(self), table::cells(self), legend(self))
    }
}

/// The distilled student whose validation is best in the mean over seeds, among those that are there with every seed; of the plain student's
/// shape and training, and only if there is none among all others. Never by the test split.
pub(crate) fn best_by_validation<'a>(summary: &'a [Summary], seeds: &[u64]) -> Option<&'a Summary> {
    let value = |summary: &Summary| summary.validation_nll.map_or(f64::INFINITY, |nll| nll.mean);
    let whole =
        |one: &&Summary| one.kind == Kind::Distilled && one.seeds.len() == seeds.len() && value(one).is_finite();
    let best = |alike: bool| {
        let own = summary.iter().filter(whole).filter(|one| (one.baseline.as_deref() == Some(PLAIN)) == alike);
        own.min_by(|a, b| value(a).total_cmp(&value(b)))
    };
    best(true).or_else(|| best(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Metrics;
    use crate::report::summarise;

    #[test]
    fn the_best_is_distilled_whole_and_chosen_by_validation() {
        let row = |role: &str, seed: u64, kind: Kind, baseline: Option<&str>, validation: f64| Row {
            role: role.into(),
            seed,
            kind,
            baseline: baseline.map(String::from),
            validation_nll: Some(validation),
            // The better the test, the worse the validation.
            metrics: Metrics { test_nll_nats: -validation, ..Metrics::default() },
            ..Row::default()
        };
        let plain = Some("plain");
        let mut rows = Vec::new();
        for seed in [1, 2] {
            rows.push(row("teacher", seed, Kind::Teacher, plain, 0.0));
            rows.push(row("plain", seed, Kind::Plain, None, 3.0));
            rows.push(row("wide-plain", seed, Kind::Plain, None, 0.1));
            rows.push(row("wide", seed, Kind::Distilled, Some("wide-plain"), 0.2));
            rows.push(row("lkd", seed, Kind::Distilled, plain, 2.0));
            rows.push(row("skd", seed, Kind::Distilled, plain, 2.5));
        }
        // Its other seed diverged.
        rows.push(row("lucky", 1, Kind::Distilled, plain, 1.0));
        let best = |rows: &[Row]| best_by_validation(&summarise(rows), &[1, 2]).map(|best| best.role.clone());
        assert_eq!(best(&rows).as_deref(), Some("lkd"));
        rows.retain(|row| row.baseline.as_deref() != plain || row.kind != Kind::Distilled);
        assert_eq!(best(&rows).as_deref(), Some("wide"));
    }
}
