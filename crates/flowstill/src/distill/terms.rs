//! Give single terms of a distillation settings of their own, and say what every term weighs at a step.

use super::{Distance, DistillConfig};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How the distillation weights move over the run; what they leave goes to NLL on data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightSchedule {
    /// As configured from the first to the last step.
    Constant,
    /// Linearly from zero over the first part of the run.
    Warmup {
        /// That part, 0 to 1.
        until: f64,
    },
    /// As configured at first, linearly to zero at a later part of the run: the student ends on its own likelihood.
    Anneal {
        /// Where the fall begins, 0 to 1.
        from: f64,
        /// Where it reaches zero, 0 to 1.
        to: f64,
    },
}

impl WeightSchedule {
    /// Factor of a weight at `step` of `total`, 0 to 1.
    pub fn factor(self, step: u64, total: u64) -> f64 {
        let done = step as f64 / total.max(1) as f64;
        match self {
            WeightSchedule::Constant => 1.0,
            WeightSchedule::Warmup { until } => (done / until.max(1e-9)).min(1.0),
            WeightSchedule::Anneal { from, to } => (1.0 - (done - from) / (to - from).max(1e-9)).clamp(0.0, 1.0),
        }
    }

    pub(super) fn is_sound(self) -> bool {
        let fraction = |value: f64| (0.0..=1.0).contains(&value);
        match self {
            WeightSchedule::Constant => true,
            WeightSchedule::Warmup { until } => fraction(until),
            WeightSchedule::Anneal { from, to } => fraction(from) && fraction(to) && from < to,
        }
    }
}

/// What one term has of its own; what is not set is the common setting of [`DistillConfig`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TermConfig {
    /// Distance, of LKD, ILKD and SKD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<Distance>,
    /// Schedule of the weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<WeightSchedule>,
    /// Standard deviation of the noise, of SKD and the teacher's samples; above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

impl TermConfig {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The settings of single terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// Of LKD: distance and schedule.
    #[serde(skip_serializing_if = "TermConfig::is_empty")]
    pub lkd: TermConfig,
    /// Of ILKD: distance and schedule.
    #[serde(skip_serializing_if = "TermConfig::is_empty")]
    pub ilkd: TermConfig,
    /// Of SKD: distance, schedule and temperature.
    #[serde(skip_serializing_if = "TermConfig::is_empty")]
    pub skd: TermConfig,
    /// Of the likelihood of the teacher's samples: schedule and temperature.
    #[serde(skip_serializing_if = "TermConfig::is_empty")]
    pub teacher_samples: TermConfig,
    /// Of norm control: the schedule.
    #[serde(skip_serializing_if = "TermConfig::is_empty")]
    pub norm_control: TermConfig,
}

impl Terms {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Check every range, and that a term has what is set.
    pub(super) fn check(&self) -> Result<()> {
        // Which of them have a distance, and which draw noise.
        let all = [
            ("lkd", self.lkd, true, false),
            ("ilkd", self.ilkd, true, false),
            ("skd", self.skd, true, true),
            ("teacher_samples", self.teacher_samples, false, true),
            ("norm_control", self.norm_control, false, false),
        ];
        for (name, term, compares, draws) in all {
            let rules = [
                ("distance", term.distance.is_none() || compares, "leave it out: this term has no distance"),
                ("distance", term.distance.is_none_or(|distance| distance.is_sound()), "use a finite delta above 0"),
                (
                    "schedule",
                    term.schedule.is_none_or(WeightSchedule::is_sound),
                    "give fractions of the run between 0 and 1, from before to",
                ),
                ("temperature", term.temperature.is_none() || draws, "leave it out: this term draws no noise"),
                ("temperature", term.temperature.is_none_or(|t| t > 0.0 && t.is_finite()), "use a number above 0"),
            ];
            if let Some((key, _, remedy)) = rules.iter().find(|(_, good, _)| !good) {
                return Err(Error::config(format!("distill.terms.{name}.{key}"), "out of range", *remedy));
            }
        }
        Ok(())
    }
}

/// What every term weighs at one step; one that weighs nothing is not computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the likelihood of the data: what the others leave.
    pub nll: f64,
    /// Of LKD.
    pub lkd: f64,
    /// Of ILKD.
    pub ilkd: f64,
    /// Of SKD; 0 at the steps that `skd_every` leaves out.
    pub skd: f64,
    /// Of the likelihood of the teacher's samples.
    pub teacher_samples: f64,
    /// Of norm control, which takes nothing from the likelihood.
    pub norm_control: f64,
}

impl DistillConfig {
    /// The weights at `step` (from 0) of `total`.
    pub fn weights_at(&self, step: u64, total: u64) -> Weights {
        let terms = &self.terms;
        let factor = |term: &TermConfig| term.schedule.unwrap_or(self.schedule).factor(step, total);
        let learned = [
            (self.lkd, factor(&terms.lkd)),
            (self.ilkd, factor(&terms.ilkd)),
            (self.skd, factor(&terms.skd)),
            (self.teacher_samples, factor(&terms.teacher_samples)),
        ];
        let common = learned[0].1;
        let nll = match learned.iter().all(|(_, factor)| *factor == common) {
            true => 1.0 - common * (1.0 - self.nll()),
            // Sums like 0.1 + 0.2 + 0.7 must not leave -1e-17.
            false => (1.0 - learned.iter().map(|(weight, factor)| weight * factor).sum::<f64>()).max(0.0),
        };
        let [lkd, ilkd, skd, teacher_samples] = learned.map(|(weight, factor)| weight * factor);
        let skd = if step.is_multiple_of(self.skd_every) { skd } else { 0.0 };
        let norm_control = self.norm_control * factor(&terms.norm_control);
        Weights { nll, lkd, ilkd, skd, teacher_samples, norm_control }
    }
}
