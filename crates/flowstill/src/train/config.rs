//! Set how a training runs: every field documented with its default.

use crate::flows::Memory;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimiserKind {
    /// Adam (Kingma and Ba 2015); weight decay is added to the gradient.
    Adam,
    /// AdamW (Loshchilov and Hutter 2019); weight decay acts on the weights directly.
    Adamw,
    /// Adamax, Adam's infinity-norm form (Kingma and Ba 2015, section 7.1).
    Adamax,
}

/// The update rule and its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiserConfig {
    /// Rule; default `adam`.
    pub kind: OptimiserKind,
    /// Learning rate at its peak; default 5e-4.
    pub rate: f64,
    /// Decay of the first moment; default 0.9.
    pub beta1: f64,
    /// Decay of the second moment; default 0.999.
    pub beta2: f64,
    /// Added to the denominator; default 1e-8.
    pub epsilon: f64,
    /// Weight decay; default 0.
    pub weight_decay: f64,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self { kind: OptimiserKind::Adam, rate: 5e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// The shape of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Stays at the peak.
    Constant,
    /// Falls along half a cosine to `final_fraction` of the peak at the last step.
    Cosine,
    /// Multiplied by `factor` after `patience` validations without improvement.
    Plateau,
}

/// How the learning rate changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Shape; default `cosine`.
    pub kind: ScheduleKind,
    /// Steps of linear warm-up from zero; default 0.
    pub warmup: u64,
    /// Where the cosine ends, as a fraction of the peak; default 0.
    pub final_fraction: f64,
    /// What a plateau multiplies the rate by; default 0.5.
    pub factor: f64,
    /// Validations without improvement before a plateau acts; default 5.
    pub patience: u64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { kind: ScheduleKind::Cosine, warmup: 0, final_fraction: 0.0, factor: 0.5, patience: 5 }
    }
}

/// Everything that decides how a training runs, the data and the objective apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of weights, data order and noise; default 1.
    pub seed: u64,
    /// Optimiser steps; default 5000.
    pub steps: u64,
    /// Stop after so many passes over the data, if that comes first; default none.
    pub epochs: Option<f64>,
    /// Stop after so many seconds of training, if that comes first; default none. A run stopped by the clock is not reproducible.
    pub seconds: Option<f64>,
    /// Rows per step; default 512.
    pub batch: usize,
    /// Optimiser.
    pub optimiser: OptimiserConfig,
    /// Learning-rate schedule.
    pub schedule: ScheduleConfig,
    /// Largest norm of the gradient, 0 for no clipping; default 5.
    pub clip_norm: f64,
    /// Decay of the exponential moving average of the weights, 0 for none; default 0. With it, the average is validated and kept. After n
    /// updates the decay is at most (1 + n) / (10 + n).
    pub ema: f64,
    /// Steps between validations; default 250.
    pub validate_every: u64,
    /// Rows of the validation split that a validation looks at (the first ones); default 20000.
    pub validation_rows: usize,
    /// Validations without improvement before the training stops, 0 for never; default 0.
    pub patience: u64,
    /// Steps between checkpoints; default 500.
    pub checkpoint_every: u64,
    /// Steps between two lines of `metrics.jsonl`; default 50.
    pub log_every: u64,
    /// Steps between updates of batch-norm statistics; default 5.
    pub calibrate_every: u64,
    /// Weight of the newest batch in those statistics at the peak of the learning rate, falling with it; default 0.02.
    pub calibrate_momentum: f64,
    /// Rows of the batch that sets data-dependent parameters before the first step; default 4096. Of pictures at most 4,194,304 values are used
    /// (1,365 pictures of 32x32x3).
    pub initialize_rows: usize,
    /// What is kept between the forward and the backward pass: `store`, `recompute` or `invert`; default `store`.
    #[serde(skip_serializing_if = "is_store")]
    pub memory: Memory,
    /// Stop with an error once more than this share of the steps (and more than 20) had a non-finite loss or gradient; default 0.05.
    pub skip_limit: f64,
}

fn is_store(memory: &Memory) -> bool {
    *memory == Memory::Store
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            steps: 5000,
            epochs: None,
            seconds: None,
            batch: 512,
            optimiser: OptimiserConfig::default(),
            schedule: ScheduleConfig::default(),
            clip_norm: 5.0,
            ema: 0.0,
            validate_every: 250,
            validation_rows: 20_000,
            patience: 0,
            checkpoint_every: 500,
            log_every: 50,
            calibrate_every: 5,
            calibrate_momentum: 0.02,
            initialize_rows: 4096,
            memory: Memory::Store,
            skip_limit: 0.05,
        }
    }
}

