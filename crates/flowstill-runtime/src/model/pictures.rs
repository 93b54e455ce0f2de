//! Score pictures as bytes in bits per dimension, and draw new ones.

use super::output::Rows;
use super::sample::Drawn;
use super::{Model, Space, with_space};
use crate::pictures::{PictureScaling, log_mean_exp};
use crate::{Engine, Error, Result};
use std::f64::consts::LN_2;

impl<E: Engine> Model<E> {
    /// Bits per dimension of pictures, `-log2 P(v) / D` of the pixel values: `pixels` is `[pictures, height, width, channels]`, of the bits that [`Model::scaling`] says; `labels` holds
    /// a class per picture for a class-conditional flow, and nothing else.
    ///
    /// Noise makes pixels continuous, uniform or learned with its `log q(u | v)`, so the figure is an upper bound; with several `draws` of it, at least 1, the
    /// importance-weighted one (Burda et al. 2016).
    ///
    /// # Errors
    /// [`Error::Config`] for a flow over a table, [`Error::Shape`] if the lengths or the pixels do not fit, [`Error::NotFinite`] names the first picture
    /// without a finite density.
    pub fn bits_per_dim(&self, pixels: &[u8], labels: &[u32], draws: usize, seed: u64, out: &mut [f64]) -> Result<()> {
        self.bits_per_dim_from(0, pixels, labels, draws, seed, out)
    }

    /// The same of pictures that `first` others come before: a part of a set, whose noise follows from the place in the whole. Errors count those too.
    ///
    /// # Errors
    /// As [`Model::bits_per_dim`].
    pub fn bits_per_dim_from(
        &self,
        first: usize,
        pixels: &[u8],
        labels: &[u32],
        draws: usize,
        seed: u64,
        out: &mut [f64],
    ) -> Result<()> {
        let scaling = self.needs_pictures()?;
        let d = self.columns();
        if out.len().checked_mul(d) != Some(pixels.len()) {
            let expected = format!("{} pictures of {d} values", out.len());
            return Err(Error::shape("pictures", expected, format!("{} values", pixels.len())));
        }
        if let Some(at) = pixels.iter().position(|v| f64::from(*v) >= scaling.values()) {
            let problem = format!("picture {} has the value {}, past {} bits", at / d + 1, pixels[at], scaling.bits);
            return Err(Error::config("scaling.bits", problem, "give pixels of the flow's bits"));
        }
        self.check_labels(labels, out.len())?;
        let mut logs = vec![0.0; out.len() * draws.max(1)];
        for draw in 0..draws.max(1) {
            let own = &mut logs[draw * out.len()..(draw + 1) * out.len()];
            let seed = seed.wrapping_add(draw as u64);
            self.tiles(Rows::new(own, 1), false, |samples, alone, Rows { values: logs, .. }| {
                with_space(|space| {
                    self.enter_labels(space, labels, samples.clone());
                    let pixels = &pixels[samples.start * d..samples.end * d];
                    self.enter_pixels(space, scaling, pixels, seed, first + samples.start, logs)?;
                    self.encode_space(space, samples.len(), alone)?;
                    for (index, log) in logs.iter_mut().enumerate() {
                        *log += f64::from(self.density_of(space, index, samples.len()));
                    }
                    Ok(())
                })
            })?;
        }
        let count = out.len();
        let mut own = vec![0.0; draws.max(1)];
        for (picture, out) in out.iter_mut().enumerate() {
            own.iter_mut().enumerate().for_each(|(draw, own)| *own = logs[draw * count + picture]);
            *out = -log_mean_exp(&own) / (d as f64 * LN_2);
            if !out.is_finite() {
                return Err(Error::NotFinite {
                    what: "bits per dimension".into(),
                    problem: format!("picture {} has {out}", first + picture + 1),
                    remedy: "check that the picture is like those the flow was trained on".into(),
                });
            }
        }
        Ok(())
    }

    /// Draw pictures, `[pictures, height, width, channels]` of pixel values, until `out` is full; `labels` holds one class per picture for a class-conditional
    /// flow, and nothing else.
    ///
    /// # Errors
    /// [`Error::Config`] for a temperature below 0 or a flow over a table, [`Error::Shape`] if the lengths do not fit.
    pub fn sample_pictures(&self, seed: u64, temperature: f64, labels: &[u32], out: &mut [u8]) -> Result<()> {
        self.sample_pictures_from(0, seed, temperature, labels, out)
    }

    /// Draw from picture `first`, a multiple of [`chunk_of`](crate::pictures::chunk_of) its values, of those that [`Model::sample_pictures`] draws by the same
    /// seed: a part of a draw that is too long to be held. `labels` are those of these pictures.
    ///
    /// # Errors
    /// As [`Model::sample_pictures`]; [`Error::Config`] for another `first`.
    pub fn sample_pictures_from(
        &self,
        first: u64,
        seed: u64,
        temperature: f64,
        labels: &[u32],
        out: &mut [u8],
    ) -> Result<()> {
        let scaling = self.needs_pictures()?;
        if !(temperature >= 0.0 && temperature.is_finite()) {
            let problem = format!("{temperature}");
            return Err(Error::config("temperature", problem, "use 0 or more; 1 samples the density, 0 its middle"));
        }
        let count = out.len() / self.columns();
        if out.len() != count * self.columns() {
            let expected = format!("whole pictures of {} values", self.columns());
            return Err(Error::shape("pictures", expected, format!("{} values", out.len())));
        }
        self.check_labels(labels, count)?;
        let enter = |space: &mut Space, samples| {
            self.enter_labels(space, labels, samples);
            Ok(())
        };
        let leave = |drawn: Drawn<'_>, out: Rows<'_, u8>| {
            out.values.iter_mut().zip(drawn.x).for_each(|(v, x)| *v = scaling.inverse(*x));
        };
        self.draw(first, seed, temperature, Rows::new(out, self.columns()), &enter, &leave)
    }

    fn needs_pictures(&self) -> Result<PictureScaling> {
        self.pictures.ok_or_else(|| {
            Error::config("flow", "models rows of a table, not pictures", "use a flow that was trained on pictures")
        })
    }

    fn check_labels(&self, labels: &[u32], pictures: usize) -> Result<()> {
        let classes = self.context_columns();
        let wanted = if classes > 0 { pictures } else { 0 };
        match labels.len() == wanted && labels.iter().all(|label| (*label as usize) < classes) {
            true => Ok(()),
            false => {
                let expected = format!("{wanted} labels below {classes}");
                Err(Error::shape("labels", expected, format!("{} labels", labels.len())))
            }
        }
    }

    /// The classes of some samples as one-hot rows.
    fn enter_labels(&self, space: &mut Space, labels: &[u32], samples: std::ops::Range<usize>) {
        let classes = self.context_columns();
        space.context.clear();
        space.context.resize(samples.len() * classes, 0.0);
        if classes > 0 {
            let rows = space.context.chunks_exact_mut(classes);
            rows.zip(&labels[samples]).for_each(|(row, label)| row[*label as usize] = 1.0);
        }
    }
}
