//! Say what was expected, what came instead, and what to do about it.

/// Why a metric, a table or a picture could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// A matrix with no columns has nothing to compare.
    #[error("`columns` is 0: pass the number of columns of the row-major matrices, at least 1")]
    NoColumns,
    /// The values do not fill whole rows.
    #[error("`{what}` holds {length} values, not a whole number of rows of {columns}: pass a row-major matrix")]
    Shape {
        /// The argument's name.
        what: String,
        /// How many values it holds.
        length: usize,
        /// How many columns it should have.
        columns: usize,
    },
    /// A list of names does not match the columns.
    #[error("`{what}` has {got} entries, expected {expected}: pass one per column")]
    Count {
        /// The argument's name.
        what: String,
        /// How many entries were expected.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// The statistic is not defined on so few rows.
    #[error("`{what}` has {got} rows, expected at least {needed}: draw more samples")]
    TooFewRows {
        /// The argument's name.
        what: String,
        /// The fewest rows that define the statistic.
        needed: usize,
        /// How many came.
        got: usize,
    },
    /// A value is NaN or infinite where only finite numbers have a meaning.
    #[error(
        "`{what}` holds {value} at row {row}, column {column}: remove or repair such rows first, and report how many"
    )]
    NotFinite {
        /// The argument's name.
        what: String,
        /// The offending value.
        value: f64,
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
    },
    /// A setting lies outside its range.
    #[error("`{name}` is {got}, expected {expected}")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// The range it must lie in.
        expected: &'static str,
        /// What it was.
        got: String,
    },
    /// The two Gaussians live in different spaces.
    #[error("the two sets have {left} and {right} columns: compare features of one extractor")]
    ColumnsDiffer {
        /// Columns of the first.
        left: usize,
        /// Columns of the second.
        right: usize,
    },
    /// The eigenvalue iteration did not settle.
    #[error(
        "the eigenvalues of a {size} x {size} matrix did not converge: look for values of extreme size in the features"
    )]
    NoConvergence {
        /// Rows of the matrix.
        size: usize,
    },
    /// A picture with nothing in it.
    #[error("nothing to draw in `{what}`: pass at least one finite value")]
    NothingToDraw {
        /// The argument's name.
        what: String,
    },
    /// The name's ending names no known format.
    #[error("cannot tell the format of `{path}`: end the name in .png or .svg")]
    PictureEnding {
        /// The file's name.
        path: String,
    },
    /// The picture could not be encoded or painted.
    #[error("cannot paint `{path}`: {reason}")]
    Paint {
        /// The file's name.
        path: String,
        /// What the encoder said.
        reason: String,
    },
    /// Statistics of different feature networks.
    #[error("features of `{left}` and of `{right}` do not compare: compute both with one network and input side")]
    NetworksDiffer {
        /// The first network.
        left: String,
        /// The second.
        right: String,
    },
    /// The file is no file of statistics, or a damaged one.
    #[error("`{path}` holds no usable feature statistics: {reason}; compute them again")]
    Statistics {
        /// The file's name.
        path: String,
        /// What contradicts the format.
        reason: String,
    },
    /// The file could not be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file's name.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// The file's name.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}
