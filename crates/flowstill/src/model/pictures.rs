//! Score pictures in bits per dimension, draw new ones, and carry them to latents and back.

use super::Model;
use crate::flows::Latents;
use crate::pictures::{PictureScaling, Pictures, chunk_of, one_hot};
use crate::{Error, Result, random, to_f32, to_f64};
use burn::tensor::Tensor;
use std::f64::consts::LN_2;

use flowstill_runtime::pictures::log_mean_exp;

/// Bits per dimension of a set of pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureScore {
    /// Of each picture.
    pub each: Vec<f64>,
    /// Draws of noise per picture.
    pub draws: usize,
}

impl PictureScore {
    /// Mean and standard error over the pictures.
    pub fn mean_and_standard_error(&self) -> (f64, f64) {
        let n = self.each.len() as f64;
        let mean = self.each.iter().sum::<f64>() / n;
        let variance = self.each.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        (mean, (variance / n).sqrt())
    }
}

impl Model {
    fn check_pictures(&self, pictures: &Pictures) -> Result<()> {
        let architecture = self.flow.architecture();
        let theirs = (pictures.event(), pictures.context_columns(), Some(pictures.scaling().bits));
        let own = (architecture.event, architecture.context, self.pictures.map(|scaling| scaling.bits));
        if own != theirs {
            let say = |(event, classes, bits): ([usize; 3], usize, Option<u32>)| {
                format!("{event:?} with {classes} classes and {} bits", bits.map_or("no".into(), |b| b.to_string()))
            };
            return Err(Error::shape("pictures", say(own), say(theirs)));
        }
        Ok(())
    }

    /// Bits per dimension of pictures: `-log2 P(v) / D` of the pixel values, an upper bound by the noise that makes them continuous.
    ///
    /// With several `draws` of noise per picture the bound is the importance-weighted one, `-log2 mean(2^-bits) / D` (Burda et al. 2016), and
    /// tighter. Noise comes from the model's dequantiser where it has one, and its `log q(u | v)` is included. The log-determinants of scaling and logit are included, so the figure does not depend on the scaling chosen.
    ///
    /// # Errors
    /// [`Error::Shape`] for pictures that do not fit the model, [`Error::NotFinite`] names the first picture without a finite density.
    pub fn bits_per_dim(
        &self,
        pictures: &Pictures,
        draws: usize,
        seed: u64,
        mut progress: impl FnMut(usize) -> bool,
    ) -> Result<PictureScore> {
        self.check_pictures(pictures)?;
        let (dimensions, device) = (self.flow.architecture().dimensions(), self.flow.device());
        let chunk = chunk_of(dimensions);
        let draws = draws.max(1);
        let mut each = Vec::with_capacity(pictures.len());
        for start in (0..pictures.len()).step_by(chunk) {
            let range = start..(start + chunk).min(pictures.len());
            let mut logs: Vec<Vec<f64>> = vec![Vec::with_capacity(draws); range.len()];
            for draw in 0..draws as u64 {
                let batch = pictures.range(range.clone(), seed.wrapping_add(draw), &device);
                let batch = match &self.dequantizer {
                    Some(dequantizer) => dequantizer.apply(&batch)?,
                    None => batch,
                };
                let log_prob = to_f64(self.flow.log_prob(batch.x, batch.context.as_ref())?);
                for ((logs, log_prob), log_det) in logs.iter_mut().zip(log_prob).zip(batch.log_dets) {
                    logs.push(log_prob + log_det);
                }
            }
            each.extend(logs.iter().map(|logs| -log_mean_exp(logs) / (dimensions as f64 * LN_2)));
            if !progress(range.end) {
                return Err(Error::Interrupted { step: range.end as u64 });
            }
        }
        match each.iter().position(|bits| !bits.is_finite()) {
            Some(at) => Err(Error::NotFinite {
                what: "bits per dimension".into(),
                problem: format!("picture {} has {}", at + 1, each[at]),
                remedy: "check that the picture is like those the flow was trained on".into(),
            }),
            None => Ok(PictureScore { each, draws }),
        }
    }

