//! Draw the noise that teacher and student share, and what the teacher makes of it.

use super::DistillConfig;
use crate::base::Noise;
use crate::flows::Flow;
use crate::param::to_f32;
use crate::{Error, Result, random};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom;

/// Noise, and the teacher's samples from it: finite, within the outlier bound.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    pub(super) noise: Noise,
    pub(super) samples: Tensor<4>,
    /// The conditioning rows of the samples.
    pub(super) context: Option<Tensor<2>>,
}

/// Values of noise that a pool holds at most: 64 MiB.
const MOST_VALUES: usize = 1 << 24;

/// Draws that are used again and again, one whole draw per step: rows keep their places, so that a copied student computes what the teacher
/// computed, bit for bit.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    draws: Vec<Draw>,
    seed: u64,
}

impl Pool {
    /// As many rows as the settings say, in draws of `each`; and how many were left out.
    pub(super) fn new(
        teacher: &Flow,
        config: &DistillConfig,
        temperature: f64,
        each: usize,
        seed: u64,
    ) -> Result<(Self, usize)> {
        let rows = config.pool;
        let rows = rows.min((MOST_VALUES / teacher.architecture().dimensions()).max(each));
        let mut dropped = 0;
        let mut draws = Vec::new();
        for index in 0..rows.div_ceil(each) {
            let draw = draw(teacher, config, temperature, each, (seed, index as u64), None)?;
            dropped += each - draw.samples.dims()[0];
            draws.push(draw);
        }
        Ok((Self { draws, seed }, dropped))
    }

    /// The draw of a step: each pass over the pool takes the draws in a new order.
    pub(super) fn at(&self, step: u64) -> &Draw {
        let count = self.draws.len() as u64;
        let mut order: Vec<usize> = (0..self.draws.len()).collect();
        order.shuffle(&mut random::stream(self.seed, "pool", step / count));
        &self.draws[order[(step % count) as usize]]
    }
}

/// Draw noise and run the teacher's inverse on it; rows that come out non-finite or far out are left out, together with their noise.
pub(super) fn draw(
    teacher: &Flow,
    config: &DistillConfig,
    temperature: f64,
    rows: usize,
    (seed, counter): (u64, u64),
    context: Option<&Tensor<2>>,
) -> Result<Draw> {
    let device = teacher.device();
    let mut rng = random::stream(seed, "distillation noise", counter);
    let mut noise = Noise::draw(rows, teacher.latent_events(), &mut rng, &device);
    let mut context = context.cloned();
    loop {
        let latents = teacher.latents_from_noise(&noise, temperature);
        let samples = teacher.inverse(&latents, context.as_ref())?.0;
        let good = rows_within(&samples, config.outlier);
        if good.len() == noise.batch() {
            return Ok(Draw { noise, samples: samples.without_autodiff(), context });
        }
        if good.is_empty() {
            return Err(Error::NotFinite {
                what: "samples of the teacher".into(),
                problem: format!("{rows} of {rows} are not finite or past {}", config.outlier),
                remedy:
                    "raise distill.outlier, lower distill.temperature, or train the teacher with bounded log-scales"
                        .into(),
            });
        }
        // The teacher runs again on what is left: its numbers must not depend on rows that the student never sees.
        noise = select_noise(&noise, &good, &device);
        context = context.map(|context| context.select(0, row_indices(&good, &device)));
    }
}

/// Keep some rows of the noise.
pub(super) fn select_noise(noise: &Noise, rows: &[usize], device: &Device) -> Noise {
    Noise {
        normal: noise.normal.iter().map(|level| level.clone().select(0, row_indices(rows, device))).collect(),
        uniform: rows.iter().map(|&row| noise.uniform[row]).collect(),
    }
}

/// Row numbers as a tensor.
pub(super) fn row_indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    Tensor::from_data(TensorData::new(indices, [rows.len()]), device)
}

/// The rows whose values are all finite and within `bound`.
pub(super) fn rows_within(samples: &Tensor<4>, bound: f64) -> Vec<usize> {
    let [n, h, w, c] = samples.dims();
    let values = to_f32(samples.clone());
    let width = h * w * c;
    (0..n).filter(|&row| values[row * width..(row + 1) * width].iter().all(|v| f64::from(v.abs()) <= bound)).collect()
}
