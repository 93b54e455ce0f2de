//! Pair two models on the rows that both give a density, where either lost any: a mean over what a model can do favours the one that fails.

use super::Row;
use crate::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Likelihoods of two models on the rows where both are finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommonRows {
    /// How many rows.
    pub rows: usize,
    /// The model's mean negative log-likelihood of them, nats, standardised data; none without rows.
    pub test_nll_nats: Option<f64>,
    /// Its baseline's.
    pub baseline_test_nll_nats: Option<f64>,
}

/// Fill in [`Row::common`] for every model that lost rows, or whose baseline did; `densities(role, seed)` are a model's, row by row.
///
/// # Errors
/// What `densities` reports.
pub(crate) fn pair(rows: &mut [Row], densities: &mut dyn FnMut(&str, u64) -> Result<Vec<f64>>) -> Result<()> {
    let lost: BTreeMap<(String, u64), bool> =
        rows.iter().map(|row| ((row.role.clone(), row.seed), row.metrics.test_rows_not_finite > 0)).collect();
    let mut known: BTreeMap<(String, u64), Vec<f64>> = BTreeMap::new();
    for row in rows {
        row.common = None;
        let own = (row.role.clone(), row.seed);
        let Some(baseline) = row.baseline.clone().map(|role| (role, row.seed)) else { continue };
        if !lost.get(&baseline).is_some_and(|baseline| *baseline || lost[&own]) {
            continue;
        }
        for (role, seed) in [&own, &baseline] {
            if !known.contains_key(&(role.clone(), *seed)) {
                known.insert((role.clone(), *seed), densities(role, *seed)?);
            }
        }
        let both = known[&own].iter().zip(&known[&baseline]).filter(|(a, b)| a.is_finite() && b.is_finite());
        let (count, one, other) = both.fold((0, 0.0, 0.0), |(n, one, other), (a, b)| (n + 1, one - a, other - b));
        let mean = |sum: f64| (count > 0).then(|| sum / count as f64);
        row.common = Some(CommonRows { rows: count, test_nll_nats: mean(one), baseline_test_nll_nats: mean(other) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Metrics;

    #[test]
    fn a_model_that_loses_its_worst_rows_gains_nothing_by_it() {
        let row = |role: &str, lost: usize| Row {
            role: role.into(),
            seed: 3,
            baseline: (role != "plain").then(|| "plain".into()),
            metrics: Metrics { test_rows: 3, test_rows_not_finite: lost, ..Metrics::default() },
            ..Row::default()
        };
        let mut rows = [row("plain", 0), row("lkd", 1), row("skd", 0)];
        let mut asked = Vec::new();
        pair(&mut rows, &mut |role, seed| {
            asked.push(format!("{role} {seed}"));
            // The failing model is the same on the rows that it has left.
            Ok(if role == "lkd" { vec![-1.0, -2.0, f64::NEG_INFINITY] } else { vec![-1.0, -2.0, -30.0] })
        })
        .unwrap();
        let common = CommonRows { rows: 2, test_nll_nats: Some(1.5), baseline_test_nll_nats: Some(1.5) };
        assert_eq!((rows[1].common, rows[2].common), (Some(common), None));
        assert_eq!(asked, ["lkd 3", "plain 3"]);
        rows[1].metrics.test_rows_not_finite = 3;
        pair(&mut rows, &mut |role, _| Ok(vec![if role == "lkd" { f64::NAN } else { -1.0 }; 3])).unwrap();
        assert_eq!(rows[1].common, Some(CommonRows::default()));
    }
}