    /// Draw pictures, `[count, height, width, channels]` of pixel values; `labels` holds one class per picture for a class-conditional flow.
    ///
    /// # Errors
    /// [`Error::Config`] for a temperature below 0 or a model without pictures, [`Error::Shape`] for labels that do not fit.
    pub fn sample_pictures(&self, count: usize, seed: u64, temperature: f64, labels: &[u32]) -> Result<Vec<u8>> {
        self.sample_pictures_from(0, count, seed, temperature, labels)
    }

    /// Draw `count` pictures from picture `first`, a multiple of [`chunk_of`] the dimensions, of those that [`Model::sample_pictures`] draws
    /// by the same seed: a part of a draw that is too long to be held. `labels` are those of these pictures.
    ///
    /// # Errors
    /// As [`Model::sample_pictures`]; [`Error::Config`] for another `first`.
    pub fn sample_pictures_from(
        &self,
        first: usize,
        count: usize,
        seed: u64,
        temperature: f64,
        labels: &[u32],
    ) -> Result<Vec<u8>> {
        if !(temperature >= 0.0 && temperature.is_finite()) {
            let problem = format!("{temperature}");
            return Err(Error::config("temperature", problem, "use 0 or more; 1 samples the density, 0 its middle"));
        }
        let classes = self.flow.architecture().context;
        let wanted = if classes > 0 { count } else { 0 };
        if labels.len() != wanted || labels.iter().any(|label| *label as usize >= classes) {
            let expected = format!("{wanted} labels below {classes}");
            return Err(Error::shape("labels", expected, format!("{} labels", labels.len())));
        }
        let (dimensions, device) = (self.flow.architecture().dimensions(), self.flow.device());
        let chunk = chunk_of(dimensions);
        if !first.is_multiple_of(chunk) {
            return Err(Error::config("first picture", format!("{first}"), format!("use a multiple of {chunk}")));
        }
        let mut out = Vec::new();
        for (index, start) in (0..count).step_by(chunk).enumerate() {
            let end = (start + chunk).min(count);
            let context = (classes > 0).then(|| one_hot(&labels[start..end], classes, &device));
            let mut rng = random::stream(seed, "sample", (first / chunk + index) as u64);
            let noise = self.flow.draw_noise(end - start, &mut rng);
            let latents = self.flow.latents_from_noise(&noise, temperature);
            out.extend(self.pictures_of(&latents, context.as_ref())?);
        }
        Ok(out)
    }

    /// Latents to pixel values.
    ///
    /// # Errors
    /// As [`Flow::inverse`](crate::flows::Flow::inverse); also for a model without pictures.
    pub fn pictures_of(&self, latents: &Latents, context: Option<&Tensor<2>>) -> Result<Vec<u8>> {
        let scaling = self.scaling()?;
        let (x, _) = self.flow.inverse(latents, context)?;
        Ok(to_f32(x).into_iter().map(|value| scaling.inverse(value)).collect())
    }

    /// Pictures to the latents of every level; the noise that makes them continuous is a half everywhere, so that they come back as they were.
    ///
    /// # Errors
    /// [`Error::Shape`] for pictures that do not fit the model.
    pub fn latents_of(&self, pictures: &Pictures) -> Result<(Latents, Option<Tensor<2>>)> {
        self.check_pictures(pictures)?;
        let scaling = self.scaling()?;
        let [h, w, c] = pictures.event();
        let mut values = Vec::new();
        scaling.forward(pictures.pixels(), &vec![0.5; pictures.pixels().len()], &mut values);
        let device = self.flow.device();
        let x = Tensor::from_data(burn::tensor::TensorData::new(values, [pictures.len(), h, w, c]), &device);
        let context = pictures.labels().map(|labels| one_hot(labels, pictures.context_columns(), &device));
        Ok((self.flow.forward(x, context.as_ref())?.0, context))
    }

    /// Classes as the conditioning input of this flow; none for a flow without classes.
    pub fn class_context(&self, labels: &[u32]) -> Option<Tensor<2>> {
        let classes = self.flow.architecture().context;
        (classes > 0).then(|| one_hot(labels, classes, &self.flow.device()))
    }

    fn scaling(&self) -> Result<PictureScaling> {
        self.pictures.ok_or_else(|| {
            Error::config("flow", "models rows of a table, not pictures", "use a flow that was trained on pictures")
        })
    }
}
