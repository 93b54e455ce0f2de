//! Prepare MINIBOONE: signals of electron neutrinos.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::{Measure, Prepared, ends, expect_columns, locate, recurring_columns};
use crate::clean::drop_columns;
use crate::{DataConfig, DataError, Header, ReadOptions, Result, Table, read, split};

/// From `data.npy` of the archive, prepared already, or `MiniBooNE_PID.txt` of UCI.
pub(super) fn prepare(path: &Path, config: &DataConfig) -> Result<Prepared> {
    let file = locate(path, &["data.npy", "miniboone/data.npy", "MiniBooNE_PID.txt"])?;
    let mut steps = Vec::new();
    let table = if ends(&file, ".npy") {
        let (table, _) = read::read(&file, &ReadOptions::default(), &mut |_, _| Ok(true))?;
        expect_columns(&table, &file, 43, "the archive's selection")?;
        table
    } else {
        let mut table = signal(&file, &mut steps)?;
        drop_outliers(&mut table, &mut steps);
        let drops = recurring_columns(&table, config.recurring);
        drop_columns(table, &drops, "because a value recurs more than 5 times", &mut steps)
    };
    let (names, columns) = (table.names.clone(), table.columns);
    let split = split::from_the_end(table, config.validation, config.test, &mut steps);
    let scale = Measure::TrainAndValidation.scale(&split, columns, &mut steps);
    Ok(Prepared { names, split, scale, steps, source: file.display().to_string() })
}

/// The signal rows: the first line says how many there are, and they come first.
fn signal(file: &Path, steps: &mut Vec<String>) -> Result<Table> {
    let mut line = String::new();
    let opened = File::open(file).map_err(DataError::io(file, "read"))?;
    let read = BufReader::new(opened.take(200)).read_line(&mut line);
    let wrong = || {
        let remedy = "use UCI's file as it is";
        DataError::malformed(file, "a first line with two counts, signal and background", line.trim(), remedy)
    };
    read.map_err(|_| DataError::malformed(file, "text", "other bytes", "use UCI's file as it is"))?;
    let counts: Vec<usize> = line.split_whitespace().map_while(|count| count.parse().ok()).collect();
    let [signal, background] = counts[..] else { return Err(wrong()) };
    let options = ReadOptions { header: Header::No, delimiter: Some(' '), skip_lines: 1, ..ReadOptions::default() };
    let mut seen = 0usize;
    let (table, _) = read::read(file, &options, &mut |_, _| {
        seen += 1;
        Ok(seen <= signal)
    })?;
    expect_columns(&table, file, 50, "UCI's measurements")?;
    if signal.checked_add(background) != Some(seen) {
        let expected = format!("{signal} + {background} rows, as its first line says");
        return Err(DataError::malformed(file, expected, format!("{seen}"), "fetch the file again"));
    }
    steps.push(format!("kept {signal} of {seen} rows, those of the signal class"));
    Ok(table)
}

/// A few failed measurements are marked by -999.
fn drop_outliers(table: &mut Table, steps: &mut Vec<String>) {
    let dropped = table.retain_rows(|row| row[0] >= -100.0);
    steps.push(format!("dropped {dropped} rows whose first column is below -100"));
}
