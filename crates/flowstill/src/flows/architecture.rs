//! Describe a whole flow as data: what a flow file stores beside the weights.

use crate::base::BaseConfig;
use crate::bijectors::{BijectorConfig, Reordering};
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
    /// The density of the latents.
    pub base: BaseConfig,
}

impl Architecture {
    /// One level over the columns of a table.
    pub fn table(columns: usize, context: usize, steps: Vec<BijectorConfig>, base: BaseConfig) -> Self {
        Self { event: [1, 1, columns], context, levels: vec![steps], base }
    }

    /// The number of dimensions of one sample.
    pub fn dimensions(&self) -> usize {
        self.event.iter().product()
    }

    /// The number of steps over all levels.
    pub fn steps(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.event.contains(&0) {
            return Err(Error::config("event", format!("shape {:?}", self.event), "every length must be at least 1"));
        }
        if self.levels.len() != 1 {
            return Err(Error::config(
                "levels",
                format!("{} levels", self.levels.len()),
                "a flow on tables has exactly 1",
            ));
        }
        let channels = self.event[2];
        for (index, step) in self.levels.iter().flatten().enumerate() {
            check_channels(step, channels, index + 1)?;
        }
        Ok(())
    }
}

fn check_channels(config: &BijectorConfig, channels: usize, step: usize) -> Result<()> {
    match config {
        BijectorConfig::Chain { steps } => steps.iter().try_for_each(|part| check_channels(part, channels, step)),
        BijectorConfig::Inverted { inner } => check_channels(inner, channels, step),
        other => match other.channels() {
            Some(own) if own != channels => {
                Err(Error::shape(format!("step {step} of the flow"), format!("{channels} channels"), format!("{own}")))
            }
            _ => Ok(()),
        },
    }
}

/// Where each channel of a state comes from, after the first `steps` of a list of layers.
pub(crate) fn reordering_after(steps: &[Box<dyn crate::bijectors::Bijector>], count: usize) -> Reordering {
    steps.iter().take(count).fold(Reordering::Kept, |before, step| before.then(step.reordering()))
}
