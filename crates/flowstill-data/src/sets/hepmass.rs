//! Prepare HEPMASS: simulated collisions in which a new particle would show.

use std::path::{Path, PathBuf};

use super::{Prepared, locate, recurring_columns};
use crate::clean::drop_columns;
use crate::{ColumnScales, DataConfig, DataError, Missing, ReadOptions, Result, Table, read, split};

/// The names of the train file, the archive's first.
const TRAIN: [&str; 5] =
    ["1000_train.csv", "hepmass/1000_train.csv", "1000_train.csv.gz", "all_train.csv", "all_train.csv.gz"];

/// The mass of the particle in the published set; UCI's `all_*` files mix five.
const MASS: f64 = 1000.0;

/// From the pair `1000_train.csv` and `1000_test.csv`, or UCI's `all_train.csv` and `all_test.csv`, plain or gzipped.
pub(super) fn prepare(path: &Path, config: &DataConfig) -> Result<Prepared> {
    let (train_file, test_file) = pair(&locate(path, &TRAIN)?)?;
    let mut steps = Vec::new();
    let (mut train, mut test) = (signal(&train_file, "train", &mut steps)?, signal(&test_file, "test", &mut steps)?);
    keep_one_mass(&mut train, "train", &mut steps);
    keep_one_mass(&mut test, "test", &mut steps);
    test = drop_surplus_column(test, train.columns, &mut steps);
    if train.columns != test.columns {
        let (expected, got) = (format!("{} columns as in the train file", train.columns), format!("{}", test.columns));
        return Err(DataError::malformed(&test_file, expected, got, "use the two files of one download"));
    }
    // pandas divides a variance by one less than the number of rows.
    let scale = ColumnScales::measure(&train.values, train.columns, 1);
    steps.push("standardised by the train and validation rows' mean and deviation".into());
    let drops = recurring_columns(&train, config.recurring);
    train = drop_columns(train, &drops, "because a value recurs more than 5 times", &mut steps);
    test = test.without_columns(&drops);
    let kept = |all: &[f64]| {
        all.iter().enumerate().filter(|(column, _)| !drops.contains(column)).map(|(_, &value)| value).collect()
    };
    let scale = ColumnScales { mean: kept(&scale.mean), std: kept(&scale.std) };
    let names = train.names.clone();
    let mut split = split::from_the_end(train, config.validation, 0.0, &mut Vec::new());
    split.test = test.values;
    let rows = |values: &[f64]| values.len() / names.len().max(1);
    steps.push(format!(
        "took the last {} of {} train rows for validation; {} rows test",
        rows(&split.validation),
        rows(&split.validation) + rows(&split.train),
        rows(&split.test)
    ));
    Ok(Prepared { names, split, scale, steps, source: train_file.display().to_string() })
}

/// The train and the test file, whichever of them was named.
fn pair(file: &Path) -> Result<(PathBuf, PathBuf)> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sibling = |from: &str, to: &str| file.with_file_name(name.replace(from, to));
    if name.contains("train") {
        Ok((file.to_path_buf(), sibling("train", "test")))
    } else if name.contains("test") {
        Ok((sibling("test", "train"), file.to_path_buf()))
    } else {
        let expected = "a pair of files called ..._train.csv and ..._test.csv";
        Err(DataError::malformed(file, expected, name, "give the train file or its folder"))
    }
}

/// The rows of the signal class, without their label, which stands in the first column.
fn signal(file: &Path, part: &str, steps: &mut Vec<String>) -> Result<Table> {
    let (mut all, mut kept) = (0usize, 0usize);
    let options = ReadOptions { missing: Missing::Error, ..ReadOptions::default() };
    let (table, _) = read::read(file, &options, &mut |_, row| {
        all += 1;
        let signal = row.first() == Some(&1.0);
        kept += usize::from(signal);
        Ok(signal)
    })?;
    steps.push(format!("kept {kept} of {all} {part} rows, those of the signal class, and dropped the label"));
    Ok(table.without_columns(&[0]))
}

/// Where a `mass` column tells several masses apart, only the published one stays; then the column goes.
fn keep_one_mass(table: &mut Table, part: &str, steps: &mut Vec<String>) {
    let Some(mass) = table.names.iter().position(|name| name == "mass") else { return };
    let first = table.values.get(mass).copied();
    if table.column(mass).any(|value| Some(value) != first) {
        let dropped = table.retain_rows(|row| row[mass] == MASS);
        steps.push(format!("dropped {dropped} {part} rows of other masses than {MASS}"));
    }
    *table = table.without_columns(&[mass]);
    steps.push(format!("dropped the column `mass` of the {part} rows"));
}

/// The archive's test file has a last column that its train file has not.
fn drop_surplus_column(test: Table, columns: usize, steps: &mut Vec<String>) -> Table {
    if test.columns != columns + 1 {
        return test;
    }
    let why = "because the train rows have none such";
    drop_columns(test, &[columns], why, steps)
}
