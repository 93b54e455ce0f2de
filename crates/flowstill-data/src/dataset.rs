//! Load a configured table: prepare, split, standardise, and say what was done.

use std::path::PathBuf;

use crate::order::{Purpose, Stream};
use crate::sets::{self, Prepared};
use crate::{DataConfig, DataError, Matrix, Result, Standardization};

/// A table ready to train on.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The modelled columns' names.
    pub names: Vec<String>,
    /// The rows to fit, standardised.
    pub train: Matrix,
    /// The rows to choose by, standardised.
    pub validation: Matrix,
    /// The rows to report, standardised.
    pub test: Matrix,
    /// What the density is conditioned on, if anything: the same rows in the same order.
    pub context: Option<Context>,
    /// How the modelled columns were standardised.
    pub standardization: Standardization,
    /// Each step of the preparation in plain words, with counts.
    pub steps: Vec<String>,
    /// Where the rows come from.
    pub source: String,
}

/// The conditioning columns of a [`Dataset`], row for row.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// The columns' names.
    pub names: Vec<String>,
    /// Beside the rows to fit.
    pub train: Matrix,
    /// Beside the rows to choose by.
    pub validation: Matrix,
    /// Beside the rows to report.
    pub test: Matrix,
    /// How these columns were standardised.
    pub standardization: Standardization,
}

/// Loads what `config` describes. The same configuration and files give the same dataset, bit for bit, on every machine.
pub fn load(config: &DataConfig) -> Result<Dataset> {
    config.check()?;
    let mut prepared = sets::prepare(config)?;
    let path = config.path.clone().unwrap_or_else(|| PathBuf::from("household"));
    let place = |name: &String| crate::read::find(&path, &prepared.names, name);
    let context = config.context_columns.iter().map(place).collect::<Result<Vec<_>>>()?;
    let wanted = config.columns.as_ref().unwrap_or(&prepared.names).iter().map(place).collect::<Result<Vec<_>>>()?;
    let event: Vec<usize> = wanted.into_iter().filter(|column| !context.contains(column)).collect();
    if event.is_empty() {
        return Err(DataError::Config {
            field: "context_columns",
            expected: "at least one column left to model".into(),
            got: "every column as context".into(),
            remedy: "leave a column out of `context_columns`".into(),
        });
    }
    let rows = prepared.split.train.len() / prepared.names.len().max(1);
    if rows == 0 {
        let remedy = "use a longer table or smaller `validation` and `test` parts".into();
        return Err(DataError::TooFewRows { path, expected: 1, got: 0, remedy });
    }
    let limit = config.limit_rows.filter(|&limit| limit < rows);
    let order = limit.map(|limit| {
        let mut order = Stream::new(config.seed, Purpose::Limit, 0).permutation(rows);
        order.truncate(limit);
        prepared.steps.push(format!("drew {limit} of {rows} train rows"));
        order
    });
    let part = |columns: &[usize]| -> Result<Part> {
        let pick = |all: &[f64]| columns.iter().map(|&column| all[column]).collect();
        let standardization = Standardization { mean: pick(&prepared.scale.mean), std: pick(&prepared.scale.std) };
        let matrix = |values: &[f64]| standardised(values, prepared.names.len(), columns, &standardization);
        let train = matrix(&prepared.split.train)?;
        Ok(Part {
            names: columns.iter().map(|&column| prepared.names[column].clone()).collect(),
            train: order.as_ref().map(|order| train.gather(order)).unwrap_or(train),
            validation: matrix(&prepared.split.validation)?,
            test: matrix(&prepared.split.test)?,
            standardization,
        })
    };
    let Part { names, train, validation, test, standardization } = part(&event)?;
    let context = if context.is_empty() { None } else { Some(part(&context)?) };
    let Prepared { steps, source, .. } = prepared;
    Ok(Dataset { names, train, validation, test, context, standardization, steps, source })
}

/// A context is a part like any other.
type Part = Context;

/// Picks columns out of row-major values and standardises them; double precision until the last moment.
fn standardised(values: &[f64], width: usize, columns: &[usize], by: &Standardization) -> Result<Matrix> {
    let rows = values.chunks_exact(width.max(1));
    let count = rows.len();
    let mut out = Vec::with_capacity(count * columns.len());
    for row in rows {
        for ((&column, mean), std) in columns.iter().zip(&by.mean).zip(&by.std) {
            out.push(((row[column] - mean) / std) as f32);
        }
    }
    Matrix::new(out, count, columns.len())
}
