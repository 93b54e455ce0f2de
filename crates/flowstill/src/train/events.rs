//! Tell the caller how a training goes; the library itself never prints.

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The training begins, or goes on from a checkpoint.
    Started {
        /// Steps already done.
        step: u64,
        /// Steps in all.
        total: u64,
        /// Values that the optimiser moves in the model.
        parameters: usize,
    },
    /// A step was taken.
    Step {
        /// Steps done.
        step: u64,
        /// Steps in all.
        total: u64,
        /// The loss that was minimised.
        loss: f64,
    },
    /// A validation was made.
    Validated(Validation),
    /// A step was skipped: its loss or gradient was not finite.
    Skipped {
        /// The step.
        step: u64,
        /// Skipped steps so far.
        skipped: u64,
    },
    /// Everything up to this step is on disk.
    Checkpointed {
        /// The step.
        step: u64,
    },
}

/// One look at the validation split.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Validation {
    /// Steps done.
    pub step: u64,
    /// What the objective measures, the lower the better: for flows the mean negative log-likelihood, nats per row of standardised data or bits per
    /// dimension of pictures; NaN or an infinity where the model failed. Checkpoints have always called it `nll`.
    #[serde(rename = "nll", with = "super::exact")]
    pub value: f64,
    /// Whether it is the lowest so far.
    pub best: bool,
}

/// What the caller wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Write a checkpoint and return [`Error::Interrupted`](crate::Error::Interrupted).
    Stop,
}
