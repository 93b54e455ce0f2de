//! Gather the wanted columns of the wanted rows, whatever format they come from.

use std::collections::HashMap;
use std::path::Path;

use crate::error::listed;
use crate::{DataError, Missing, ReadOptions, Result, Table};

/// A row filter: sees the names of the selected columns, and a complete row of them. An error ends the reading.
pub(crate) type Keep<'a> = &'a mut dyn FnMut(&[String], &[f64]) -> Result<bool>;

/// A table in the making.
pub(crate) struct RowGatherer<'a> {
    /// Where in the file's columns each wanted column stands.
    pub picks: Vec<usize>,
    path: &'a Path,
    names: Vec<String>,
    values: Vec<f64>,
    missing: Missing,
    keep: Keep<'a>,
    seen: usize,
    incomplete: usize,
}

impl<'a> RowGatherer<'a> {
    /// Finds the wanted columns among those the file has.
    pub fn new(path: &'a Path, options: &ReadOptions, keep: Keep<'a>, have: &[String]) -> Result<Self> {
        let picks = match &options.columns {
            None => (0..have.len()).collect(),
            Some(wanted) => {
                // The first of equal names; by a map, for both lists may be long.
                let places: HashMap<&str, usize> =
                    have.iter().enumerate().rev().map(|(at, name)| (&name[..], at)).collect();
                let place = |name: &String| places.get(&name[..]).map_or_else(|| find(path, have, name), |&at| Ok(at));
                wanted.iter().map(place).collect::<Result<Vec<_>>>()?
            }
        };
        if picks.is_empty() {
            return Err(DataError::malformed(path, "at least one column", "none", "select a column that the file has"));
        }
        let names = picks.iter().map(|&pick| have[pick].clone()).collect();
        let missing = options.missing;
        Ok(Self { picks, path, names, values: Vec::new(), missing, keep, seen: 0, incomplete: 0 })
    }

    /// The name of the `index`th wanted column.
    pub fn name(&self, index: usize) -> String {
        self.names[index].clone()
    }

    /// Takes one row of the wanted columns; `place` is what an error calls it.
    pub fn push(&mut self, place: usize, row: &[f64]) -> Result<()> {
        self.seen += 1;
        if let Some(hole) = row.iter().position(|value| !value.is_finite()) {
            if self.missing == Missing::DropRows {
                self.incomplete += 1;
                return Ok(());
            }
            let got = if row[hole].is_nan() { "a missing value".to_string() } else { row[hole].to_string() };
            let column = self.name(hole);
            return Err(DataError::MissingValue { path: self.path.to_path_buf(), row: place, column, got });
        }
        if (self.keep)(&self.names, row)? {
            self.values.extend_from_slice(row);
        }
        Ok(())
    }

    /// The names of the columns, and how many complete rows were seen, whether any was kept or not.
    pub fn end(self) -> Result<(Vec<String>, usize)> {
        match self.seen - self.incomplete {
            0 => Err(none(self.path, self.seen, self.incomplete)),
            rows => Ok((self.names, rows)),
        }
    }

    /// The table, and what was left out.
    pub fn finish(self) -> Result<(Table, Vec<String>)> {
        let table = Table::new(self.names, self.values)?;
        if table.rows == 0 {
            return Err(none(self.path, self.seen, self.incomplete));
        }
        let mut steps = Vec::new();
        if self.incomplete > 0 {
            steps.push(format!("dropped {} of {} rows with missing values", self.incomplete, self.seen));
        }
        Ok((table, steps))
    }
}

fn none(path: &Path, seen: usize, incomplete: usize) -> DataError {
    let remedy = format!("of {seen} rows {incomplete} had missing values: check the file");
    DataError::TooFewRows { path: path.to_path_buf(), expected: 1, got: 0, remedy }
}

/// Where the column called `name` stands.
pub(crate) fn find(path: &Path, have: &[String], name: &str) -> Result<usize> {
    have.iter().position(|candidate| candidate == name).ok_or_else(|| DataError::NoSuchColumn {
        path: path.to_path_buf(),
        column: name.to_string(),
        have: listed(have),
    })
}
