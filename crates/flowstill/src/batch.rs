//! Hold one batch of rows or pictures: what a flow sees, and what its preprocessing adds to the density.

use crate::flows::Flow;
use burn::tensor::Tensor;
use flowstill_runtime::pictures::PictureScaling;

/// A batch on its device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, height, width, channels]`, what the flow sees; a row of a table is a 1x1 picture.
    pub x: Tensor<4>,
    /// `[batch, context]`.
    pub context: Option<Tensor<2>>,
    /// `log |det|` of the preprocessing of each sample, nats; empty where it is the same for all and accounted for elsewhere (tables).
    pub log_dets: Vec<f64>,
    /// What `x` was made of, for pictures.
    pub pixels: Option<PixelBatch>,
}

impl Batch {
    /// A mean negative log-likelihood of what the flow sees, in nats, as the loss that is minimised and shown: as it is for tables, bits per
    /// dimension of the pixel values for pictures.
    pub fn loss_of(&self, flow: &Flow, nll: Tensor<1>) -> Tensor<1> {
        let unit = flow.architecture().unit_of_loss();
        let nll = if self.log_dets.is_empty() { nll } else { nll - self.mean_log_det() };
        if unit == 1.0 { nll } else { nll * unit }
    }

    /// The mean of the preprocessing's log-determinants, nats.
    pub fn mean_log_det(&self) -> f64 {
        self.log_dets.iter().sum::<f64>() / self.log_dets.len().max(1) as f64
    }
}

/// What the values of a batch of pictures were made of, `[batch, height, width, channels]`, row-major, turned round already where it was.
#[derive(Clone, Debug)]
pub struct PixelBatch {
    /// Pixel values.
    pub values: Vec<u8>,
    /// The uniform noise in [0, 1) beside each.
    pub noise: Vec<f32>,
    /// How the two become what the flow sees.
    pub scaling: PictureScaling,
}
