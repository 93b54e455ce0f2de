//! Rename the planes.

use super::{Layer, Purpose};
use crate::work::{Tape, Work};

/// Latent channel `i` is data channel `indices[i]`.
#[derive(Debug)]
pub(crate) struct Permute {
    indices: Vec<usize>,
    back: Vec<usize>,
}

impl Permute {
    pub(crate) fn new(indices: &[usize]) -> Option<Self> {
        let mut back = vec![usize::MAX; indices.len()];
        for (i, &from) in indices.iter().enumerate() {
            *back.get_mut(from)? = i;
        }
        back.iter().all(|i| *i != usize::MAX).then(|| Self { indices: indices.to_vec(), back })
    }
}

fn take(work: &mut Work, from: &[usize], gradient: bool) {
    let lanes = work.lanes();
    let mut out = work.take(from.len() * lanes);
    let planes = if gradient { &mut work.gradient } else { &mut work.state };
    for (out, &from) in out.chunks_exact_mut(lanes).zip(from) {
        out.copy_from_slice(&planes[from * lanes..][..lanes]);
    }
    std::mem::swap(planes, &mut out);
    work.give(out);
}

impl Layer for Permute {
    fn load(&mut self, _values: &[f32], _purpose: Purpose) {}

    fn forward(&self, work: &mut Work, _tape: &mut Tape) {
        take(work, &self.indices, false);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        take(work, &self.back, false);
    }

    fn backward(&self, work: &mut Work, _tape: &mut Tape, _sums: &mut [f32]) {
        take(work, &self.back, true);
    }

    fn backward_inverse(&self, work: &mut Work, _tape: &mut Tape, _sums: &mut [f32]) {
        take(work, &self.indices, true);
    }

    fn planes(&self) -> usize {
        0
    }
}
