//! Find a flow's columns in a user's table.

use super::Prepared;
use crate::words::first_names;
use crate::{Error, Result};
use flowstill::model::Model;
use flowstill_data::{DataConfig, DataError, ReadOptions, Table, stream};
use std::path::Path;
use std::sync::mpsc::sync_channel;

/// Raw rows of a flow's columns, row-major, with the conditioning ones beside.
#[derive(Default)]
pub struct RawRows {
    /// The values.
    pub values: Vec<f64>,
    /// The conditioning values.
    pub context: Vec<f64>,
}

/// Rows of a part of a table, where every part has about a million values.
fn part_rows(columns: usize) -> usize {
    ((1 << 20) / columns.max(1)).clamp(1, 1 << 16)
}

/// Read the columns that a flow wants from a table, by name where the table has the names, else in order, part by part: `take` has one part while
/// the next is being read. A fault ends both.
///
/// # Errors
/// When the table has neither the names nor the number of columns, and whatever `take` says.
pub fn stream_rows<E: From<Error>>(
    model: &Model,
    path: &Path,
    take: &mut dyn FnMut(RawRows) -> Result<(), E>,
) -> Result<(), E> {
    let (columns, width) = (model.columns(), model.context_columns());
    let wanted: Vec<String> = model.facts.columns.iter().chain(&model.facts.context_columns).cloned().collect();
    let rows = part_rows(columns + width);
    std::thread::scope(|scope| {
        let (send, parts) = sync_channel(1);
        let reader = scope.spawn(move || {
            let mut part = RawRows::default();
            // Nobody takes parts any more: whoever did has failed, and tells why.
            let gone = || DataError::Shape { expected: "rows".into(), got: "none".into() };
            each_row(path, &wanted, columns + width, &mut |row| {
                part.values.extend_from_slice(&row[..columns]);
                part.context.extend_from_slice(&row[columns..]);
                match part.values.len() >= rows * columns {
                    true => send.send(std::mem::take(&mut part)).map_err(|_| gone()),
                    false => Ok(()),
                }
            })?;
            if !part.values.is_empty() {
                // As above.
                let _ = send.send(part);
            }
            Ok(())
        });
        let taken = parts.iter().try_for_each(take);
        drop(parts);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and(read.map_err(E::from))
    })
}

/// Read the columns that a flow wants from a table, whole.
///
/// # Errors
/// As [`stream_rows`].
pub fn read_rows(model: &Model, path: &Path) -> Result<RawRows> {
    let mut raw = RawRows::default();
    stream_rows::<Error>(model, path, &mut |part| {
        raw.values.extend_from_slice(&part.values);
        raw.context.extend_from_slice(&part.context);
        Ok(())
    })?;
    Ok(raw)
}

/// Read the conditioning columns that a flow wants.
///
/// # Errors
/// As [`stream_rows`].
pub fn read_context(model: &Model, path: &Path) -> Result<RawRows> {
    let mut raw = RawRows::default();
    each_row(path, &model.facts.context_columns, model.context_columns(), &mut |row| {
        raw.context.extend_from_slice(row);
        Ok(())
    })?;
    Ok(raw)
}

fn each_row(
    path: &Path,
    wanted: &[String],
    count: usize,
    visit: &mut dyn FnMut(&[f64]) -> flowstill_data::Result<()>,
) -> Result<()> {
    // A flow whose columns were never named takes them in order.
    let named = wanted.len() == count && Table::are_names(wanted);
    let names = if named { format!(" ({})", wanted.join(", ")) } else { String::new() };
    let mut lost = None;
    if wanted.len() == count {
        let options = ReadOptions { columns: Some(wanted.to_vec()), ..ReadOptions::default() };
        match stream(path, &options, &mut |_, row| visit(row)) {
            // Before any row.
            Err(DataError::NoSuchColumn { column, have, .. }) => lost = Some((column, have)),
            other => return other.map(drop).map_err(unreadable),
        }
    }
    let fit = |have: &[String]| have.len() == count && !(named && Table::are_names(have));
    let mut visit = |have: &[String], row: &[f64]| if fit(have) { visit(row) } else { Ok(()) };
    let have = match (stream(path, &ReadOptions::default(), &mut visit), lost) {
        (Ok((have, _)), _) => have,
        // That a name is missing says more than a hole or text in a column that nobody asked for.
        (
            Err(DataError::NotANumber { column: read, .. } | DataError::MissingValue { column: read, .. }),
            Some((column, have)),
        ) if named && !is_number(&read) => {
            return Err(Error::input(format!(
                "{}: expected the flow's {count} columns{names} by name, got no `{column}` but {have}; rename the columns",
                path.display()
            )));
        }
        (Err(error), _) => return Err(unreadable(error)),
    };
    if named && Table::are_names(&have) {
        return Err(Error::input(format!(
            "{}: expected the flow's {count} columns{names} by name, got columns ({}); rename them, or leave all names out to have the columns \
             taken in order",
            path.display(),
            first_names(&have, 8)
        )));
    }
    if have.len() == count {
        return Ok(());
    }
    Err(Error::input(format!(
        "{}: expected the flow's {count} columns{names} by name or in order, got {} columns; name them, or leave the others out",
        path.display(),
        have.len()
    )))
}

/// Whether a column is called by its number, `c1` and so on.
fn is_number(column: &str) -> bool {
    column.strip_prefix('c').is_some_and(|number| number.parse::<usize>().is_ok())
}

/// What is wrong with a table, without the remedies that only a recipe has.
fn unreadable(error: DataError) -> Error {
    let at = |path: &Path, row: usize, column: &str| format!("{}: row {row}, column `{column}`", path.display());
    match &error {
        DataError::MissingValue { path, row, column, got } => Error::input(format!(
            "{}: expected a finite number, got {got}; drop the row, or fill the value",
            at(path, *row, column)
        )),
        DataError::NotANumber { path, row, column, got } => Error::input(format!(
            "{}: expected a number, got `{got}`; encode the column as the flow's training data had it",
            at(path, *row, column)
        )),
        DataError::RaggedRow { path, row, expected, got } => {
            Error::input(format!("{}: row {row}: expected {expected} fields, got {got}; mend the row", path.display()))
        }
        _ => error.into(),
    }
}

impl Prepared {
    /// Load a table for a flow, in the flow's units.
    ///
    /// # Errors
    /// When its columns do not fit the flow.
    pub fn from_table_for(model: &Model, config: &DataConfig) -> Result<Self> {
        let data = Self::from_table_by(config, Some(model))?;
        data.check_names(model)?;
        data.in_units_of(&model.standardization).map_err(|error| error.within("data"))
    }

    /// Refuse a data set whose columns are not the flow's, where both have names.
    ///
    /// # Errors
    /// When they differ, or stand in another order.
    pub(crate) fn check_names(&self, model: &Model) -> Result<()> {
        // The columns of a named set are what its preparation makes of any of its files.
        if self.split.set != "table" {
            return Ok(());
        }
        let pairs = [
            ("columns", &model.facts.columns, &self.names),
            ("context_columns", &model.facts.context_columns, &self.context_names),
        ];
        for (key, theirs, ours) in pairs {
            let comparable = theirs.len() == ours.len() && Table::are_names(theirs) && Table::are_names(ours);
            if comparable && theirs != ours {
                return Err(Error::input(format!(
                    "{}: expected the flow's columns ({}) in this order, got ({}); choose them with {key} = {theirs:?}, or rename them",
                    self.source,
                    first_names(theirs, 8),
                    first_names(ours, 8)
                )));
            }
        }
        Ok(())
    }
}
