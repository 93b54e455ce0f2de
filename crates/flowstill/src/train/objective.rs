//! Say what a training minimises.

use super::data::Batch;
use crate::flows::Flow;
use crate::pictures::VariationalDequantizer;
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

    /// Set what depends on data from the first batch, once; before the first step and before a checkpoint is read.
    ///
    /// # Errors
    /// Whatever a batch that does not fit gives.
    fn initialize(&mut self, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    /// What draws the noise of pictures, in validations too; `None` for uniform noise. Where there is one, the best weights that are
    /// kept are the flow's and this objective's together.
    fn dequantizer(&self) -> Option<&VariationalDequantizer> {
        None
    }
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

/// The bound of a flow over pictures and its dequantiser, trained together: the mean of `-log p(x(v + u)) - log |dx/du| + log q(u | v)` over the batch, one draw
/// of noise per picture, in bits per dimension. Its term `noise` is `log q(u | v)` in the same unit, 0 for uniform noise.
///
/// Source: Flow++ (Ho et al. 2019), section 3.1.
#[doc(alias = "variational dequantization")]
#[derive(Clone, Debug)]
pub struct VariationalNll {
    dequantizer: VariationalDequantizer,
}

crate::parameters!(VariationalNll { dequantizer });

impl VariationalNll {
    /// Train `dequantizer` beside the flow. After the training it holds the best weights.
    pub fn new(dequantizer: VariationalDequantizer) -> Self {
        Self { dequantizer }
    }
}

impl Objective for VariationalNll {
    fn loss(&self, flow: &Flow, batch: &Batch, _step: u64, _total: u64) -> Result<Loss> {
        let drawn = self.dequantizer.draw(batch)?;
        let log_prob = flow.log_prob(drawn.x, batch.context.as_ref())? + drawn.log_det;
        let unit = flow.architecture().unit_of_loss();
        let noise = drawn.log_q.mean() * unit;
        let nll = noise.clone() - log_prob.mean() * unit;
        Ok(Loss { total: nll.clone(), terms: vec![("nll", nll), ("noise", noise)] })
    }

    fn identity(&self) -> String {
        format!("variational-nll-{}", serde_json::to_string(&self.dequantizer.config()).unwrap_or_default())
    }

    fn initialize(&mut self, batch: &Batch) -> Result<()> {
        self.dequantizer.initialize(batch)
    }

    fn dequantizer(&self) -> Option<&VariationalDequantizer> {
        Some(&self.dequantizer)
    }
}
