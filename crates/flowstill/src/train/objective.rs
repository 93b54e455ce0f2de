//! Say what a training minimises.

use super::data::Batch;
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

/// What a training minimises. Its own trainable parameters (a projector's) move with the flow's and are saved in checkpoints only.
pub trait Objective: Parameters {
    /// The loss of a batch at step `step` (from 0) of `total`; `flow` carries the autodiff leaves. Randomness must follow from the step.
    ///
    /// # Errors
    /// Whatever the flow reports.
    fn loss(&self, flow: &Flow, batch: &Batch, step: u64, total: u64) -> Result<Loss>;

    /// What tells this objective from others in a checkpoint: its name and settings, on one line.
    fn identity(&self) -> String;
}

/// The mean of `-log p(x)` over the batch, in nats; for pictures in bits per dimension.
#[doc(alias = "forward KL")]
#[derive(Clone, Debug, Default)]
pub struct NegativeLogLikelihood;

crate::parameters!(NegativeLogLikelihood {});

impl Objective for NegativeLogLikelihood {
    fn loss(&self, flow: &Flow, batch: &Batch, _step: u64, _total: u64) -> Result<Loss> {
        let nll = batch.loss_of(flow, -flow.log_prob(batch.x.clone(), batch.context.as_ref())?.mean());
        Ok(Loss { total: nll.clone(), terms: vec![("nll", nll)] })
    }

    fn identity(&self) -> String {
        "nll".to_string()
    }
}
