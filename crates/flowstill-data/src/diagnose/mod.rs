//! Find what in a table's columns a density cannot be trusted on: shared values, grids, hard limits, angles, heavy tails, near copies.

mod column;

use std::fmt;

use serde::Serialize;

use column::sorted;

/// A value that many rows share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Atom {
    /// The value.
    pub value: f64,
    /// The share of the rows that have it, 0 to 1.
    pub share: f64,
}

/// What is peculiar about a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Trait {
    /// Values that many rows share, the most frequent first; the others lie apart.
    Atoms {
        /// At most eight.
        atoms: Vec<Atom>,
    },
    /// Every value is `origin + k * step` with a whole number k, and values recur.
    Grid {
        /// The distance of neighbours.
        step: f64,
        /// The lowest value.
        origin: f64,
        /// Different values.
        values: usize,
    },
    /// An angle: values from `low` round to `low + period`.
    Circle {
        /// The lowest possible value.
        low: f64,
        /// A whole turn.
        period: f64,
    },
    /// Rows crowd at limits that no row passes.
    Bounded {
        /// The lower limit, if there is one.
        low: Option<f64>,
        /// The upper limit, if there is one.
        high: Option<f64>,
    },
    /// Rows far out, by the measure of the quartiles.
    HeavyTails {
        /// Distance of the 0.5 % and 99.5 % quantiles by that of the quartiles; 3.8 for a normal column.
        ratio: f64,
    },
    /// Another column says nearly the same.
    NearCopy {
        /// The earlier column.
        of: String,
        /// Their correlation, -1 to 1.
        correlation: f64,
    },
}

/// One peculiarity of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The column's name.
    pub column: String,
    /// What was found.
    #[serde(flatten)]
    pub found: Trait,
}

impl Finding {
    /// Whether a density has no bound while this stands: a flow can put a spike on values that recur.
    pub fn is_unbounded(&self) -> bool {
        matches!(self.found, Trait::Atoms { .. } | Trait::Grid { .. })
    }

    /// What it does to a density, in one line.
    pub fn effect(&self) -> &'static str {
        match self.found {
            Trait::Atoms { .. } => "the likelihood is unbounded: a flow can put a spike on each shared value",
            Trait::Grid { .. } => "the likelihood is unbounded: a flow can put a spike on each value of the grid",
            Trait::Circle { .. } => "the density is cut where the angle begins anew, and samples leave the turn",
            Trait::Bounded { .. } => "the density leaks past the limit, and samples break it",
            Trait::HeavyTails { .. } => "few far rows set the scale, and the rest of the column is squeezed together",
            Trait::NearCopy { .. } => "the joint density is nearly infinite along a line, and rules the likelihood",
        }
    }

    /// The settings of the recipe's `[data]` that cure it.
    pub fn cure(&self) -> String {
        let column = key(&self.column);
        match &self.found {
            Trait::Atoms { .. } => format!("transform.{column} = \"spread\""),
            Trait::Grid { .. } => format!("transform.{column} = \"dequantise\""),
            Trait::Circle { .. } => format!("transform.{column} = \"circle\""),
            Trait::Bounded { low: Some(_), high: Some(_) } => format!("transform.{column} = \"logit\""),
            Trait::Bounded { low: Some(_), high: None } => format!("transform.{column} = \"log\""),
            Trait::Bounded { .. } | Trait::HeavyTails { .. } => format!("transform.{column} = \"rank_normal\""),
            Trait::NearCopy { .. } => format!("exclude = [{:?}]", self.column),
        }
    }
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if bare { name.to_string() } else { format!("{name:?}") }
}

