//! Name everything that can go wrong, what was expected and how to mend it.

/// Why an operation of the library could not be done.
///
/// Every variant prints as one line: the thing, what was expected, what was found, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor or table whose shape does not fit the flow.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// What has the wrong shape.
        what: String,
        /// The shape that fits.
        expected: String,
        /// The shape that came.
        got: String,
    },
    /// A setting outside its range, or two settings that contradict each other.
    #[error("{name}: {problem}; {remedy}")]
    Config {
        /// The setting, as its path in the recipe.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// What to do instead.
        remedy: String,
    },
    /// Numbers that are not finite where finite ones are needed.
    #[error("{what}: {problem}; {remedy}")]
    NotFinite {
        /// Where they were found.
        what: String,
        /// How many, or which.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A value in the user's rows that no flow can take.
    #[error("{what}: {problem}; {remedy}")]
    BadValue {
        /// Which rows.
        what: String,
        /// Row, column and value.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A teacher and a student that a loss cannot bring together.
    #[error("{loss}: {problem}; {remedy}")]
    Alignment {
        /// The loss that was asked for.
        loss: String,
        /// Why it does not apply.
        problem: String,
        /// What to do instead.
        remedy: String,
    },
    /// A file that is truncated, damaged, foreign or newer than this version.
    #[error("{path}: {problem}; {remedy}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The operating system refused to read or write.
    #[error("{path}: {doing}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// What was being done.
        doing: String,
        /// The system's own word.
        source: std::io::Error,
    },
    /// Training was asked to stop before its end; the last checkpoint holds everything.
    #[error("stopped at step {step}; run the same command again to go on from there")]
    Interrupted {
        /// The step of the checkpoint.
        step: u64,
    },
}

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Make an [`Error::Config`].
    pub fn config(name: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Error::Config { name: name.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// Make an [`Error::Shape`].
    pub fn shape(what: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Error::Shape { what: what.into(), expected: expected.into(), got: got.into() }
    }

    /// Make an [`Error::Alignment`].
    pub fn alignment(loss: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Error::Alignment { loss: loss.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// Make an [`Error::File`].
    pub fn file(path: impl AsRef<std::path::Path>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Error::File { path: path.as_ref().display().to_string(), problem: problem.into(), remedy: remedy.into() }
    }

    /// Make an [`Error::Io`].
    pub fn io(path: impl AsRef<std::path::Path>, doing: impl Into<String>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().display().to_string(), doing: doing.into(), source }
    }

    /// The same with the advice that helps for a damaged file which can be made again: remove it, and `then`.
    #[must_use]
    pub fn or_remove(self, then: &str) -> Self {
        match self {
            // A newer file is whole.
            Error::File { path, problem, remedy } if !remedy.starts_with("update") => {
                Error::File { path, problem, remedy: format!("remove this file, and {then}") }
            }
            other => other,
        }
    }

    /// Whether the fault lies in what the user gave (exit code 2) rather than in the run (exit code 1).
    pub fn is_input(&self) -> bool {
        !matches!(self, Error::NotFinite { .. } | Error::Io { .. } | Error::Interrupted { .. })
    }
}
