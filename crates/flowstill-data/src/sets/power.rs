//! Prepare POWER: a household's electricity, minute by minute.
//!
//! Rows are shuffled and noise is drawn as the published preparation does it, by NumPy's `RandomState` seeded with the
//! configured seed: from the archive's array the default seed, 42, gives the published split and noise. UCI's text gives
//! them only as far as the archive kept its rows in UCI's order.

use std::path::Path;

use super::{Measure, Prepared, ends, expect_columns, locate, row_count};
use crate::clean::drop_columns;
use crate::numpy::RandomState;
use crate::{DataConfig, Header, Missing, ReadOptions, Result, Table, read, split};

/// The measurements in the archive's order, the time of day last.
const COLUMNS: [&str; 8] = [
    "Global_active_power",
    "Global_reactive_power",
    "Voltage",
    "Global_intensity",
    "Sub_metering_1",
    "Sub_metering_2",
    "Sub_metering_3",
    "Time",
];

/// From `data.npy` of the archive or `household_power_consumption.txt` of UCI.
pub(super) fn prepare(path: &Path, config: &DataConfig) -> Result<Prepared> {
    let file = locate(path, &["data.npy", "power/data.npy", "household_power_consumption.txt"])?;
    let (table, steps) = if ends(&file, ".npy") { from_archive(&file)? } else { from_uci(&file)? };
    finish(drop_dependent_columns(table, steps), config, file.display().to_string())
}

/// The archive's array has the eight columns without names.
fn from_archive(file: &Path) -> Result<(Table, Vec<String>)> {
    let (mut table, steps) = read::read(file, &ReadOptions::default(), &mut |_, _| Ok(true))?;
    expect_columns(&table, file, 8, "seven measurements and the time of day")?;
    table.names = COLUMNS.map(String::from).to_vec();
    Ok((table, steps))
}

/// UCI's text has `?` or nothing where the meter failed, and the time as `HH:MM:SS`.
fn from_uci(file: &Path) -> Result<(Table, Vec<String>)> {
    let options = ReadOptions {
        columns: Some(COLUMNS.map(String::from).to_vec()),
        header: Header::Yes,
        delimiter: Some(';'),
        missing: Missing::DropRows,
        clock_columns: vec!["Time".into()],
        ..ReadOptions::default()
    };
    let (table, mut steps) = read::read(file, &options, &mut |_, _| Ok(true))?;
    steps.push("turned the time of day into minutes since midnight".into());
    Ok((table, steps))
}

/// Reactive power and intensity follow from the others.
fn drop_dependent_columns(table: Table, mut steps: Vec<String>) -> (Table, Vec<String>) {
    let table = drop_columns(table, &[1, 3], "because they depend on the others", &mut steps);
    (table, steps)
}

/// Shuffles, adds noise, splits and measures the six columns.
pub(super) fn finish(
    (mut table, mut steps): (Table, Vec<String>),
    config: &DataConfig,
    source: String,
) -> Result<Prepared> {
    let mut random = RandomState::new(config.seed);
    let order = random.shuffle(row_count(&table)?);
    table.reorder(&order);
    steps.push(format!("shuffled {} rows by seed {}", table.rows, config.seed));
    add_noise(&mut table, &mut random);
    steps.push("added uniform noise as wide as the meter's steps: 0.001 kW, 0.01 V, 1 Wh; none to the time".into());
    let (names, columns) = (table.names.clone(), table.columns);
    let split = split::from_the_end(table, config.validation, config.test, &mut steps);
    let scale = Measure::TrainAndValidation.scale(&split, columns, &mut steps);
    Ok(Prepared { names, split, scale, steps, source })
}

/// Adds the noise in the published order: voltage, active power, then the three sub-meters row by row. The time has none.
fn add_noise(table: &mut Table, random: &mut RandomState) {
    for (columns, width) in [(1..2, 0.01), (0..1, 0.001), (2..5, 1.0)] {
        for row in table.values.chunks_exact_mut(COLUMNS.len() - 2) {
            row[columns.clone()].iter_mut().for_each(|value| *value += width * random.rand());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_stays_within_the_meters_steps_and_off_the_time() {
        let names = ["p", "v", "a", "b", "c", "t"].map(String::from).to_vec();
        let mut table = Table::new(names, vec![0.0; 6 * 1000]).unwrap();
        add_noise(&mut table, &mut RandomState::new(1));
        for (column, width) in [0.001, 0.01, 1.0, 1.0, 1.0, 0.0].into_iter().enumerate() {
            let values: Vec<f64> = table.column(column).collect();
            assert!(values.iter().all(|value| (0.0..=width).contains(value)));
            let mean = values.iter().sum::<f64>() / 1000.0;
            assert!((mean - width / 2.0).abs() <= width * 0.05, "column {column}: {mean}");
        }
    }
}
