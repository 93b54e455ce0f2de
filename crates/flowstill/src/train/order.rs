//! Deal out a data set in an order that follows from the seed and the step alone.

use crate::random;
use rand::seq::SliceRandom;

/// Batches in the order of (seed, step): each epoch is one permutation, and a batch may straddle two epochs.
pub(super) struct Order {
    seed: u64,
    rows: usize,
    epoch: Option<(u64, Vec<u32>)>,
}

impl Order {
    pub(super) fn new(seed: u64, rows: usize) -> Self {
        Self { seed, rows, epoch: None }
    }

    /// The rows of step `step` (from 0).
    pub(super) fn batch(&mut self, step: u64, size: usize) -> Vec<u32> {
        let first = step * size as u64;
        (first..first + size as u64)
            .map(|position| {
                let (epoch, at) = (position / self.rows as u64, position % self.rows as u64);
                if self.epoch.as_ref().is_none_or(|(current, _)| *current != epoch) {
                    let mut order: Vec<u32> = (0..self.rows as u32).collect();
                    order.shuffle(&mut random::stream(self.seed, "epoch", epoch));
                    self.epoch = Some((epoch, order));
                }
                self.epoch.as_ref().map_or(0, |(_, order)| order[at as usize])
            })
            .collect()
    }
}
