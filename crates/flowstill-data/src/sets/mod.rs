//! Prepare the named sets, each by its published convention.

mod bsds300;
mod catalogue;
mod gas;
mod hepmass;
mod household;
mod miniboone;
mod power;
mod table;

use std::path::{Path, PathBuf};

pub use catalogue::{FileInfo, Report, SetInfo, check, sets};

use crate::split::Partition;
use crate::{ColumnScales, DataConfig, DataError, Recurring, Result, SetName, Table, clean};

/// A set before standardisation.
pub(crate) struct Prepared {
    pub names: Vec<String>,
    pub split: Partition,
    pub scale: ColumnScales,
    pub steps: Vec<String>,
    pub source: String,
}

/// Which rows standardisation measures, and what its variance divides by.
pub(crate) enum Measure {
    /// The train rows alone.
    Train,
    /// Train and validation rows.
    TrainAndValidation,
}

impl Measure {
    fn scale(&self, split: &Partition, columns: usize, steps: &mut Vec<String>) -> ColumnScales {
        match self {
            Self::Train => {
                steps.push("standardised by the train rows' mean and deviation".into());
                ColumnScales::measure(&split.train, columns, 0)
            }
            Self::TrainAndValidation => {
                steps.push("standardised by the train and validation rows' mean and deviation".into());
                let both = [&split.train[..], &split.validation[..]].concat();
                ColumnScales::measure(&both, columns, 0)
            }
        }
    }
}

/// Prepares the set that `config` names.
pub(crate) fn prepare(config: &DataConfig) -> Result<Prepared> {
    let path = config.path.as_deref().unwrap_or(Path::new(""));
    match config.set {
        SetName::Power => power::prepare(path, config),
        SetName::Gas => gas::prepare(path, config),
        SetName::Hepmass => hepmass::prepare(path, config),
        SetName::Miniboone => miniboone::prepare(path, config),
        SetName::Bsds300 => bsds300::prepare(path),
        SetName::Table => table::prepare(path, config),
        SetName::Household => household::prepare(config),
    }
}

/// The file itself, or the first of `names` that the folder has.
fn locate(path: &Path, names: &[&str]) -> Result<PathBuf> {
    let kind = std::fs::metadata(path).map_err(DataError::io(path, "read"))?;
    if kind.is_file() {
        return Ok(path.to_path_buf());
    }
    let found = names.iter().map(|name| path.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| {
        let remedy = "give the file's own path, or put it there";
        DataError::malformed(path, format!("a folder with {}", names.join(" or ")), "none of these", remedy)
    })
}

/// Whether the file's name ends so, in any case.
fn ends(path: &Path, ending: &str) -> bool {
    path.to_string_lossy().to_ascii_lowercase().ends_with(ending)
}

/// Insists on a number of columns.
fn expect_columns(table: &Table, path: &Path, columns: usize, what: &str) -> Result<()> {
    if table.columns == columns {
        return Ok(());
    }
    let remedy = "check that it is this set's file; a table of your own is set = \"table\"";
    Err(DataError::malformed(path, format!("{columns} columns ({what})"), format!("{}", table.columns), remedy))
}

/// The columns whose values recur more than 5 times, by `rule`.
fn recurring_columns(table: &Table, rule: Recurring) -> Vec<usize> {
    let counts = match rule {
        Recurring::LowestValue => clean::lowest_value_counts(table),
        Recurring::MostFrequentValue => clean::most_frequent_counts(table),
    };
    (0..table.columns).filter(|&column| counts[column] > 5).collect()
}

/// How many rows, if an order of 32-bit numbers can hold them.
fn row_count(table: &Table) -> Result<u32> {
    u32::try_from(table.rows).map_err(|_| DataError::Shape {
        expected: "at most 4294967295 rows".into(),
        got: format!("{} rows", table.rows),
    })
}
