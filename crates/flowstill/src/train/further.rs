//! Go on from the checkpoint of a training that ended with fewer steps.

use super::keep::fingerprint;
use super::trainer::Training;
use super::{Dataset, TrainConfig, Trainable};
use crate::Result;
use std::path::Path;

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
