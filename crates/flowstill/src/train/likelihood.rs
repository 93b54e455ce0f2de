//! Maximise the likelihood of data, alone or together with the dequantiser that makes pictures continuous.

use super::dataset::batches;
use super::{Dataset, Loss, Objective};
use crate::batch::Batch;
use crate::flows::Flow;
use crate::pictures::VariationalDequantizer;
use crate::{Result, to_f64};
use burn::tensor::Device;

/// Mean negative log-likelihood, summed in f64: nats per row of a table, bits per dimension of pictures.
///
/// # Errors
/// As [`Flow::log_prob`].
pub fn mean_nll(flow: &Flow, examples: &impl Dataset<Batch = Batch>, device: &Device) -> Result<f64> {
    mean_nll_with(flow, None, examples, device)
}

/// The same with noise of a dequantiser, its `log q` included.
///
/// # Errors
/// As [`mean_nll`] and [`VariationalDequantizer::apply`].
pub fn mean_nll_with(
    flow: &Flow,
    dequantizer: Option<&VariationalDequantizer>,
    examples: &impl Dataset<Batch = Batch>,
    device: &Device,
) -> Result<f64> {
    let seen = |batch| match dequantizer {
        Some(dequantizer) => dequantizer.apply(&batch),
        None => Ok(batch),
    };
    nll_of(flow, batches(examples, usize::MAX, device).map(seen))
}

/// The mean over batches as the flow sees them.
pub(crate) fn nll_of(flow: &Flow, batches: impl Iterator<Item = Result<Batch>>) -> Result<f64> {
    let (mut total, mut count) = (0.0, 0);
    for batch in batches {
        let batch = batch?;
        count += batch.x.dims()[0];
        total -= to_f64(flow.log_prob(batch.x, batch.context.as_ref())?).iter().sum::<f64>();
        total -= batch.log_dets.iter().sum::<f64>();
    }
    Ok(total / count as f64 * flow.architecture().unit_of_loss())
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
    /// Train `dequantizer` beside the flow.
    pub fn new(dequantizer: VariationalDequantizer) -> Self {
        Self { dequantizer }
    }

    /// The dequantiser, after the training with the best weights.
    pub fn finish(self) -> VariationalDequantizer {
        self.dequantizer.frozen()
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

    fn initialize(&mut self, flow: &mut Flow, batch: &Batch) -> Result<()> {
        self.dequantizer.initialize(batch)?;
        flow.initialize(&batch.x, batch.context.as_ref())
    }

    fn calibrate(&self, flow: &mut Flow, batch: &Batch, momentum: f64) -> Result<()> {
        let seen = self.dequantizer.apply(batch)?;
        flow.calibrate(&seen.x, seen.context.as_ref(), momentum)
    }

    fn validate(&self, flow: &Flow, batches: &mut dyn Iterator<Item = Batch>) -> Result<f64> {
        nll_of(flow, batches.map(|batch| self.dequantizer.apply(&batch)))
    }
}
