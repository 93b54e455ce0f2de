//! Change the learning rate over a run.

use super::config::{ScheduleConfig, ScheduleKind};

/// The learning rate as a fraction of its peak.
#[derive(Clone, Debug)]
pub struct Schedule {
    config: ScheduleConfig,
    /// What plateaus have made of the peak.
    pub(super) plateau: f64,
    /// Validations since the last improvement or reduction.
    pub(super) waited: u64,
}

impl Schedule {
    /// At its beginning.
    pub fn new(config: &ScheduleConfig) -> Self {
        Self { config: config.clone(), plateau: 1.0, waited: 0 }
    }

    /// The fraction at step `step` (from 0) of `total`.
    pub fn fraction(&self, step: u64, total: u64) -> f64 {
        let warmup = self.config.warmup;
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        match self.config.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Plateau => self.plateau,
            ScheduleKind::Cosine => {
                let span = total.saturating_sub(warmup).max(1) as f64;
                let done = ((step - warmup) as f64 / span).min(1.0);
                let floor = self.config.final_fraction;
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }

    /// Take note of a validation.
    pub fn validated(&mut self, improved: bool) {
        self.waited = if improved { 0 } else { self.waited + 1 };
        if self.config.kind == ScheduleKind::Plateau && self.waited >= self.config.patience.max(1) {
            self.plateau *= self.config.factor;
            self.waited = 0;
        }
    }
}
