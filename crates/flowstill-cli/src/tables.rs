//! Find a flow's columns in a user's table, and describe tables on the command line.

use crate::convert;
use crate::failure::{Failure, Outcome};
use crate::overrides::Override;
use crate::source::Source;
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
pub fn each_part(model: &Model, path: &Path, take: &mut dyn FnMut(RawRows) -> Outcome<()>) -> Outcome<()> {
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
        taken.and(read)
    })
}

/// Read the columns that a flow wants from a table, whole.
///
/// # Errors
/// As [`each_part`].
pub fn read_for(model: &Model, path: &Path) -> Outcome<RawRows> {
    let mut raw = RawRows::default();
    each_part(model, path, &mut |part| {
        raw.values.extend_from_slice(&part.values);
        raw.context.extend_from_slice(&part.context);
        Ok(())
    })?;
    Ok(raw)
}

/// Read the conditioning columns that a flow wants.
///
/// # Errors
/// As [`each_part`].
pub fn read_context(model: &Model, path: &Path) -> Outcome<RawRows> {
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
) -> Outcome<()> {
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
            return Err(Failure::input(format!(
                "{}: expected the flow's {count} columns{names} by name, got no `{column}` but {have}; rename the columns",
                path.display()
            )));
        }
        (Err(error), _) => return Err(unreadable(error)),
    };
    if named && Table::are_names(&have) {
        return Err(Failure::input(format!(
            "{}: expected the flow's {count} columns{names} by name, got columns ({}); rename them, or leave all names out to have the columns \
             taken in order",
            path.display(),
            short(&have)
        )));
    }
    if have.len() == count {
        return Ok(());
    }
    Err(Failure::input(format!(
        "{}: expected the flow's {count} columns{names} by name or in order, got {} columns; name them, or leave the others out",
        path.display(),
        have.len()
    )))
}

/// Whether a column is called by its number, `c1` and so on.
fn is_number(column: &str) -> bool {
    column.strip_prefix('c').is_some_and(|number| number.parse::<usize>().is_ok())
}

/// The first names of a list, and how many more there are.
fn short(names: &[String]) -> String {
    let more = names.len().saturating_sub(8);
    let tail = if more > 0 { format!(", and {more} more") } else { String::new() };
    names[..names.len() - more].join(", ") + &tail
}

/// What is wrong with a table, without the remedies that only a recipe has.
fn unreadable(error: DataError) -> Failure {
    let at = |path: &Path, row: usize, column: &str| format!("{}: row {row}, column `{column}`", path.display());
    match &error {
        DataError::MissingValue { path, row, column, got } => Failure::input(format!(
            "{}: expected a finite number, got {got}; drop the row, or fill the value",
            at(path, *row, column)
        )),
        DataError::NotANumber { path, row, column, got } => Failure::input(format!(
            "{}: expected a number, got `{got}`; encode the column as the flow's training data had it",
            at(path, *row, column)
        )),
        DataError::RaggedRow { path, row, expected, got } => Failure::input(format!(
            "{}: row {row}: expected {expected} fields, got {got}; mend the row",
            path.display()
        )),
        _ => error.into(),
    }
}

/// Refuse a data set whose columns are not the flow's, where both have names.
///
/// # Errors
/// When they differ, or stand in another order.
pub fn check_names(model: &Model, data: &convert::Prepared) -> Outcome<()> {
    // The columns of a named set are what its preparation makes of any of its files.
    if data.split.set != "table" {
        return Ok(());
    }
    let pairs = [
        ("columns", &model.facts.columns, &data.names),
        ("context_columns", &model.facts.context_columns, &data.context_names),
    ];
    for (key, theirs, ours) in pairs {
        let comparable = theirs.len() == ours.len() && Table::are_names(theirs) && Table::are_names(ours);
        if comparable && theirs != ours {
            return Err(Failure::input(format!(
                "{}: expected the flow's columns ({}) in this order, got ({}); choose them with {key} = {theirs:?}, or rename them",
                data.source,
                short(theirs),
                short(ours)
            )));
        }
    }
    Ok(())
}

/// Read `set=NAME,KEY=VALUE...` as the `[data]` of a recipe, or a path as a table of one's own.
///
/// # Errors
/// Unknown keys with the nearest known one.
pub fn data_config(text: &str) -> Outcome<DataConfig> {
    let (source, table) = typed(text)?;
    source.read(&[], table)
}

/// The same as a table of TOML, whatever set it names.
///
/// # Errors
/// What is no `KEY=VALUE`.
pub fn typed(text: &str) -> Outcome<(Source, toml::Table)> {
    let mut sets = Vec::new();
    if text.starts_with("set=") {
        for part in parts(text) {
            sets.push(part.parse::<Override>().map_err(|message| Failure::input(format!("--data {text}: {message}")))?);
        }
    } else {
        sets.push(Override::new(&["set"], "table"));
        sets.push(Override::new(&["path"], text));
    }
    let source = Source::option("--data", sets);
    let table = source.table()?;
    Ok((source, table))
}

/// The text between commas that stand outside brackets and quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut out, mut start, mut depth, mut quote, mut before) = (Vec::new(), 0, 0_usize, None, ' ');
    for (at, c) in text.char_indices() {
        // Only where a value begins or a list is open: a path may hold any of these.
        let opens = depth > 0 || before == '=';
        match (c, quote) {
            (_, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) if opens => quote = Some(c),
            ('[' | '{', None) if opens => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    out.push(&text[start..]);
    out
}

/// Load a data set for a flow, in the flow's units.
///
/// # Errors
/// When its columns do not fit the flow.
pub fn load_for(model: &Model, config: &DataConfig) -> Outcome<convert::Prepared> {
    let data = convert::load(config)?;
    check_names(model, &data)?;
    data.in_units_of(&model.standardization).map_err(|failure| failure.within("data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_quoted_text_keep_their_commas() {
        assert_eq!(parts("set=table,path=a.csv,seed=1"), ["set=table", "path=a.csv", "seed=1"]);
        assert_eq!(
            parts("set=table,columns=[\"a\", \"b,]\"],seed=1"),
            ["set=table", "columns=[\"a\", \"b,]\"]", "seed=1"]
        );
        assert_eq!(parts("path='it, too',x=]"), ["path='it, too'", "x=]"]);
        let config = data_config("set=table,path=t.csv,columns=[\"a\",\"b\"],test=0.2").unwrap();
        assert_eq!((config.columns, config.test), (Some(vec!["a".to_string(), "b".into()]), 0.2));
        // An apostrophe in a path is no quote.
        assert_eq!(data_config("set=table,path=it's.csv,seed=3").unwrap().seed, 3);
    }
}
