//! Prepare BSDS300: 8x8 grey patches of photographs, as published, split and all.

use std::path::Path;

use super::{Prepared, expect_columns, locate};
use crate::split::Partition;
use crate::{ColumnScales, DataError, Result, read};

/// From `BSDS300.hdf5`. The patches are centred and scaled already and are not standardised again.
pub(super) fn prepare(path: &Path) -> Result<Prepared> {
    let file = locate(path, &["BSDS300.hdf5", "BSDS300/BSDS300.hdf5"])?;
    let part = |name| {
        let table = read::hdf5::read(&file, Some(name))?;
        expect_columns(&table, &file, 63, "the pixels of a patch but the last")?;
        if let Some(at) = table.values.iter().position(|value| !value.is_finite()) {
            let (row, column) = (at / table.columns + 1, format!("{name}.{}", table.names[at % table.columns]));
            let got = table.values[at].to_string();
            return Err(DataError::MissingValue { path: file.clone(), row, column, got });
        }
        Ok(table.values)
    };
    let split = Partition { train: part("train")?, validation: part("validation")?, test: part("test")? };
    let rows = |values: &[f64]| values.len() / 63;
    let steps = vec![format!(
        "took the published split as it is: {} train, {} validation and {} test rows, not standardised",
        rows(&split.train),
        rows(&split.validation),
        rows(&split.test)
    )];
    let names = (0..63).map(|pixel| format!("row{}_column{}", pixel / 8, pixel % 8)).collect();
    let scale = ColumnScales::identity(63);
    Ok(Prepared { names, split, scale, steps, source: file.display().to_string() })
}
