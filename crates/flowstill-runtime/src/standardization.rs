//! Bring columns to zero mean and unit variance, on the host in f64, with every value checked.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `x = (raw - mean) / std` per column, on the host in f64, for the values and for the conditioning ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardization {
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Standard deviation of each column, above 0.
    pub std: Vec<f64>,
    /// Mean of each conditioning column.
    #[serde(default)]
    pub context_mean: Vec<f64>,
    /// Standard deviation of each conditioning column.
    #[serde(default)]
    pub context_std: Vec<f64>,
}

impl Standardization {
    /// The identity over `columns` values and `context` conditioning ones.
    pub fn identity(columns: usize, context: usize) -> Self {
        Self {
            mean: vec![0.0; columns],
            std: vec![1.0; columns],
            context_mean: vec![0.0; context],
            context_std: vec![1.0; context],
        }
    }

    /// `log |det dx/draw| = -sum(log std)`, nats: what is added to a standardised log-density to get one in the data's units.
    pub fn log_det(&self) -> f64 {
        -self.std.iter().map(|s| s.ln()).sum::<f64>()
    }

    /// Raw row-major values of the modelled columns, as the flow wants them.
    ///
    /// # Errors
    /// [`Error::Shape`] if they do not fill whole rows, [`Error::BadValue`] names the first that is not finite, or too far off to be.
    pub fn rows(&self, raw: &[f64]) -> Result<Vec<f32>> {
        let mut out = Vec::with_capacity(raw.len());
        standardise(0, raw, &self.mean, &self.std, "rows", &mut out)?;
        Ok(out)
    }

    /// The same for the conditioning columns.
    ///
    /// # Errors
    /// As [`Standardization::rows`].
    pub fn context(&self, raw: &[f64]) -> Result<Vec<f32>> {
        let mut out = Vec::with_capacity(raw.len());
        standardise(0, raw, &self.context_mean, &self.context_std, "context", &mut out)?;
        Ok(out)
    }

    /// Whether it fits a flow over `columns` values and `context` conditioning ones.
    ///
    /// # Errors
    /// [`Error::File`] of `path` says what does not.
    pub fn check(&self, columns: usize, context: usize, path: &Path) -> Result<()> {
        let lengths = [self.mean.len(), self.std.len(), self.context_mean.len(), self.context_std.len()];
        if lengths != [columns, columns, context, context] {
            return Err(Error::file(
                path,
                "the standardisation does not fit the flow's columns",
                "write the file again",
            ));
        }
        let finite = [&self.mean, &self.context_mean].into_iter().flatten().all(|m| m.is_finite());
        let positive = [&self.std, &self.context_std].into_iter().flatten().all(|s| s.is_finite() && *s > 0.0);
        match finite && positive {
            true => Ok(()),
            false => {
                Err(Error::file(path, "the standardisation holds a scale that is not above 0", "write the file again"))
            }
        }
    }
}

/// Raw row-major values to standardised ones, with every value checked; `out` is filled anew, and `first` rows come before.
pub(crate) fn standardise<V: Copy + Into<f64>>(
    first: usize,
    raw: &[V],
    mean: &[f64],
    std: &[f64],
    what: &str,
    out: &mut Vec<f32>,
) -> Result<()> {
    out.clear();
    let width = mean.len();
    if width == 0 && raw.is_empty() {
        return Ok(());
    }
    if width == 0 || !raw.len().is_multiple_of(width) {
        return Err(Error::shape(what, format!("rows of {width} values"), format!("{} values", raw.len())));
    }
    for row in raw.chunks_exact(width) {
        out.extend(row.iter().zip(mean.iter().zip(std)).map(|(v, (mean, std))| (((*v).into() - mean) / std) as f32));
    }
    let Some(at) = out.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let value = match raw[at].into() {
        value if value.is_finite() => format!("{value:e}, too far from the training data to be standardised"),
        value => value.to_string(),
    };
    Err(Error::BadValue {
        what: what.into(),
        problem: format!("row {} column {} is {value}", first + at / width + 1, at % width + 1),
        remedy: "drop such rows, or mend them".into(),
    })
}
