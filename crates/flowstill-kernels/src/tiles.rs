//! Cut a batch into tiles that one worker carries through a whole network while they lie in its cache.

use std::ops::Range;

/// What a tile's arrays may take together: a second-level cache and a share of the third. Nets of 64 and 128 channels do as well with a quarter;
/// those of 512 want the longer sums over positions in the gradients of their weights.
const CACHE: usize = 1536 * 1024;
/// Positions below which a matrix product is no longer worth its own overhead.
const FEW: usize = 64;

/// How a batch is cut. A line is one row of positions of one sample; lines are numbered through the batch.
#[derive(Clone, Debug)]
pub struct Tiles {
    /// Consecutive ranges of lines that together are all lines.
    pub ranges: Vec<Range<usize>>,
    /// Whether every range consists of whole samples, so that a tile needs no other.
    pub whole: bool,
    /// Lines that a worker computes at a time.
    pub band: usize,
}

impl Tiles {
    /// Cut `batch` samples of `height` lines of `width` positions, whose arrays take `bytes` a position, for `workers` threads.
    pub fn new([batch, height, width]: [usize; 3], bytes: usize, workers: usize) -> Self {
        let fitting = (CACHE / bytes.max(1)).max(FEW);
        let band = (fitting / width.max(1)).max(1);
        if batch < workers {
            // Fewer samples than workers: cut the samples themselves.
            let share = (batch * height).div_ceil(workers.max(1)).max(FEW.div_ceil(width.max(1)));
            return Self { ranges: cut(batch * height, share.min(band)), whole: false, band };
        }
        let samples = (fitting / (height * width).max(1)).clamp(1, batch.div_ceil(2 * workers).max(1));
        let samples = samples.max(FEW.div_ceil((height * width).max(1))).min(batch.div_ceil(workers)).max(1);
        Self { ranges: cut(batch * height, samples * height), whole: true, band: band.min(samples * height) }
    }

    /// The tiles in as many groups of neighbours as there are workers, so that each group can sum its own gradients.
    pub fn groups(&self, workers: usize) -> Vec<&[Range<usize>]> {
        if self.ranges.is_empty() {
            return Vec::new();
        }
        self.ranges.chunks(self.ranges.len().div_ceil(workers.max(1))).collect()
    }

    /// The bands of a tile.
    pub fn bands(&self, tile: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let (end, band) = (tile.end, self.band);
        tile.clone().step_by(band).map(move |start| start..(start + band).min(end))
    }
}

/// `0..count` in ranges of `size`, the last as long as it must be.
fn cut(count: usize, size: usize) -> Vec<Range<usize>> {
    (0..count).step_by(size.max(1)).map(|start| start..(start + size).min(count)).collect()
}

/// Split a slice into consecutive parts.
pub fn split(mut values: &mut [f32], lengths: impl Iterator<Item = usize>) -> Vec<&mut [f32]> {
    lengths
        .map(|length| {
            let (part, rest) = std::mem::take(&mut values).split_at_mut(length);
            values = rest;
            part
        })
        .collect()
}
