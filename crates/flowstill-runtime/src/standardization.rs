//! Bring columns to zero mean and unit variance, on the host in f64, with every value checked.

use crate::transform::{ColumnTransform, noise};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `x = (t(raw) - mean) / std` per column, on the host in f64, for the values and for the conditioning ones; `t` is a column's transform, if it has one.
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
    /// What is done to each column before; empty where nothing is done to any. (A reader that knows of none refuses such a file.)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnTransform>,
}

impl Standardization {
    /// The identity over `columns` values and `context` conditioning ones.
    pub fn identity(columns: usize, context: usize) -> Self {
        Self {
            mean: vec![0.0; columns],
            std: vec![1.0; columns],
            context_mean: vec![0.0; context],
            context_std: vec![1.0; context],
            columns: Vec::new(),
        }
    }

    /// Whether any column is transformed.
    pub fn is_transformed(&self) -> bool {
        !self.columns.is_empty()
    }

    /// `-sum(log std)`, nats: what is added to a standardised log-density to get one of transformed columns, which are the data's own where none is transformed.
    pub fn log_det(&self) -> f64 {
        -self.std.iter().map(|s| s.ln()).sum::<f64>()
    }

    /// What the transforms add to the log-density of a standardised row, nats; 0 without any.
    pub fn transforms_log_det(&self, row: &[f32]) -> f64 {
        let scaled = row.iter().zip(self.mean.iter().zip(&self.std)).map(|(x, (mean, std))| f64::from(*x) * std + mean);
        self.columns.iter().zip(scaled).map(|(column, y)| column.inverse(y).1).sum()
    }

    /// Raw row-major values of the modelled columns, as the flow wants them; noise follows from a row's own values.
    ///
    /// # Errors
    /// [`Error::Shape`] if they do not fill whole rows, [`Error::BadValue`] names the first that is not finite, too far off to be, or none that its column's transform takes.
    pub fn rows(&self, raw: &[f64]) -> Result<Vec<f32>> {
        self.rows_drawn(raw, |_| 0)
    }

    /// The same with noise that follows from a row's values and from the draw that a row of this number has: rows that are alike differ by it.
    ///
    /// # Errors
    /// As [`Standardization::rows`].
    pub fn rows_drawn(&self, raw: &[f64], draw: impl Fn(usize) -> u64) -> Result<Vec<f32>> {
        let mut out = Vec::with_capacity(raw.len());
        self.enter(0, raw, draw, &mut out, &mut Vec::new())?;
        Ok(out)
    }

    /// The rows, standardised, to `out`, and what the transforms add to the log-density of each to `shift`, which stays empty without any.
    pub(crate) fn enter<V: Copy + Into<f64>>(
        &self,
        first: usize,
        raw: &[V],
        draw: impl Fn(usize) -> u64,
        out: &mut Vec<f32>,
        shift: &mut Vec<f64>,
    ) -> Result<()> {
        shift.clear();
        if !self.is_transformed() {
            return standardise(first, raw, &self.mean, &self.std, "rows", out);
        }
        let width = self.mean.len();
        let mut made = Vec::with_capacity(raw.len());
        for (at, row) in raw.chunks(width.max(1)).enumerate() {
            let noise = noise(row.iter().map(|value| (*value).into()), draw(at));
            let mut sum = 0.0;
            for (index, (value, column)) in row.iter().zip(&self.columns).enumerate() {
                let value = (*value).into();
                let unfit = |problem: String| Error::BadValue {
                    what: "rows".into(),
                    problem: format!("row {} column {} is {value}, {problem}", first + at + 1, index + 1),
                    remedy: "drop such rows, or mend them".into(),
                };
                if !value.is_finite() {
                    return Err(unfit("no number".into()));
                }
                let (y, log) = column.forward(value, noise(index)).map_err(unfit)?;
                made.push(y);
                sum += log;
            }
            shift.push(sum);
        }
        standardise(first, &made, &self.mean, &self.std, "rows", out)
    }

    /// From gradients with respect to transformed columns to those with respect to raw ones, the log-slopes' own among them.
    pub(crate) fn pull<V: crate::Value>(&self, raw: &[V], gradient: &mut [V]) {
        let width = self.mean.len().max(1);
        if !self.is_transformed() {
            return;
        }
        for (row, gradient) in raw.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let noise = noise(row.iter().map(|value| (*value).into()), 0);
            for (index, (column, (value, g))) in self.columns.iter().zip(row.iter().zip(gradient)).enumerate() {
                let [slope, of_log] = column.derivatives((*value).into(), noise(index));
                *g = V::from_f64((*g).into() * slope + of_log);
            }
        }
    }

    /// A transformed value of column `at` back in the data's units.
    pub(crate) fn raw(&self, at: usize, y: f64) -> f64 {
        self.columns.get(at).map_or(y, |column| column.inverse(y).0)
    }

    /// How much a raw value of column `at` moves its transformed one, at that transformed value.
    pub(crate) fn slope(&self, at: usize, y: f64) -> f64 {
        self.columns.get(at).map_or(1.0, |column| column.slope_at(y))
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
        let unfit = |why: String| {
            Error::file(path, format!("holds a column's transform that cannot be run ({why})"), "update flowstill")
        };
        if self.is_transformed() && self.columns.len() != columns {
            return Err(unfit(format!("{} transforms for {columns} columns", self.columns.len())));
        }
        self.columns.iter().try_for_each(ColumnTransform::check).map_err(unfit)?;
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
