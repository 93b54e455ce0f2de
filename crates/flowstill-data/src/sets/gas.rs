//! Prepare GAS: sixteen chemical sensors in changing mixtures of ethylene and carbon monoxide.
//!
//! The archive's frame is already a shuffled quarter of UCI's rows. From UCI's text the quarter is drawn by the configured
//! seed, so it holds other rows of the same number.

use std::path::Path;

use super::{Prepared, ends, expect_columns, locate, row_count};
use crate::clean::drop_columns;
use crate::order::{Purpose, Stream};
use crate::{ColumnScales, DataConfig, DataError, Header, Missing, ReadOptions, Result, Table, read, split};

/// No two sensors that stay agree more than this.
const LIMIT: f64 = 0.98;

/// From `ethylene_CO.pickle` of the archive or `ethylene_CO.txt` of UCI.
pub(super) fn prepare(path: &Path, config: &DataConfig) -> Result<Prepared> {
    let file = locate(path, &["ethylene_CO.pickle", "gas/ethylene_CO.pickle", "ethylene_CO.txt"])?;
    let mut steps = Vec::new();
    let table =
        if ends(&file, ".txt") { from_uci(&file, config.seed, &mut steps)? } else { from_archive(&file, &mut steps)? };
    let drops = correlated_columns(&table);
    let why = format!("until no correlation was above {LIMIT}");
    let table = drop_columns(table, &drops, &why, &mut steps);
    // The published preparation measures every row, test rows included, and divides by one less than their number.
    let scale = ColumnScales::measure(&table.values, table.columns, 1);
    steps.push("standardised by the mean and deviation of all rows".into());
    let names = table.names.clone();
    let split = split::from_the_end(table, config.validation, config.test, &mut steps);
    Ok(Prepared { names, split, scale, steps, source: file.display().to_string() })
}

/// The archive's frame: time and the two concentrations beside the sensors, in shuffled order.
fn from_archive(file: &Path, steps: &mut Vec<String>) -> Result<Table> {
    let table = read::read_data_frame(file)?;
    let aside: Vec<usize> = (0..table.columns).filter(|&column| is_no_sensor(&table.names[column])).collect();
    if aside.len() != 3 {
        let expected = "a frame with the columns Time, Meth and Eth beside the sensors";
        let remedy = "check that it is this set's file";
        return Err(DataError::malformed(file, expected, crate::error::listed(&table.names), remedy));
    }
    let table = drop_columns(table, &aside, "because they are no sensors", steps);
    if let Some(at) = table.values.iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / table.columns + 1, table.names[at % table.columns].clone());
        let got = table.values[at].to_string();
        return Err(DataError::MissingValue { path: file.to_path_buf(), row, column, got });
    }
    Ok(table)
}

/// Time and concentrations, under the names of the archive or of UCI's description.
fn is_no_sensor(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let word = name.split([' ', '_', '(']).next().unwrap_or_default();
    matches!(word, "time" | "meth" | "methane" | "eth" | "ethylene" | "co")
}

/// UCI's text: a title line, then time, carbon monoxide, ethylene and sixteen sensors, apart by blanks.
fn from_uci(file: &Path, seed: u64, steps: &mut Vec<String>) -> Result<Table> {
    let options = ReadOptions {
        header: Header::No,
        delimiter: Some(' '),
        skip_lines: 1,
        missing: Missing::DropRows,
        ..ReadOptions::default()
    };
    let (mut table, read) = read::read(file, &options, &mut |_, _| Ok(true))?;
    expect_columns(&table, file, 19, "time, two concentrations, sixteen sensors")?;
    steps.extend(read);
    table.names = ["Time", "CO", "Ethylene"]
        .map(String::from)
        .into_iter()
        .chain((1..=16).map(|n| format!("sensor{n}")))
        .collect();
    table = drop_columns(table, &[0, 1, 2], "because they are no sensors", steps);
    row_count(&table)?;
    let rows = table.rows;
    let mut order = Stream::new(seed, Purpose::Sample, 0).permutation(rows);
    order.truncate(quarter(rows));
    table.reorder(&order);
    steps.push(format!("drew a shuffled quarter by seed {seed}: {} of {rows} rows", table.rows));
    Ok(table)
}

/// A quarter, rounded to the nearest number, halves to the even one, as pandas samples.
fn quarter(rows: usize) -> usize {
    (rows as f64 * 0.25).round_ties_even() as usize
}

/// The columns to leave out, first to last, until no two of the rest agree by more than [`LIMIT`].
fn correlated_columns(table: &Table) -> Vec<usize> {
    let mut centred = table.values.clone();
    let width = table.columns;
    // Unit variance makes a correlation a plain mean of products.
    if ColumnScales::measure(&table.values, width, 0).apply(&mut centred).is_err() {
        return Vec::new();
    }
    let mut agree = vec![0.0; width * width];
    for row in centred.chunks_exact(width.max(1)) {
        for (i, a) in row.iter().enumerate() {
            for (j, b) in row.iter().enumerate().skip(i + 1) {
                agree[i * width + j] += a * b / table.rows as f64;
            }
        }
    }
    let mut left: Vec<usize> = (0..width).collect();
    let mut drops = Vec::new();
    let related = |i: usize, j: usize| agree[i.min(j) * width + i.max(j)] > LIMIT;
    while let Some(at) = left.iter().position(|&i| left.iter().any(|&j| i != j && related(i, j))) {
        drops.push(left.remove(at));
    }
    drops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_agreeing_columns_the_last_stays() {
        let names = ["a", "b", "c", "d"].map(String::from).to_vec();
        let values = (0..100).flat_map(|i| {
            let (x, y) = (f64::from(i), f64::from(i * 37 % 101));
            [x, y, 2.0 * x + 1.0, -x]
        });
        let table = Table::new(names, values.collect()).unwrap();
        // `a` and `c` agree; `d` disagrees with both, which is no reason to drop it.
        assert_eq!(correlated_columns(&table), [0]);
    }

    #[test]
    fn the_published_number_of_rows_is_a_quarter_of_ucis() {
        assert_eq!(quarter(4_208_261), 1_052_065);
        assert!(is_no_sensor("Time (seconds)") && is_no_sensor("CO conc (ppm)") && !is_no_sensor("Col1"));
    }
}
