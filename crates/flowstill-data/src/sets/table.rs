//! Prepare any table of the user's own.

use std::path::Path;

use super::{Measure, Prepared, row_count};
use crate::order::{Purpose, Stream};
use crate::{DataConfig, ReadOptions, Result, read, split};

pub(super) fn prepare(path: &Path, config: &DataConfig) -> Result<Prepared> {
    let with_context = |columns: &Vec<String>| {
        let mut columns = columns.clone();
        columns
            .extend(config.context_columns.iter().filter(|name| !columns.contains(name)).cloned().collect::<Vec<_>>());
        columns
    };
    let options = ReadOptions {
        columns: config.columns.as_ref().map(with_context),
        exclude: config.exclude.clone(),
        delimiter: config.delimiter,
        header: config.header,
        dataset: config.dataset.clone(),
        missing: config.missing,
        constant: config.constant,
        duplicates: config.duplicates,
        ..ReadOptions::default()
    };
    let (mut table, mut steps) = read::read(path, &options, &mut |_, _| Ok(true))?;
    row_count(&table)?;
    let order = Stream::new(config.seed, Purpose::Split, 0).permutation(table.rows);
    table.reorder(&order);
    steps.push(format!("shuffled {} rows by seed {}", table.rows, config.seed));
    let (names, columns) = (table.names.clone(), table.columns);
    let split = split::from_the_end(table, config.validation, config.test, &mut steps);
    let scale = Measure::Train.scale(&split, columns, &mut steps);
    Ok(Prepared { names, split, scale, steps, source: path.display().to_string() })
}
