//! Decode, cut and collect the pictures of a set's splits, many at a time and in a fixed order.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::options::OnError;
use super::raster::{Fit, Raster, repeated};
use super::source::Holding;
use crate::{DataError, PictureConfig, Pictures, Result};

/// Pictures decoded before they are collected, at most: enough for every core.
const BLOCK: usize = 256;

/// Bytes decoded before they are collected, about: few enough to hold beside the rest.
const BLOCK_BYTES: usize = 1 << 28;

/// Collects split after split; all pictures must come out in one size.
pub(super) struct Assembly {
    fit: Fit,
    on_error: OnError,
    /// The first picture's file, height and width.
    first: Option<(PathBuf, [usize; 2])>,
    parts: Vec<Pictures>,
    /// Files left out, and why.
    pub skipped: Vec<String>,
}

impl Assembly {
    pub fn new(config: &PictureConfig) -> Self {
        let fit = Fit::new(config);
        Self { fit, on_error: config.on_error, first: None, parts: Vec::new(), skipped: Vec::new() }
    }

    /// Adds a split: the pictures of `holding` that `indices` name, in that order; gives those that were not left out.
    pub fn split(&mut self, holding: &Holding, indices: &[u32], class_count: usize) -> Result<Vec<u32>> {
        let mut part = Pictures { class_count, channels: 1, ..Pictures::default() };
        let mut labels = Vec::new();
        let mut kept = Vec::with_capacity(indices.len());
        let (mut rest, mut size) = (indices, 32);
        while !rest.is_empty() {
            let (block, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            let fitted = |&index: &u32| {
                let index = index as usize;
                let raster = holding.raster(index).and_then(|raster| self.fit.apply(raster, holding.path(index)));
                (index, raster)
            };
            let rasters: Vec<_> = block.par_iter().map(fitted).collect();
            for (index, raster) in rasters {
                match (raster, self.on_error) {
                    (Ok(raster), _) => {
                        self.push(&mut part, raster, holding.path(index), indices.len())?;
                        labels.extend(holding.label(index));
                        kept.push(index as u32);
                    }
                    (Err(error), OnError::Skip) => self.skipped.push(error.to_string()),
                    (Err(error), OnError::Error) => return Err(error),
                }
            }
            if let Some(bytes) = part.pixels.len().checked_div(part.count) {
                size = (BLOCK_BYTES / bytes.max(1)).clamp(1, BLOCK);
            }
        }
        part.labels = (class_count > 0 && labels.len() == part.count).then_some(labels);
        self.parts.push(part);
        Ok(kept)
    }

    fn push(&mut self, part: &mut Pictures, mut raster: Raster, path: &Path, expected: usize) -> Result<()> {
        let sides = [raster.height, raster.width];
        let (first, [height, width]) = self.first.get_or_insert_with(|| (path.to_path_buf(), sides));
        if sides != [*height, *width] {
            let expected = format!("{height}x{width} pixels like {}", first.display());
            let got = format!("{}x{} pixels", sides[0], sides[1]);
            let remedy = "set `resize` (and `crop`, if you like) to bring all pictures to one size";
            return Err(DataError::malformed(path, expected, got, remedy));
        }
        if raster.channels > part.channels {
            part.pixels = repeated(&part.pixels);
            part.channels = raster.channels;
        } else if raster.channels < part.channels {
            raster = raster.colour();
        }
        if part.count == 0 {
            let room = raster.pixels.len().saturating_mul(expected);
            part.pixels.try_reserve_exact(room).map_err(|_| {
                let got = format!("{room} bytes for {expected} pictures");
                DataError::malformed(path, "a set that fits into memory", got, "set `limit` or a smaller `resize`")
            })?;
        }
        part.pixels.extend_from_slice(&raster.pixels);
        part.count += 1;
        Ok(())
    }

    /// Every split, all in the same shape, their values reduced to the top `bits` bits.
    pub fn finish(self, bits: u8) -> Vec<Pictures> {
        let [height, width] = self.first.map_or([0, 0], |(_, sides)| sides);
        let channels = self.parts.iter().map(|part| part.channels).max().unwrap_or(1);
        let mut parts = self.parts;
        for part in &mut parts {
            (part.height, part.width) = (height, width);
            if part.channels < channels {
                part.pixels = repeated(&part.pixels);
                part.channels = channels;
            }
            if bits < 8 {
                let reduce = |values: &mut [u8]| values.iter_mut().for_each(|value| *value >>= 8 - bits);
                part.pixels.par_chunks_mut(1 << 16).for_each(reduce);
            }
        }
        parts
    }
}
