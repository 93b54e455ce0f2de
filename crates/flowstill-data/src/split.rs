//! Cut a table into train, validation and test rows.

use crate::Table;

/// The three parts, each row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Partition {
    pub train: Vec<f64>,
    pub validation: Vec<f64>,
    pub test: Vec<f64>,
}

/// Cuts the last rows off for the test, then the last of the rest for validation: the published sets' way. Parts are
/// rounded down.
pub(crate) fn from_the_end(table: Table, validation: f64, test: f64, steps: &mut Vec<String>) -> Partition {
    let columns = table.columns;
    let mut train = table.values;
    let mut cut = |part: f64| {
        let rows = train.len() / columns.max(1);
        let taken = ((rows as f64 * part) as usize).min(rows);
        train.split_off((rows - taken) * columns)
    };
    let test = cut(test);
    let validation = cut(validation);
    let rows = |values: &[f64]| values.len() / columns.max(1);
    steps.push(format!(
        "split into {} train, {} validation and {} test rows",
        rows(&train),
        rows(&validation),
        rows(&test)
    ));
    Partition { train, validation, test }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rows_test_and_the_ones_before_validate() {
        let table = Table::new(vec!["x".into()], (0..105).map(f64::from).collect()).unwrap();
        let mut steps = Vec::new();
        let split = from_the_end(table, 0.1, 0.1, &mut steps);
        assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (86, 9, 10));
        assert_eq!((split.train[85], split.validation[0], split.test[0]), (85.0, 86.0, 95.0));
        assert_eq!(steps, ["split into 86 train, 9 validation and 10 test rows"]);
    }

    #[test]
    fn the_published_counts_come_out() {
        // Rows in all, then train, validation and test of POWER, GAS and MINIBOONE.
        for (rows, expected) in [
            (2_049_280, (1_659_917, 184_435, 204_928)),
            (1_052_065, (852_174, 94_685, 105_206)),
            (36_488, (29_556, 3_284, 3_648)),
        ] {
            let table = Table::new(vec!["x".into()], vec![0.0; rows]).unwrap();
            let split = from_the_end(table, 0.1, 0.1, &mut Vec::new());
            assert_eq!((split.train.len(), split.validation.len(), split.test.len()), expected);
        }
    }
}
