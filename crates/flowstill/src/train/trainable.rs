//! Say what a training needs of what it trains; a flow is one such model.

use crate::batch::Batch;
use crate::flows::{Flow, Memory};
use crate::param::{self, Parameters};
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};

use super::likelihood::nll_of;

/// A model with named tensors that a training can move: its trainable ones by the optimiser, its buffers by [`calibrate`](Trainable::calibrate).
///
/// Only the first four items have to be given; the rest has defaults that do nothing.
pub trait Trainable: Parameters + Clone {
    /// What it sees at one step.
    type Batch;

    /// What tells this model from others in a checkpoint, weights aside: its name and settings, on one line.
    fn description(&self) -> String;

    /// The number, over all of `batches`, that validations minimise where the objective has none of its own; NaN or an infinity where the
    /// model failed.
    ///
    /// # Errors
    /// Whatever a batch that does not fit gives.
    fn validate(&self, batches: &mut dyn Iterator<Item = Self::Batch>) -> Result<f64>;

    /// The device of the weights, where batches are made.
    fn device(&self) -> Device {
        param::device_of(self)
    }

    /// Set data-dependent parameters from the first batch, once; what was set before stays.
    ///
    /// # Errors
    /// Whatever a batch that does not fit gives.
    fn initialize(&mut self, _batch: &Self::Batch) -> Result<()> {
        Ok(())
    }

    /// Whether [`calibrate`](Trainable::calibrate) changes anything.
    fn has_statistics(&self) -> bool {
        false
    }

    /// Move stored statistics towards those of this batch: `new = (1 - momentum) old + momentum batch`.
    ///
    /// # Errors
    /// Whatever a batch that does not fit gives.
    fn calibrate(&mut self, _batch: &Self::Batch, _momentum: f64) -> Result<()> {
        Ok(())
    }

    /// A copy that records nothing.
    fn frozen(mut self) -> Self {
        param::freeze(&mut self);
        self
    }

    /// A copy that keeps this much between a forward and a backward pass, if it knows how.
    fn with_memory(self, _memory: Memory) -> Self {
        self
    }

    /// Stand on one leaf of a tape, the beginning of `weights` (all trainable values of the training, the model's first), if it knows how; the
    /// parameters are leaves with the same values.
    fn join(&mut self, _weights: &Tensor<1>) {}

    /// The leaf that [`join`](Trainable::join) made.
    fn joined(&self) -> Option<&Tensor<1>> {
        None
    }
}

impl Trainable for Flow {
    type Batch = Batch;

    fn description(&self) -> String {
        // Layers of the user's own have no words in JSON.
        let architecture = self.architecture();
        serde_json::to_string(architecture).unwrap_or_else(|_| format!("{architecture:?}"))
    }

    /// The mean negative log-likelihood: nats per row of a table, bits per dimension of pictures.
    fn validate(&self, batches: &mut dyn Iterator<Item = Batch>) -> Result<f64> {
        nll_of(self, batches.map(Ok::<_, Error>))
    }

    fn initialize(&mut self, batch: &Batch) -> Result<()> {
        Flow::initialize(self, &batch.x, batch.context.as_ref())
    }

    fn has_statistics(&self) -> bool {
        Flow::has_statistics(self)
    }

    fn calibrate(&mut self, batch: &Batch, momentum: f64) -> Result<()> {
        Flow::calibrate(self, &batch.x, batch.context.as_ref(), momentum)
    }

    fn frozen(self) -> Self {
        Flow::frozen(self)
    }

    fn with_memory(self, memory: Memory) -> Self {
        Flow::with_memory(self, memory)
    }

    fn join(&mut self, weights: &Tensor<1>) {
        Flow::join(self, weights);
    }

    fn joined(&self) -> Option<&Tensor<1>> {
        Flow::joined(self)
    }
}