/// The most rows in a batch: far more than is of use, and few enough to be told from a slip.
pub(crate) const MOST_ROWS: usize = 1 << 20;

impl TrainConfig {
    /// Check every range.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let optimiser = &self.optimiser;
        let schedule = &self.schedule;
        let above_0 = |value: Option<f64>| value.is_none_or(|value| value > 0.0 && value.is_finite());
        let rules: [(&str, f64, bool, &str); 23] = [
            ("train.steps", self.steps as f64, (1..=1_000_000_000_000).contains(&self.steps), "use 1 to 1000000000000"),
            ("train.epochs", self.epochs.unwrap_or(1.0), above_0(self.epochs), "use a finite number above 0"),
            ("train.seconds", self.seconds.unwrap_or(1.0), above_0(self.seconds), "use a finite number above 0"),
            ("train.batch", self.batch as f64, (1..=MOST_ROWS).contains(&self.batch), "use 1 to 1048576"),
            (
                "train.optimiser.rate",
                optimiser.rate,
                optimiser.rate > 0.0 && optimiser.rate < 10.0,
                "use 0 < rate < 10",
            ),
            ("train.optimiser.beta1", optimiser.beta1, (0.0..1.0).contains(&optimiser.beta1), "use 0 <= beta1 < 1"),
            ("train.optimiser.beta2", optimiser.beta2, (0.0..1.0).contains(&optimiser.beta2), "use 0 <= beta2 < 1"),
            (
                "train.optimiser.epsilon",
                optimiser.epsilon,
                // Below, it is nothing to single precision, and 0 / 0 is what a weight without a gradient would move by.
                (1e-30..=1.0).contains(&optimiser.epsilon),
                "use 1e-30 to 1",
            ),
            (
                "train.optimiser.weight_decay",
                optimiser.weight_decay,
                optimiser.weight_decay >= 0.0 && optimiser.weight_decay.is_finite(),
                "use a finite number, 0 or more",
            ),
            (
                "train.schedule.final_fraction",
                schedule.final_fraction,
                (0.0..=1.0).contains(&schedule.final_fraction),
                "use 0 to 1",
            ),
            (
                "train.schedule.factor",
                schedule.factor,
                schedule.factor > 0.0 && schedule.factor < 1.0,
                "use 0 < factor < 1",
            ),
            ("train.schedule.patience", schedule.patience as f64, schedule.patience >= 1, "use at least 1"),
            (
                "train.schedule.warmup",
                schedule.warmup as f64,
                schedule.warmup <= 1_000_000_000_000,
                "use a part of train.steps",
            ),
            (
                "train.clip_norm",
                self.clip_norm,
                self.clip_norm >= 0.0 && self.clip_norm.is_finite(),
                "use 0 (no clipping) or a finite number above",
            ),
            ("train.ema", self.ema, (0.0..1.0).contains(&self.ema), "use 0 (none) <= ema < 1"),
            ("train.validate_every", self.validate_every as f64, self.validate_every >= 1, "use at least 1"),
            ("train.validation_rows", self.validation_rows as f64, self.validation_rows >= 1, "use at least 1"),
            ("train.checkpoint_every", self.checkpoint_every as f64, self.checkpoint_every >= 1, "use at least 1"),
            ("train.log_every", self.log_every as f64, self.log_every >= 1, "use at least 1"),
            ("train.calibrate_every", self.calibrate_every as f64, self.calibrate_every >= 1, "use at least 1"),
            (
                "train.calibrate_momentum",
                self.calibrate_momentum,
                (0.0..=1.0).contains(&self.calibrate_momentum),
                "use 0 to 1",
            ),
            (
                "train.initialize_rows",
                self.initialize_rows as f64,
                self.initialize_rows >= 2,
                "use at least 2: one row has no spread",
            ),
            ("train.skip_limit", self.skip_limit, (0.0..=1.0).contains(&self.skip_limit), "use 0 to 1"),
        ];
        match rules.iter().find(|(_, value, good, _)| !good || value.is_nan()) {
            Some((name, value, _, remedy)) => Err(Error::config(*name, format!("{value} is out of range"), *remedy)),
            None => Ok(()),
        }
    }

    /// The last step, for so many rows of training data.
    pub fn total_steps(&self, rows: usize) -> u64 {
        let by_epochs = self.epochs.map(|epochs| ((epochs * rows as f64 / self.batch as f64).ceil() as u64).max(1));
        by_epochs.map_or(self.steps, |limit| limit.min(self.steps))
    }
}
