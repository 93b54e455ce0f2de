//! Hold pictures as bytes, and make batches of them: noise, flips and labels follow from the seed and the step alone.

use super::PictureScaling;
use crate::batch::{Batch, PixelBatch};
use crate::{Error, Result, random};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngCore;
use rayon::prelude::*;
use std::sync::Arc;

/// Pictures of one shape, with or without class labels.
#[derive(Clone, Debug)]
pub struct Pictures {
    pixels: Arc<Vec<u8>>,
    count: usize,
    event: [usize; 3],
    labels: Option<Arc<Vec<u32>>>,
    classes: usize,
    scaling: PictureScaling,
    flip: bool,
}

impl Pictures {
    /// `pixels` is `[count, height, width, channels]`, row-major, with values of `scaling.bits` bits; `event` is (height, width, channels).
    ///
    /// # Errors
    /// [`Error::Shape`] if the pixels do not fill whole pictures, [`Error::Config`] for a pixel value past the bits.
    pub fn new(pixels: Vec<u8>, event: [usize; 3], scaling: PictureScaling) -> Result<Self> {
        scaling.check()?;
        let size: usize = event.iter().product();
        if size == 0 || !pixels.len().is_multiple_of(size) {
            let expected = format!("pictures of {event:?}, {size} values each");
            return Err(Error::shape("pictures", expected, format!("{} values", pixels.len())));
        }
        if let Some(at) = pixels.iter().position(|&v| f64::from(v) >= scaling.values()) {
            return Err(Error::config(
                "scaling.bits",
                format!("picture {} has the value {}, past {} bits", at / size + 1, pixels[at], scaling.bits),
                "give the bits that the pictures were read with",
            ));
        }
        let count = pixels.len() / size;
        Ok(Self { pixels: Arc::new(pixels), count, event, labels: None, classes: 0, scaling, flip: false })
    }

    /// Turn every other picture round, left to right, in training batches.
    pub fn flipped(mut self, flip: bool) -> Self {
        self.flip = flip;
        self
    }

    /// Condition on the class: one label per picture, below `classes`; a batch's context is its one-hot row.
    ///
    /// # Errors
    /// [`Error::Shape`] for labels that do not fit.
    pub fn with_labels(mut self, labels: Vec<u32>, classes: usize) -> Result<Self> {
        let past = labels.iter().any(|label| *label as usize >= classes);
        if labels.len() != self.count || past {
            let expected = format!("{} labels below {classes}", self.count);
            return Err(Error::shape("labels", expected, format!("{} labels", labels.len())));
        }
        self.labels = Some(Arc::new(labels));
        self.classes = classes;
        Ok(self)
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Height, width and channels.
    pub fn event(&self) -> [usize; 3] {
        self.event
    }

    /// Width of the conditioning input: the number of classes, or 0.
    pub fn context_columns(&self) -> usize {
        self.classes
    }

    /// How pixels become what the flow sees.
    pub fn scaling(&self) -> PictureScaling {
        self.scaling
    }

    /// The pixel values, row-major.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels[..self.count * self.size()]
    }

    /// The labels, where there are any.
    pub fn labels(&self) -> Option<&[u32]> {
        self.labels.as_ref().map(|labels| &labels[..self.count])
    }

    /// The first `count` pictures, or all.
    pub fn head(&self, count: usize) -> Self {
        Self { count: count.min(self.count), ..self.clone() }
    }

    fn size(&self) -> usize {
        self.event.iter().product()
    }

    /// Pictures `indices` with fresh noise and flips of (seed, step).
    pub fn batch(&self, indices: &[u32], seed: u64, step: u64, device: &Device) -> Batch {
        let mut coins = random::stream(seed, "flips", step);
        let flips: Vec<bool> = indices.iter().map(|_| self.flip && coins.next_u32() & 1 == 1).collect();
        let mut rng = random::stream(seed, "dequantization", step);
        let noise = random::uniforms(indices.len() * self.size(), &mut rng);
        self.make(indices, &flips, noise, device)
    }

    /// Consecutive pictures, unflipped, each with noise of its own that follows from `draw` and its place alone.
    pub fn range(&self, pictures: std::ops::Range<usize>, draw: u64, device: &Device) -> Batch {
        let indices: Vec<u32> = pictures.map(|i| i as u32).collect();
        let mut noise = vec![0.0_f32; indices.len() * self.size()];
        noise.par_chunks_mut(self.size()).zip(&indices).for_each(|(noise, &index)| {
            flowstill_runtime::pictures::picture_noise(draw, u64::from(index), noise);
        });
        self.make(&indices, &vec![false; indices.len()], noise, device)
    }

    fn make(&self, indices: &[u32], flips: &[bool], noise: Vec<f32>, device: &Device) -> Batch {
        let (size, [h, w, c]) = (self.size(), self.event);
        let mut pixels = vec![0; noise.len()];
        pixels.par_chunks_mut(size).zip(indices).zip(flips).for_each(|((out, &index), &flip)| {
            out.copy_from_slice(&self.pixels[index as usize * size..][..size]);
            if flip {
                out.chunks_exact_mut(w * c).for_each(|row| turn(row, c));
            }
        });
        let one = |(pixels, noise): (&[u8], &[f32])| {
            let mut out = Vec::with_capacity(size);
            let log_det = self.scaling.forward(pixels, noise, &mut out);
            (out, log_det)
        };
        let made: Vec<(Vec<f32>, f64)> = pixels.par_chunks(size).zip(noise.par_chunks(size)).map(one).collect();
        let log_dets: Vec<f64> = made.iter().map(|(_, log_det)| *log_det).collect();
        let values: Vec<f32> = made.into_iter().flat_map(|(values, _)| values).collect();
        Batch {
            x: Tensor::from_data(TensorData::new(values, [indices.len(), h, w, c]), device),
            context: self.context(indices, device),
            log_dets,
            pixels: Some(PixelBatch { values: pixels, noise, scaling: self.scaling }),
        }
    }

    fn context(&self, indices: &[u32], device: &Device) -> Option<Tensor<2>> {
        let labels = self.labels.as_ref()?;
        let chosen: Vec<u32> = indices.iter().map(|&i| labels[i as usize]).collect();
        Some(one_hot(&chosen, self.classes, device))
    }

    /// A number that changes whenever the pictures, their scaling or their labels do.
    pub fn fingerprint(&self) -> u64 {
        let mix = |hash: u64, value: u64| (hash ^ value).wrapping_mul(0x0000_0100_0000_01b3);
        let text = serde_json::to_string(&(self.event, self.scaling, self.flip, self.classes)).unwrap_or_default();
        let start = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| mix(hash, u64::from(byte)));
        let hash = self.pixels().iter().fold(start, |hash, &v| mix(hash, u64::from(v)));
        self.labels().unwrap_or_default().iter().fold(hash, |hash, &label| mix(hash, u64::from(label)))
    }
}

/// Turn a row of pixels round, each with its channels in their order.
fn turn(row: &mut [u8], channels: usize) {
    row.reverse();
    row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
}

/// Classes as one-hot rows, `[labels, classes]`.
pub(crate) fn one_hot(labels: &[u32], classes: usize, device: &Device) -> Tensor<2> {
    let mut rows = vec![0.0_f32; labels.len() * classes];
    labels.iter().enumerate().for_each(|(row, &label)| rows[row * classes + label as usize] = 1.0);
    Tensor::from_data(TensorData::new(rows, [labels.len(), classes]), device)
}
