//! Say in one line why an experiment failed, and whether what was given is at fault.

use flowstill_data::DataError;
use flowstill_features::FeatureError;
use flowstill_metrics::MetricError;
use std::io::ErrorKind;

/// Why an experiment, or a part of one, ended early; shown on one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe, a setting or a file that was given is at fault: nothing is gained by trying again.
    #[error("{}", one_line(.0))]
    Input(String),
    /// The run failed, or was stopped.
    #[error("{}", one_line(.0))]
    Run(String),
    /// A training or a flow came to numbers that are not finite; a comparison may go on without that model.
    #[error("{}", one_line(.0))]
    Diverged(String),
}

/// The result of a part of an experiment.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A fault in what was given.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// A fault of the run.
    pub fn run(message: impl Into<String>) -> Self {
        Self::Run(message.into())
    }

    /// Whether what was given is at fault.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Input(_))
    }

    /// The same with its message changed.
    #[must_use]
    pub fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Input(message) => Self::Input(change(message)),
            Self::Run(message) => Self::Run(change(message)),
            Self::Diverged(message) => Self::Diverged(change(message)),
        }
    }

    /// The same with more said in front.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        self.map(|message| format!("{place}: {message}"))
    }

    /// Somebody asked for a stop.
    pub(crate) fn stopped() -> Self {
        Self::run("stopped; run the same command again to go on from there")
    }
}

/// Join the lines of a message, so that scripts can read errors line by line.
pub(crate) fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.fold(String::new(), |text, line| match text.as_str() {
        "" => line.to_string(),
        before if before.ends_with(':') => format!("{text} {line}"),
        _ => format!("{text}; {line}"),
    })
}

/// Whether the path that was given leads to no file: it is not there, or is a folder.
fn no_such_file(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory)
}

impl From<flowstill::Error> for Error {
    fn from(error: flowstill::Error) -> Self {
        let missing = matches!(&error, flowstill::Error::Io { source, .. } if no_such_file(source));
        match &error {
            flowstill::Error::NotFinite { .. } => Self::Diverged(error.to_string()),
            _ if error.is_input() || missing => Self::Input(error.to_string()),
            _ => Self::Run(error.to_string()),
        }
    }
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        match &error {
            DataError::Io { action, source, .. } if *action != "read" && !no_such_file(source) => {
                Self::Run(error.to_string())
            }
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<FeatureError> for Error {
    fn from(error: FeatureError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<MetricError> for Error {
    fn from(error: MetricError) -> Self {
        match &error {
            MetricError::Read { .. } | MetricError::Statistics { .. } => Self::Input(error.to_string()),
            _ => Self::Run(error.to_string()),
        }
    }
}
