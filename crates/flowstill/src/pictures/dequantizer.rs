//! Draw the noise that makes pictures continuous from a learned flow, given the picture.

use super::scaling::{centred, scaled_tensor};
use crate::batch::{Batch, PixelBatch};
use crate::bijectors::{Bijector, Build, Squeeze};
use crate::flows::{Flow, Latents};
use crate::param::join;
use crate::shape::sum_event;
use crate::{Error, Param, Parameters, Result, random, to_f64};
use burn::tensor::{Device, Tensor, TensorData};
use flowstill_runtime::pictures::normal_of_uniform;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f64::consts::SQRT_2;

pub use flowstill_runtime::pictures::VariationalConfig;

/// Where the noise comes from that makes pictures continuous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dequantization {
    /// Uniform in [0, 1), whatever the picture.
    #[default]
    Uniform,
    /// From a [`VariationalDequantizer`] that is trained with the flow.
    Variational(VariationalConfig),
}

/// A conditional flow `q(u | v)` over the noise `u` in (0, 1)^D of a picture `v`.
///
/// ```text
/// eps ~ N(0, I)     y = g^-1(eps; v)     u = Phi(y)
/// log q(u | v) = log N(eps) + log |det d eps/d y| - log N(y)          nats
/// -log P(v) <= E_q[ -log p(x(v + u)) - log |dx/du| + log q(u | v) ]     nats per picture
/// ```
/// `g` runs over the squeezed picture, channels `[v | y]`: each affine coupling sees the picture's channels and half of the noise's, and moves the
/// other half; its log-scales are bounded as in every coupling. The normal distribution function `Phi` stands in the place of the paper's sigmoid,
/// so that a new one, whose couplings are the identity, is exactly the uniform noise: training starts from the bound of uniform dequantisation. `eps` is
/// `Phi^-1` of the uniform noise that a batch carries anyway, so noise follows from (seed, step) as ever.
///
/// Source: Flow++ (Ho et al. 2019), section 3.1; Hoogeboom, Cohen and Tomczak 2020 for the bound. Classes do not condition `q`; the bound
/// holds all the same.
#[doc(alias = "Flow++")]
#[derive(Clone, Debug)]
pub struct VariationalDequantizer {
    config: VariationalConfig,
    event: [usize; 3],
    /// One step, the chain of all layers, over `[picture | noise]`.
    map: Flow,
}

// The chain's own names: those of the flow around it stand in no file.
impl Parameters for VariationalDequantizer {
    fn collect<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a Param)>) {
        self.map.levels()[0].steps()[0].collect(&join(path, "map"), out);
    }

    fn collect_mut<'a>(&'a mut self, path: &str, out: &mut Vec<(String, &'a mut Param)>) {
        self.map.step_mut(0, 0).collect_mut(&join(path, "map"), out);
    }
}

/// A batch with learned noise, on the tape where the dequantiser's weights are.
#[derive(Clone, Debug)]
pub struct Dequantized {
    /// What the flow sees, `[batch, height, width, channels]`.
    pub x: Tensor<4>,
    /// `log |dx/du|` of the scaling, nats, `[batch]`.
    pub log_det: Tensor<1>,
    /// `log q(u | v)`, nats, `[batch]`.
    pub log_q: Tensor<1>,
}

impl VariationalDequantizer {
    /// A new one for pictures of `event` (height, width, channels): its noise is uniform.
    ///
    /// # Errors
    /// [`Error::Config`] for settings out of range and for pictures with an odd height or width.
    pub fn new(config: &VariationalConfig, event: [usize; 3], seed: u64, device: &Device) -> Result<Self> {
        let architecture = config.architecture(event)?;
        let mut rng = random::stream(seed, "dequantizer weights", 0);
        let chain = architecture.levels[0][0].clone();
        let map = Flow::of_steps(vec![chain.build(&mut rng, device)?], vec![chain], architecture.event, 0)?;
        Ok(Self { config: *config, event, map })
    }

    /// What rebuilds it, weights and pictures aside.
    pub fn config(&self) -> VariationalConfig {
        self.config
    }

    /// Height, width and channels of its pictures.
    pub fn event(&self) -> [usize; 3] {
        self.event
    }

