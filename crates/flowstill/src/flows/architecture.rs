//! Describe a whole flow as data: what a flow file stores beside the weights.

use crate::base::BaseConfig;
use crate::bijectors::{BijectorConfig, Reordering, SplitConfig};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Everything that rebuilds a [`Flow`](super::Flow), weights aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Height, width and channels of one sample; a table row of D columns is `[1, 1, D]`.
    pub event: [usize; 3],
    /// Width of the conditioning input, 0 for none.
    pub context: usize,
    /// The steps of every level, data side first.
    pub levels: Vec<Vec<BijectorConfig>>,
    /// What lets half of the channels leave after each level but the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<SplitConfig>,
    /// The density of the latents of the last level; what leaves at a split meets the standard normal.
    pub base: BaseConfig,
}

/// Values of one sample that no honest flow reaches; keeps a forged file from asking for the whole memory.
const MOST_DIMENSIONS: usize = 1 << 24;

impl Architecture {
    /// One level over the columns of a table.
    pub fn table(columns: usize, context: usize, steps: Vec<BijectorConfig>, base: BaseConfig) -> Self {
        Self { event: [1, 1, columns], context, levels: vec![steps], splits: Vec::new(), base }
    }

    /// The number of dimensions of one sample.
    pub fn dimensions(&self) -> usize {
        self.event.iter().product()
    }

    /// The number of steps over all levels.
    pub fn steps(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Whether samples are pictures; their likelihood is reported in bits per dimension.
    pub fn is_picture(&self) -> bool {
        self.event[0] * self.event[1] > 1
    }

    /// What turns nats per sample into the unit that a training minimises: nats for tables, bits per dimension for pictures (so that
    /// distillation weights mean the same for any size of picture, as in the distillation paper's code).
    pub fn unit_of_loss(&self) -> f64 {
        if self.is_picture() { 1.0 / (self.dimensions() as f64 * std::f64::consts::LN_2) } else { 1.0 }
    }

    /// The level and the place within it (both from 0) of step `step` (from 1), counted over all levels.
    pub fn locate(&self, step: usize) -> Option<(usize, usize)> {
        let mut left = step.checked_sub(1)?;
        for (level, steps) in self.levels.iter().enumerate() {
            if left < steps.len() {
                return Some((level, left));
            }
            left -= steps.len();
        }
        None
    }

    /// The last step of every level, counted from 1 over all levels.
    pub fn level_ends(&self) -> Vec<usize> {
        let count = |total: &mut usize, level: &Vec<BijectorConfig>| {
            *total += level.len();
            Some(*total)
        };
        self.levels.iter().scan(0, count).collect()
    }

    /// The shape after each step, over all levels.
    pub(crate) fn step_events(&self) -> Result<Vec<[usize; 3]>> {
        let (mut event, mut out) = (self.event, Vec::new());
        for (index, level) in self.levels.iter().enumerate() {
            for step in level {
                event = step.output_event(event, self.context)?;
                out.push(event);
            }
            if let Some(split) = self.splits.get(index) {
                event[2] = split.kept();
            }
        }
        Ok(out)
    }

    /// The shape of the latents of every level.
    ///
    /// # Errors
    /// [`Error::Shape`] if the layers do not fit together.
    pub fn latent_events(&self) -> Result<Vec<[usize; 3]>> {
        let mut event = self.event;
        let mut out = Vec::new();
        for (index, level) in self.levels.iter().enumerate() {
            event = level.iter().try_fold(event, |event, step| step.output_event(event, self.context))?;
            match self.splits.get(index) {
                Some(split) => {
                    out.push([event[0], event[1], event[2].saturating_sub(split.kept())]);
                    event[2] = split.kept();
                }
                None => out.push(event),
            }
        }
        Ok(out)
    }

    pub(super) fn check(&self) -> Result<()> {
        let size = self.event.iter().try_fold(1_usize, |size, &length| size.checked_mul(length));
        if self.event.contains(&0) || size.is_none_or(|size| size > MOST_DIMENSIONS) {
            let expected = format!("use lengths of at least 1 and at most {MOST_DIMENSIONS} values");
            return Err(Error::config("event", format!("shape {:?}", self.event), expected));
        }
        if self.levels.is_empty() || self.splits.len() + 1 != self.levels.len() {
            let got = format!("{} levels and {} splits", self.levels.len(), self.splits.len());
            return Err(Error::config("levels", got, "give at least 1 level, and a split after each but the last"));
        }
        let mut event = self.event;
        let mut number = 0;
        for (index, level) in self.levels.iter().enumerate() {
            for step in level {
                number += 1;
                event = step.output_event(event, self.context).map_err(|error| match error {
                    Error::Shape { what, expected, got } => {
                        Error::shape(format!("step {number} of the flow, {what}"), expected, got)
                    }
                    other => other,
                })?;
            }
            if let Some(split) = self.splits.get(index) {
                if split.channels != event[2] || split.context != self.context {
                    let expected = format!("{} channels and {} conditioning values", event[2], self.context);
                    let got = format!("{} and {}", split.channels, split.context);
                    return Err(Error::shape(format!("split after level {}", index + 1), expected, got));
                }
                split.check()?;
                event[2] = split.kept();
            }
        }
        Ok(())
    }
}

/// Where each channel of a state comes from, after the first `steps` of a list of layers.
pub(crate) fn reordering_after(steps: &[Box<dyn crate::bijectors::Bijector>], count: usize) -> Reordering {
    steps.iter().take(count).fold(Reordering::Kept, |before, step| before.then(step.reordering()))
}
