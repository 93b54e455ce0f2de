//! Find the columns that no density can be fitted to: constants, copies, and values that recur.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use crate::error::listed;
use crate::{DataError, Issue, Result, Table};

/// Applies the two column policies, and says which columns were left out.
pub(crate) fn columns(table: Table, constant: Issue, duplicates: Issue, path: &Path) -> Result<(Table, Vec<String>)> {
    let mut steps = Vec::new();
    let mut table = table;
    if constant != Issue::Keep && table.rows > 1 {
        let found = constants(&table);
        if let (Issue::Error, Some(&first)) = (constant, found.first()) {
            let (column, value) = (table.names[first].clone(), table.values[first]);
            return Err(DataError::ConstantColumn { path: path.to_path_buf(), column, value, rows: table.rows });
        }
        table = drop_columns(table, &found, "because their value never changes", &mut steps);
    }
    if duplicates != Issue::Keep && table.rows > 1 {
        let found = copies(&table);
        if let (Issue::Error, Some(&(copy, original))) = (duplicates, found.first()) {
            let (column, of) = (table.names[copy].clone(), table.names[original].clone());
            return Err(DataError::DuplicateColumn { path: path.to_path_buf(), column, of });
        }
        let found: Vec<usize> = found.into_iter().map(|(copy, _)| copy).collect();
        table = drop_columns(table, &found, "because they copy an earlier column", &mut steps);
    }
    Ok((table, steps))
}

/// Leaves out columns and says so; says nothing when there are none.
pub(crate) fn drop_columns(table: Table, drops: &[usize], why: &str, steps: &mut Vec<String>) -> Table {
    if drops.is_empty() {
        return table;
    }
    let names: Vec<String> = drops.iter().map(|&column| table.names[column].clone()).collect();
    steps.push(format!("dropped {} of {} columns {why}: {}", drops.len(), table.columns, listed(&names)));
    table.without_columns(drops)
}

/// The columns with one value only.
fn constants(table: &Table) -> Vec<usize> {
    let constant = |&column: &usize| table.column(column).all(|value| value == table.values[column]);
    (0..table.columns).filter(constant).collect()
}

/// The columns equal to an earlier one, each with the first it equals.
fn copies(table: &Table) -> Vec<(usize, usize)> {
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for column in 0..table.columns {
        let mut hasher = DefaultHasher::new();
        // Adding 0 makes one of the two zeros.
        table.column(column).for_each(|value| (value + 0.0).to_bits().hash(&mut hasher));
        let alike = seen.entry(hasher.finish()).or_default();
        match alike.iter().find(|&&earlier| table.column(earlier).eq(table.column(column))) {
            Some(&earlier) => found.push((column, earlier)),
            None => alike.push(column),
        }
    }
    found
}

/// How often the lowest value of each column occurs.
pub(crate) fn lowest_value_counts(table: &Table) -> Vec<usize> {
    let count = |column| {
        let lowest = table.column(column).fold(f64::INFINITY, f64::min);
        table.column(column).filter(|&value| value == lowest).count()
    };
    (0..table.columns).map(count).collect()
}

/// How often the most frequent value of each column occurs.
pub(crate) fn most_frequent_counts(table: &Table) -> Vec<usize> {
    let count = |column| {
        let mut values: Vec<f64> = table.column(column).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.chunk_by(|a, b| a == b).map(<[f64]>::len).max().unwrap_or(0)
    };
    (0..table.columns).map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let names = ["x", "flat", "copy"].map(String::from).to_vec();
        Table::new(names, vec![1.0, 7.0, 1.0, 2.0, 7.0, 2.0, 2.0, 7.0, 2.0]).unwrap()
    }

    #[test]
    fn constants_and_copies_are_errors_that_name_them() {
        let path = Path::new("t.csv");
        let error = columns(table(), Issue::Error, Issue::Keep, path).unwrap_err().to_string();
        assert!(
            error.starts_with("t.csv: column `flat`: expected at least two different values, got 7 in all 3 rows;")
        );
        let error = columns(table(), Issue::Keep, Issue::Error, path).unwrap_err().to_string();
        assert!(error.starts_with("t.csv: column `copy`: expected values of its own, got a copy of `x`;"), "{error}");
    }

    #[test]
    fn constants_and_copies_can_be_dropped_or_kept() {
        let path = Path::new("t.csv");
        let (left, steps) = columns(table(), Issue::Drop, Issue::Drop, path).unwrap();
        assert_eq!((left.names, left.values), (vec!["x".into()], vec![1.0, 2.0, 2.0]));
        assert_eq!(steps[0], "dropped 1 of 3 columns because their value never changes: `flat`");
        assert_eq!(steps[1], "dropped 1 of 2 columns because they copy an earlier column: `copy`");
        assert_eq!(columns(table(), Issue::Keep, Issue::Keep, path).unwrap(), (table(), vec![]));
    }

    #[test]
    fn recurring_values_are_counted_both_ways() {
        assert_eq!(lowest_value_counts(&table()), [1, 3, 1]);
        assert_eq!(most_frequent_counts(&table()), [2, 3, 2]);
    }
}
