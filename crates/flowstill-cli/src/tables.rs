//! Find a flow's columns in a user's table, and describe tables on the command line.

use crate::convert;
use crate::failure::{Failure, Outcome};
use crate::overrides::Override;
use crate::source::Source;
use flowstill::model::Model;
use flowstill_data::{DataConfig, DataError, ReadOptions, Table};
use std::path::Path;

/// Raw rows of a flow's columns, row-major, with the conditioning ones beside.
pub struct RawRows {
    /// The values.
    pub values: Vec<f64>,
    /// The conditioning values.
    pub context: Vec<f64>,
}

/// Read the columns that a flow wants from a table: by name where the table has the names, else in order.
///
/// # Errors
/// When the table has neither the names nor the number of columns.
pub fn read_for(model: &Model, path: &Path) -> Outcome<RawRows> {
    let (columns, width) = (model.columns(), model.context_columns());
    let wanted: Vec<String> = model.facts.columns.iter().chain(&model.facts.context_columns).cloned().collect();
    let table = read(path, &wanted, columns + width)?;
    let mut raw = RawRows { values: Vec::new(), context: Vec::new() };
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
    Ok(RawRows { values: Vec::new(), context: table.values })
}

fn read(path: &Path, wanted: &[String], count: usize) -> Outcome<Table> {
    // A flow whose columns were never named takes them in order.
    let named = wanted.len() == count && Table::are_names(wanted);
    let names = if named { format!(" ({})", wanted.join(", ")) } else { String::new() };
    let mut lost = None;
    if wanted.len() == count {
        let options = ReadOptions { columns: Some(wanted.to_vec()), ..ReadOptions::default() };
        match Table::read(path, &options) {
            Err(DataError::NoSuchColumn { column, have, .. }) => lost = Some((column, have)),
            other => return other.map_err(unreadable),
        }
    }
    let table = match (Table::read(path, &ReadOptions::default()), lost) {
        (Ok(table), _) => table,
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
    if named && table.has_names() {
        return Err(Failure::input(format!(
            "{}: expected the flow's {count} columns{names} by name, got columns ({}); rename them, or leave all names out to have the columns \
             taken in order",
            path.display(),
            short(&table.names)
        )));
    }
    if table.columns == count {
        return Ok(table);
    }
    Err(Failure::input(format!(
        "{}: expected the flow's {count} columns{names} by name or in order, got {} columns; name them, or leave the others out",
        path.display(),
        table.columns
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
