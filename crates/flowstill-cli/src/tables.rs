//! Find a flow's columns in a user's table, and describe tables on the command line.

use crate::convert;
use crate::failure::{Failure, Outcome};
use crate::overrides::Override;
use crate::source::Source;
use flowstill::model::Model;
use flowstill_data::{DataConfig, ReadOptions, Table};
use std::path::Path;

/// Raw rows of a flow's columns, row-major, with the conditioning ones beside.
pub struct RawRows {
    /// The values.
    pub values: Vec<f64>,
    /// The conditioning values.
    pub context: Vec<f64>,
    /// How many rows.
    pub rows: usize,
}

/// Read the columns that a flow wants from a table: by name where the table has the names, else in order.
///
/// # Errors
/// When the table has neither the names nor the number of columns.
pub fn read_for(model: &Model, path: &Path) -> Outcome<RawRows> {
    let (columns, width) = (model.columns(), model.context_columns());
    let wanted: Vec<String> = model.facts.columns.iter().chain(&model.facts.context_columns).cloned().collect();
    let table = read(path, &wanted, columns + width)?;
    let mut raw = RawRows { values: Vec::new(), context: Vec::new(), rows: table.rows };
    for row in table.values.chunks_exact(columns + width) {
        raw.values.extend_from_slice(&row[..columns]);
        raw.context.extend_from_slice(&row[columns..]);
    }
    Ok(raw)
}

/// Read the conditioning columns that a flow wants.
///
/// # Errors
/// As [`read_for`].
pub fn read_context(model: &Model, path: &Path) -> Outcome<RawRows> {
    let table = read(path, &model.facts.context_columns, model.context_columns())?;
    Ok(RawRows { values: Vec::new(), rows: table.rows, context: table.values })
}

fn read(path: &Path, wanted: &[String], count: usize) -> Outcome<Table> {
    let named = wanted.len() == count;
    if named {
        let options = ReadOptions { columns: Some(wanted.to_vec()), ..ReadOptions::default() };
        match Table::read(path, &options) {
            Err(flowstill_data::DataError::NoSuchColumn { .. }) => {}
            other => return Ok(other?),
        }
    }
    let table = Table::read(path, &ReadOptions::default())?;
    if table.columns == count {
        return Ok(table);
    }
    let names = if named { format!(" ({})", wanted.join(", ")) } else { String::new() };
    Err(Failure::input(format!(
        "{}: expected the flow's {count} columns{names} by name or in order, got {} columns; name them, or leave the others out",
        path.display(),
        table.columns
    )))
}

/// Read `set=NAME,KEY=VALUE...` as the `[data]` of a recipe, or a path as a table of one's own.
///
/// # Errors
/// Unknown keys with the nearest known one.
pub fn data_config(text: &str) -> Outcome<DataConfig> {
    let mut sets = Vec::new();
    if text.starts_with("set=") {
        for part in text.split(',') {
            sets.push(part.parse::<Override>().map_err(|message| Failure::input(format!("--data {text}: {message}")))?);
        }
    } else {
        sets.push(Override::new(&["set"], "table"));
        sets.push(Override::new(&["path"], text));
    }
    let source = Source::option("--data", sets);
    let table = source.table()?;
    source.read(&[], table)
}

/// Load a data set for a flow, in the flow's units.
///
/// # Errors
/// When its columns do not fit the flow.
pub fn load_for(model: &Model, config: &DataConfig) -> Outcome<convert::Prepared> {
    convert::load(config)?.in_units_of(&model.standardization).map_err(|failure| failure.within("data"))
}
