//! Load a configured table: prepare, split, standardise, and say what was done.

use std::path::PathBuf;

use crate::order::{Purpose, Stream};
use crate::sets::{self, Prepared};
use crate::split::Partition;
use crate::{ColumnScales, DataConfig, DataError, Matrix, Result, spread};

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
    pub standardization: ColumnScales,
    /// Each step of the preparation in plain words, with counts.
    pub steps: Vec<String>,
    /// Where the rows come from.
    pub source: String,
    /// What tells the table and its split from others.
    pub marks: Marks,
}

/// What tells a table and its split from others, whatever the standardisation, the columns modelled and the limit of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// Rows of all parts.
    pub rows: usize,
    /// A number that follows from the rows of all parts, in any order.
    pub table: u64,
    /// A number that follows from the test rows, in any order.
    pub test: u64,
}

impl Marks {
    fn of(prepared: &Prepared) -> Self {
        let (split, columns) = (&prepared.split, prepared.names.len().max(1));
        let sum = |values: &[f64]| {
            // Hashes are added up, so that the order of the rows does not count.
            values.chunks_exact(columns).map(row_hash).fold(0_u64, u64::wrapping_add)
        };
        let parts = [&split.train, &split.validation, &split.test];
        let [train, validation, test] = parts.map(|values| sum(values));
        let rows = parts.iter().map(|values| values.len() / columns).sum();
        Self { rows, table: train.wrapping_add(validation).wrapping_add(test), test }
    }
}

/// FNV-1a over the numbers' bits, mixed once more (as SplitMix64 ends), so that sums of rows that are alike stay apart.
fn row_hash(row: &[f64]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let hash = row.iter().fold(start, |hash, value| (hash ^ value.to_bits()).wrapping_mul(0x0000_0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
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
    pub standardization: ColumnScales,
}

/// The rows of a table before they are standardised: whole rows of `names`, in the data's own units.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The columns' names, conditioning ones among them.
    pub names: &'a [String],
    /// The rows to fit.
    pub train: &'a mut [f64],
    /// The rows to choose by.
    pub validation: &'a mut [f64],
    /// The rows to report.
    pub test: &'a mut [f64],
}

/// Changes rows before they are standardised, and says in plain words what it did.
pub type Change<'a> = &'a mut dyn FnMut(Parts<'_>) -> Result<Vec<String>>;

/// Loads what `config` describes. The same configuration and files give the same dataset, bit for bit, on every machine.
///
/// # Errors
/// What the reader reports, and settings that make no sense; a `transform` is [`load_changed`]'s to take.
pub fn load(config: &DataConfig) -> Result<Dataset> {
    if let Some(name) = config.transform.keys().next() {
        return Err(DataError::Config {
            field: "transform",
            expected: "none here".into(),
            got: format!("one of `{name}`"),
            remedy: "load with what takes transforms".into(),
        });
    }
    load_changed(config, &mut |_| Ok(Vec::new()))
}

/// The same, with the rows changed between their split and their standardisation; what `config` says of transforms is for `change` to do. Rows that were changed
/// are standardised by their train rows.
///
/// # Errors
/// As [`load`], and what `change` reports.
pub fn load_changed(config: &DataConfig, change: Change<'_>) -> Result<Dataset> {
    config.check()?;
    let mut prepared = sets::prepare(config)?;
    let marks = Marks::of(&prepared);
    let Partition { train, validation, test } = &mut prepared.split;
    let steps = change(Parts { names: &prepared.names, train, validation, test })?;
    if !steps.is_empty() {
        prepared.scale = ColumnScales::measure(&prepared.split.train, prepared.names.len(), 0);
        prepared.steps.extend(steps);
    }
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
    for columns in [&event, &context] {
        spread::check(&path, &prepared.names, &prepared.split.train, prepared.names.len(), columns)?;
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
        let standardization = ColumnScales { mean: pick(&prepared.scale.mean), std: pick(&prepared.scale.std) };
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
    Ok(Dataset { names, train, validation, test, context, standardization, steps, source, marks })
}

/// A context is a part like any other.
type Part = Context;

/// Picks columns out of row-major values and standardises them; double precision until the last moment.
fn standardised(values: &[f64], width: usize, columns: &[usize], by: &ColumnScales) -> Result<Matrix> {
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
