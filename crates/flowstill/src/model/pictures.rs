//! Score pictures in bits per dimension, draw new ones, and carry them to latents and back.

use super::{FlowEngine, Model, Units, Wanted};
use crate::flows::Latents;
use crate::pictures::{PictureScaling, Pictures, chunk_of, one_hot};
use crate::{Error, Result, to_f32};
use burn::tensor::Tensor;

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
        let units = self.pixels(Wanted::Densities)?;
        let (dimensions, draws) = (self.columns(), draws.max(1));
        let mut each = vec![0.0; pictures.len()];
        let mut done = 0;
        // What is told of progress, and may stop it.
        for out in each.chunks_mut(chunk_of(dimensions)) {
            let range = done..done + out.len();
            let labels = pictures.labels().map_or(&[][..], |labels| &labels[range.clone()]);
            let pixels = &pictures.pixels()[range.start * dimensions..range.end * dimensions];
            units.bits_per_dim_from(done, pixels, labels, draws, seed, out)?;
            done = range.end;
            if !progress(done) {
                return Err(Error::Interrupted { step: done as u64 });
            }
        }
        Ok(PictureScore { each, draws })
    }

    /// The model over pixels, with its noise where densities are asked for.
    fn pixels(&self, wanted: Wanted) -> Result<Units<FlowEngine<'_>>> {
        let learned = self.dequantizer.as_ref().filter(|_| wanted == Wanted::Densities);
        let noise = learned.map(|learned| FlowEngine::new(learned.flow(), true, false));
        self.raw(wanted)?.over_pictures(self.scaling()?, noise)
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
        let mut out = self.room(count)?;
        self.pixels(Wanted::Rows)?.sample_pictures_from(first as u64, seed, temperature, labels, &mut out)?;
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
