//! Name the choices a reader has to make about a table.

use serde::{Deserialize, Serialize};

/// What to do with a hole: an empty field, `?`, `NA`, NaN or an infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Stop and name the place.
    #[default]
    Error,
    /// Leave out every row with a hole in a selected column, and count them.
    DropRows,
}

/// What to do with a column that no density can be fitted to: a constant, or a copy of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issue {
    /// Stop and name the column.
    #[default]
    Error,
    /// Leave the column out, and say so.
    Drop,
    /// Leave it in.
    Keep,
}

/// Whether the first line of a text file names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// It does when every field is text, or when a field is text above a number.
    #[default]
    Auto,
    /// It does.
    Yes,
    /// It does not: columns are called `c1`, `c2`, ...
    No,
}

/// How [`Table::read`](crate::Table::read) reads. The default reads every column and keeps constants and copies.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadOptions {
    /// The columns wanted, in this order. Default: all.
    pub columns: Option<Vec<String>>,
    /// Columns to leave out where none are named as wanted. Default: none.
    pub exclude: Vec<String>,
    /// The field separator of a text file; a space means any run of blanks. Default: found from the first lines.
    pub delimiter: Option<char>,
    /// Whether the first line names the columns. Default: found out.
    pub header: Header,
    /// Columns of clock times, `HH:MM` or `HH:MM:SS`, read as minutes since midnight. Default: none.
    pub clock_columns: Vec<String>,
    /// Lines of a text file to pass over before anything else. Default: 0.
    pub skip_lines: usize,
    /// The dataset of an HDF5 file. Default: the only one, or an error that lists them.
    pub dataset: Option<String>,
    /// What to do with holes. Default: error.
    pub missing: Missing,
    /// What to do with constant columns. Default: keep.
    pub constant: Issue,
    /// What to do with columns that copy another. Default: keep.
    pub duplicates: Issue,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            columns: None,
            exclude: Vec::new(),
            delimiter: None,
            header: Header::Auto,
            clock_columns: Vec::new(),
            skip_lines: 0,
            dataset: None,
            missing: Missing::Error,
            constant: Issue::Keep,
            duplicates: Issue::Keep,
        }
    }
}
