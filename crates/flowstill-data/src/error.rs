//! Say in one line what went wrong with a table or picture: where, what was expected, what was got, and the remedy.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The result of every fallible call of this crate.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// Why a table or picture set could not be read, written or prepared. Every message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused.
    #[error("{}: could not {action} ({source}); check the path and its permissions", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb: "read", "write", "rename".
        action: &'static str,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// The file's ending names no format that this crate knows.
    #[error("{}: expected a file ending in {expected}, got `.{ending}`; convert or rename it", .path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Its ending, without the dot.
        ending: String,
        /// The endings that would do.
        expected: &'static str,
    },
    /// The file as a whole is not what its ending promises, or holds something this crate does not read.
    #[error("{}: expected {expected}, got {got}; {remedy}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What a good file would have.
        expected: String,
        /// What this one has.
        got: String,
        /// What to do.
        remedy: String,
    },
    /// A line has more or fewer fields than the first.
    #[error("{}: row {row}: expected {expected} fields, got {got}; mend the row or set the delimiter", .path.display())]
    RaggedRow {
        /// The file.
        path: PathBuf,
        /// The line of a text file, 1-based, its header counted.
        row: usize,
        /// Fields in the first line.
        expected: usize,
        /// Fields in this one.
        got: usize,
    },
    /// A selected column holds text.
    #[error(
        "{}: row {row}, column `{column}`: expected a number, got `{got}`; select only number columns with `columns`, or encode this one as numbers",
        .path.display()
    )]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// 1-based: the line of a text file (header counted), the row of a binary one.
        row: usize,
        /// The column's name.
        column: String,
        /// The text found, shortened.
        got: String,
    },
    /// A selected column has a hole: empty, `?`, NaN or an infinity.
    #[error(
        "{}: row {row}, column `{column}`: expected a finite number, got {got}; set missing = \"drop_rows\", or leave the column out",
        .path.display()
    )]
    MissingValue {
        /// The file.
        path: PathBuf,
        /// 1-based: the line of a text file (header counted), the row of a binary one.
        row: usize,
        /// The column's name.
        column: String,
        /// What stood there.
        got: String,
    },
    /// A column was asked for that the table has not.
    #[error("{}: expected a column `{column}`, got {have}; correct the name", .path.display())]
    NoSuchColumn {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        column: String,
        /// The names there are, shortened.
        have: String,
    },
    /// A column holds one value only, so that its density is infinite.
    #[error(
        "{}: column `{column}`: expected at least two different values, got {value} in all {rows} rows; set constant = \"drop\", or leave the column out",
        .path.display()
    )]
    ConstantColumn {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// Its only value.
        value: f64,
        /// How many rows.
        rows: usize,
    },
    /// Two columns hold the same values, so that the joint density is infinite.
    #[error(
        "{}: column `{column}`: expected values of its own, got a copy of `{of}`; set duplicates = \"drop\", or leave the column out",
        .path.display()
    )]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The later column.
        column: String,
        /// The earlier one.
        of: String,
    },
    /// Too few rows to go on.
    #[error("{}: expected at least {expected} usable rows, got {got}; {remedy}", .path.display())]
    TooFewRows {
        /// The file.
        path: PathBuf,
        /// The least number that would do.
        expected: usize,
        /// How many there are.
        got: usize,
        /// What to do.
        remedy: String,
    },
    /// A value was given whose length or shape does not fit.
    #[error("expected {expected}, got {got}")]
    Shape {
        /// The shape wanted.
        expected: String,
        /// The shape given.
        got: String,
    },
    /// A setting of [`DataConfig`](crate::DataConfig) or [`PictureConfig`](crate::PictureConfig) makes no sense.
    #[error("setting `{field}`: expected {expected}, got {got}; {remedy}")]
    Config {
        /// The setting.
        field: &'static str,
        /// What would do.
        expected: String,
        /// What it is.
        got: String,
        /// What to do.
        remedy: String,
    },
}

impl DataError {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { path, action, source }
    }

    pub(crate) fn malformed(
        path: &Path,
        expected: impl Into<String>,
        got: impl AsRef<str>,
        remedy: impl Into<String>,
    ) -> Self {
        let (expected, got) = (expected.into(), shown(got.as_ref(), 160));
        Self::Malformed { path: path.to_path_buf(), expected, got, remedy: remedy.into() }
    }
}

/// Text from a file as one short printable line.
pub(crate) fn shown(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        if c.is_control() {
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// A list of names as one short line.
pub(crate) fn listed(names: &[String]) -> String {
    match names.len() {
        0 => "no columns".into(),
        _ => format!("`{}`", shown(&names.join("`, `"), 200)),
    }
}