    /// `u` and `log q(u | v)` in nats, `[batch]`, of standard normal `eps`; `pictures` holds `(v + 1/2) / 2^bits - 1/2`, both of one shape.
    ///
    /// # Errors
    /// [`Error::Shape`] for pictures of another shape.
    pub fn noise(&self, pictures: Tensor<4>, eps: Tensor<4>) -> Result<(Tensor<4>, Tensor<1>)> {
        let four = 4 * self.event[2];
        let state = Latents::single(self.state(pictures, eps.clone()));
        let (state, log_det) = self.map.inverse(&state, None)?;
        let y = Squeeze.inverse(state.narrow(3, four, four), None).0;
        let log_q = sum_event((y.clone() - eps.clone()) * (y.clone() + eps) * 0.5) + log_det;
        // Beyond these ends an f32 rounds to 0 and 1.
        let end = f64::from(f32::EPSILON) / 2.0;
        let u = (((y / SQRT_2).erf() + 1.0) * 0.5).clamp(end, 1.0 - end);
        Ok((u, log_q))
    }

    /// The flow `g`, as [`VariationalConfig::architecture`] describes it.
    pub(crate) fn flow(&self) -> &Flow {
        &self.map
    }

    fn state(&self, pictures: Tensor<4>, eps: Tensor<4>) -> Tensor<4> {
        Tensor::cat([pictures, eps].map(|part| Squeeze.forward(part, None).0).to_vec(), 3)
    }

    /// The pictures of a batch with noise of this dequantiser: the same pixels, the same coins, `x` a function of the weights.
    ///
    /// # Errors
    /// [`Error::Config`] for a batch of rows, [`Error::Shape`] for pictures of another shape.
    pub fn draw(&self, batch: &Batch) -> Result<Dequantized> {
        let pixels = self.pixels_of(batch)?;
        let (values, eps) = self.inputs(pixels, batch);
        let (u, log_q) = self.noise(centred(&pixels.scaling, values.clone()), eps)?;
        let (x, log_det) = scaled_tensor(&pixels.scaling, values, u);
        Ok(Dequantized { x, log_det, log_q })
    }

    /// The same as a batch that records nothing; `log_dets` hold `log |dx/du| - log q(u | v)`, so that whatever scores batches gives the bound.
    ///
    /// # Errors
    /// As [`VariationalDequantizer::draw`].
    pub fn apply(&self, batch: &Batch) -> Result<Batch> {
        let drawn = self.draw(batch)?;
        let log_dets = to_f64(drawn.log_det).into_iter().zip(to_f64(drawn.log_q)).map(|(x, q)| x - q).collect();
        Ok(Batch {
            x: drawn.x.without_autodiff(),
            log_dets,
            context: batch.context.clone(),
            pixels: batch.pixels.clone(),
        })
    }

    /// Set the normalisations inside the nets from one batch, once.
    ///
    /// # Errors
    /// As [`VariationalDequantizer::draw`].
    pub fn initialize(&mut self, batch: &Batch) -> Result<()> {
        let pixels = self.pixels_of(batch)?;
        let (values, eps) = self.inputs(pixels, batch);
        let state = self.state(centred(&pixels.scaling, values), eps);
        self.map.initialize(&state, None)
    }

    fn pixels_of<'a>(&self, batch: &'a Batch) -> Result<&'a PixelBatch> {
        let pixels = batch.pixels.as_ref().ok_or_else(|| {
            Error::config("dequantization", "the batch holds no pixel values", "use pictures, or uniform noise")
        })?;
        let [_, got @ ..] = batch.x.dims();
        match got == self.event {
            true => Ok(pixels),
            false => Err(Error::shape("pictures to dequantise", format!("{:?}", self.event), format!("{got:?}"))),
        }
    }

    /// Pixel values and normal noise of a batch.
    fn inputs(&self, pixels: &PixelBatch, batch: &Batch) -> (Tensor<4>, Tensor<4>) {
        let (shape, device) = (batch.x.dims(), batch.x.device().without_autodiff());
        let values: Vec<f32> = pixels.values.iter().map(|&value| f32::from(value)).collect();
        let eps: Vec<f32> = pixels.noise.par_iter().map(|&u| normal_of_uniform(u)).collect();
        let tensor = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, shape), &device);
        (tensor(values), tensor(eps))
    }

    /// A copy that records nothing.
    pub fn frozen(mut self) -> Self {
        crate::param::freeze(&mut self);
        self
    }

    /// A number that changes whenever a saved value does.
    pub fn fingerprint(&self) -> u64 {
        crate::param::fingerprint(self)
    }
}
