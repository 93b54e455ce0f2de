//! Say in one line why a command failed, and whose fault decides the exit code.

use flowstill_data::DataError;
use flowstill_features::FeatureError;
use flowstill_metrics::MetricError;
use std::io::ErrorKind;
use std::process::ExitCode;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// What was typed, or a file that was given, is at fault: exit code 2.
    Input(String),
    /// The run failed: exit code 1.
    Run(String),
    /// A training or a flow came to numbers that are not finite: exit code 1, and a comparison may go on without that model.
    Diverged(String),
    /// Whoever read standard output has gone; there is nobody to tell.
    Silent,
}

/// The result of every command.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A fault in what the user gave.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// A fault of the run.
    pub fn run(message: impl Into<String>) -> Self {
        Self::Run(message.into())
    }

    /// The same with more said in front.
    pub fn within(self, place: &str) -> Self {
        match self {
            Self::Input(message) => Self::Input(format!("{place}: {message}")),
            Self::Run(message) => Self::Run(format!("{place}: {message}")),
            Self::Diverged(message) => Self::Diverged(format!("{place}: {message}")),
            Self::Silent => Self::Silent,
        }
    }

    /// Tell the user, on one line, and give the exit code.
    pub fn report(&self) -> ExitCode {
        let (message, code) = match self {
            Self::Input(message) => (message, 2),
            Self::Run(message) | Self::Diverged(message) => (message, 1),
            Self::Silent => return ExitCode::SUCCESS,
        };
        crate::out::error_line(&format!("error: {}", one_line(message)));
        ExitCode::from(code)
    }
}

/// Join the lines of a message, so that scripts can read errors line by line.
pub fn one_line(message: &str) -> String {
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

impl From<flowstill::Error> for Failure {
    fn from(error: flowstill::Error) -> Self {
        let missing = matches!(&error, flowstill::Error::Io { source, .. } if no_such_file(source));
        match &error {
            flowstill::Error::NotFinite { .. } => Self::Diverged(error.to_string()),
            _ if error.is_input() || missing => Self::Input(error.to_string()),
            _ => Self::Run(error.to_string()),
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        match &error {
            DataError::Io { action, source, .. } if *action != "read" && !no_such_file(source) => {
                Self::Run(error.to_string())
            }
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<FeatureError> for Failure {
    fn from(error: FeatureError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<MetricError> for Failure {
    fn from(error: MetricError) -> Self {
        Self::Run(error.to_string())
    }
}
