//! Lay arrays down as the table that a recipe reads, in a folder that stays or one that goes.

use crate::arrays::{Wanted, columns_of, frame_names, is_frame};
use crate::errors::{RunError, input, raised};
use crate::settings::Asked;
use flowstill_data::Table;
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where a run leaves what it makes.
pub struct Folder {
    path: PathBuf,
    /// Removed with all that is in it when it is dropped.
    _temporary: Option<TempDir>,
}

impl Folder {
    /// The folder `given`, made where it is not there, or one that goes.
    ///
    /// # Errors
    /// `RunError` when it cannot be made.
    pub fn new(given: Option<PathBuf>) -> PyResult<Self> {
        let failed = |error: std::io::Error| RunError::new_err(format!("out: cannot make the folder: {error}"));
        match given {
            Some(path) => {
                std::fs::create_dir_all(&path).map_err(failed)?;
                Ok(Self { path, _temporary: None })
            }
            None => {
                let folder = tempfile::tempdir().map_err(failed)?;
                Ok(Self { path: folder.path().to_path_buf(), _temporary: Some(folder) })
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Rows with conditioning values, as float64, and the names of both.
pub struct Rows {
    /// Row-major.
    pub values: Vec<f64>,
    /// Row-major.
    pub context: Vec<f64>,
    /// One for each column.
    pub names: Vec<String>,
    /// One for each conditioning column.
    pub context_names: Vec<String>,
}

/// Values of a table, row-major, and its names where it has some.
fn matrix(name: &str, given: &Bound<'_, PyAny>) -> PyResult<(Vec<f64>, usize, Vec<String>)> {
    let py = given.py();
    let (array, names) = match is_frame(given)? {
        true => {
            let names = frame_names(given)?;
            (columns_of(given, &names)?, names)
        }
        false => (py.import("numpy")?.call_method1("asarray", (given,))?, Vec::new()),
    };
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    let [_, columns] = shape[..] else {
        return Err(input(format!(
            "{name}: expected shape (n, columns), got {}; give one row a sample",
            array.getattr("shape")?
        )));
    };
    let row = [columns];
    let read = Wanted { name, row: &row, names: &[] }.read::<f64>(&array)?;
    let values = read.as_slice().map_err(|error| input(error.to_string()))?.to_vec();
    Ok((values, columns, names))
}

impl Rows {
    /// Rows that a flow is to be trained on; `context` may be names of columns of the frame `x`.
    ///
    /// # Errors
    /// `InputError` for what is no table of numbers.
    pub fn new(x: &Bound<'_, PyAny>, context: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        if let Some(chosen) = context.and_then(|context| context.extract::<Vec<String>>().ok()) {
            if !is_frame(x)? {
                return Err(input(
                    "context: names of columns go with a frame; give an array of shape (n, conditioning columns)",
                ));
            }
            let have = frame_names(x)?;
            if let Some(lost) = chosen.iter().find(|name| !have.contains(name)) {
                return Err(input(format!("context: no column `{lost}`; the frame has {}", have.join(", "))));
            }
            let names: Vec<String> = have.into_iter().filter(|name| !chosen.contains(name)).collect();
            let (values, context) =
                (matrix("x", &columns_of(x, &names)?)?.0, matrix("context", &columns_of(x, &chosen)?)?.0);
            return Ok(Self { values, context, names, context_names: chosen });
        }
        let (values, columns, mut names) = matrix("x", x)?;
        let (context, width, mut context_names) =
            context.map_or_else(|| Ok((Vec::new(), 0, Vec::new())), |context| matrix("context", context))?;
        if width > 0 && values.len() / columns.max(1) != context.len() / width {
            return Err(input(format!(
                "context: expected {} rows, as many as x has, got {}; give one for each",
                values.len() / columns.max(1),
                context.len() / width
            )));
        }
        // As tables without names count theirs.
        let numbered = names.is_empty();
        if numbered {
            names = (1..=columns).map(|at| format!("c{at}")).collect();
        }
        if context_names.is_empty() {
            let from = if numbered { columns } else { 0 };
            let prefix = if numbered { "c" } else { "context" };
            context_names = (1..=width).map(|at| format!("{prefix}{}", from + at)).collect();
        }
        Ok(Self { values, context, names, context_names })
    }

    /// Write them to `folder`, and have `asked` read them.
    ///
    /// # Errors
    /// `RunError` when they cannot be written.
    pub fn leave(self, folder: &Path, asked: &mut Asked) -> PyResult<()> {
        let Self { values, context, names, context_names } = self;
        let all: Vec<String> = names.iter().chain(&context_names).cloned().collect();
        // Names are kept in Parquet alone; numbers in both, to the bit.
        let path = folder.join(if Table::are_names(&all) { "data.parquet" } else { "data.npy" });
        let (d, width) = (names.len(), context_names.len());
        let values = match width {
            0 => values,
            _ => values
                .chunks_exact(d)
                .zip(context.chunks_exact(width))
                .flat_map(|(x, c)| x.iter().chain(c).copied())
                .collect(),
        };
        let table = Table::new(all, values).map_err(raised)?;
        table.write(&path).map_err(raised)?;
        asked.set(&["data", "set"], "table");
        // A recipe's own paths start at its folder; this one starts where we are.
        let path = std::path::absolute(&path).unwrap_or(path);
        asked.set(&["data", "path"], path.to_string_lossy().into_owned());
        asked.set(&["data", "columns"], names);
        asked.set(&["data", "context_columns"], context_names);
        Ok(())
    }
}