impl fmt::Display for Finding {
    /// What was found, without the column's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Trait::Atoms { atoms } => {
                let each = |atom: &Atom| format!("{} in {:.1} % of the rows", atom.value, 100.0 * atom.share);
                let listed: Vec<String> = atoms.iter().take(3).map(each).collect();
                let more = if atoms.len() > 3 { format!(", and {} more", atoms.len() - 3) } else { String::new() };
                write!(f, "shared values: {}{more}", listed.join(", "))
            }
            Trait::Grid { step, origin, values } => write!(f, "{values} values on a grid of step {step} from {origin}"),
            Trait::Circle { low, period } => write!(f, "an angle from {low} to {}", low + period),
            Trait::Bounded { low, high } => match (low, high) {
                (Some(low), Some(high)) => write!(f, "crowded at its limits {low} and {high}"),
                (Some(low), None) => write!(f, "crowded at its lower limit {low}"),
                (_, high) => write!(f, "crowded at its upper limit {}", high.unwrap_or(f64::NAN)),
            },
            Trait::HeavyTails { ratio } => {
                write!(f, "heavy tails: quantiles 0.5 % to 99.5 % span {ratio:.1} quartile distances (normal: 3.8)")
            }
            Trait::NearCopy { of, correlation } => write!(f, "nearly a copy of `{of}` (correlation {correlation:.6})"),
        }
    }
}

/// Rows by which columns are compared with each other; others add nothing.
const COMPARED: usize = 10_000;

/// Rows by which a column is judged.
const JUDGED: usize = 200_000;

/// Above this two columns say the same.
const COPY: f64 = 0.9999;

/// What is peculiar about the columns of row-major `values`, column after column. Values that are not finite are passed over.
/// A long table is judged by some 200,000 of its rows, evenly drawn. Values that fill no whole row at the end are passed over.
pub fn diagnose(names: &[String], values: &[f64]) -> Vec<Finding> {
    let columns = names.len().max(1);
    let thinned = thin(values, columns);
    let mut findings = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let rows = values.chunks_exact(columns).step_by((values.len() / columns).div_ceil(JUDGED).max(1));
        let own = sorted(rows.map(|row| row[at]));
        findings.extend(column::traits(&own).into_iter().map(|found| Finding { column: name.clone(), found }));
        for (before, of) in names[..at].iter().enumerate() {
            let correlation = correlation(&thinned[before], &thinned[at]);
            if correlation.abs() > COPY {
                let found = Trait::NearCopy { of: of.clone(), correlation };
                findings.push(Finding { column: name.clone(), found });
                break;
            }
        }
    }
    findings
}

/// How many rows of row-major `values` repeat an earlier one, value for value.
pub fn repeated_rows(values: &[f64], columns: usize) -> usize {
    let rows = values.chunks_exact(columns.max(1));
    let count = rows.len();
    // Adding 0 makes one of the two zeros.
    let bits = |row: &[f64]| row.iter().map(|value| (value + 0.0).to_bits()).collect::<Vec<_>>();
    count - rows.map(bits).collect::<std::collections::HashSet<_>>().len()
}

/// Every column of some rows, evenly drawn.
fn thin(values: &[f64], columns: usize) -> Vec<Vec<f64>> {
    let rows = values.len() / columns;
    let each = rows.div_ceil(COMPARED).max(1);
    let one = |at| values.chunks_exact(columns).step_by(each).map(|row: &[f64]| row[at]).collect();
    (0..columns).map(one).collect()
}

/// Pearson's correlation over the rows that both have; 0 where one does not vary, or there are fewer than 20 rows.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let pairs = || a.iter().zip(b).filter(|(a, b)| a.is_finite() && b.is_finite());
    let count = pairs().count();
    if count < 20 {
        return 0.0;
    }
    let mean = |of: fn((&f64, &f64)) -> f64| pairs().map(of).sum::<f64>() / count as f64;
    let (mean_a, mean_b) = (mean(|(a, _)| *a), mean(|(_, b)| *b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in pairs() {
        let (a, b) = (a - mean_a, b - mean_b);
        (aa, bb, ab) = (aa + a * a, bb + b * b, ab + a * b);
    }
    let scale = (aa * bb).sqrt();
    if scale > 0.0 && scale.is_finite() { ab / scale } else { 0.0 }
}

#[cfg(test)]
mod tests;
