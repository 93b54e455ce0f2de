//! Say what a training minimises, and by what number it chooses the weights to keep.

use super::Trainable;
use crate::flows::Flow;
use crate::{Parameters, Result};
use burn::tensor::Tensor;

/// A loss and the terms it was made of.
#[derive(Clone, Debug)]
pub struct Loss {
    /// What is minimised, one value.
    pub total: Tensor<1>,
    /// Named parts before weighting, one value each, for curves.
    pub terms: Vec<(&'static str, Tensor<1>)>,
}

/// What a training minimises over a model `M`, a flow if nothing else is said.
///
/// Its own trainable parameters (a projector's, a dequantiser's) move with the model's, and the best of both are kept together; after the training it
/// holds them, recording nothing.
pub trait Objective<M: Trainable = Flow>: Parameters {
    /// The loss of a batch at step `step` (from 0) of `total`; `model` carries the autodiff leaves. Randomness must follow from the step.
    ///
    /// # Errors
    /// Whatever the model reports.
    fn loss(&self, model: &M, batch: &M::Batch, step: u64, total: u64) -> Result<Loss>;

    /// What tells this objective from others in a checkpoint: its name and settings, on one line.
    fn identity(&self) -> String;

    /// Set what depends on data from the first batch, in the model and here, once; before the first step and before a checkpoint is read.
    ///
    /// # Errors
    /// Whatever a batch that does not fit gives.
    fn initialize(&mut self, model: &mut M, batch: &M::Batch) -> Result<()> {
        model.initialize(batch)
    }

    /// Move the model's stored statistics towards those of this batch, as the model sees it.
    ///
    /// # Errors
    /// Whatever a batch that does not fit gives.
    fn calibrate(&self, model: &mut M, batch: &M::Batch, momentum: f64) -> Result<()> {
        model.calibrate(batch, momentum)
    }

    /// The number by which the best weights are chosen, over the validation split; the lowest finite one wins. The model's own measure if nothing
    /// else is said, the mean negative log-likelihood of a flow.
    ///
    /// # Errors
    /// Whatever a batch that does not fit gives.
    fn validate(&self, model: &M, batches: &mut dyn Iterator<Item = M::Batch>) -> Result<f64> {
        model.validate(batches)
    }

    /// What [`validate`](Objective::validate) measures, as metrics name it: `validation_nll` for `nll`.
    fn measure(&self) -> &'static str {
        "nll"
    }
}
