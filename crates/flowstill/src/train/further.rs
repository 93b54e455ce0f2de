//! Go on from the checkpoint of a training that ended with fewer steps.

use super::keep::fingerprint;
use super::trainer::{Training, run_from};
use super::{Control, Dataset, Event, Objective, RunFolder, TrainConfig, Trainable, Trained, TrainingData};
use crate::Result;
use std::path::Path;

/// Train as [`train`](super::train) does, in the folder of a training that ended with fewer steps, whose settings `earlier` are the same but for
/// [`TrainConfig::steps`]: its
/// last checkpoint is gone on from. Under a rate that does not depend on the number of steps, and if the earlier training ended on one of its
/// regular validations, the result is that of a training which had so many steps from the beginning.
///
/// # Errors
/// As [`train`](super::train).
pub fn train_further<M: Trainable, D: Dataset<Batch = M::Batch>>(
    model: M,
    objective: &mut dyn Objective<M>,
    data: &TrainingData<D>,
    config: &TrainConfig,
    earlier: &TrainConfig,
    run: &RunFolder,
    events: &mut dyn FnMut(&Event) -> Control,
) -> Result<Trained<M>> {
    run_from(model, objective, data, config, Some(earlier), Some(run), events)
}

impl<M: Trainable, D: Dataset<Batch = M::Batch>> Training<'_, M, D> {
    /// Go on from a checkpoint of these settings, or of the `earlier` ones.
    pub(super) fn go_on(&mut self, path: &Path, earlier: Option<&TrainConfig>) -> Result<()> {
        let now = self.state.fingerprint.clone();
        let resumed = self.resume(path);
        let (Err(_), Some(earlier)) = (&resumed, earlier) else { return resumed };
        self.state.fingerprint = fingerprint(&self.model, &*self.objective, self.data, earlier);
        self.resume(path)?;
        self.state.fingerprint = now;
        self.state.finished = self.state.step >= self.config.total_steps(self.data.train.len());
        Ok(())
    }
}
