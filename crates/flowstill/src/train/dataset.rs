//! Say what a training needs of its data; rows and pictures are two such sets, and a user may bring a third.

use super::Rows;
use crate::batch::Batch;
use crate::pictures::{Pictures, chunk_of};
use burn::tensor::Device;
use std::ops::Range;

/// Examples in a fixed order, and batches of them.
///
/// A batch follows from its arguments alone: that is why a resumed training sees what it would have seen.
pub trait Dataset {
    /// What a loss takes at one step.
    type Batch;

    /// How many examples there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples at `indices`, in that order, for step `step` of a training; whatever is random about them follows from (seed, step).
    fn batch(&self, indices: &[u32], seed: u64, step: u64, device: &Device) -> Self::Batch;

    /// Consecutive examples, the same ones at every call: for validations and for what is set before the first step.
    fn range(&self, examples: Range<usize>, device: &Device) -> Self::Batch;

    /// How many to handle at once where all are scored.
    fn chunk(&self) -> usize {
        8192
    }

    /// The most that may set data-dependent parameters before the first step.
    fn most_to_initialize(&self) -> usize {
        usize::MAX
    }

    /// A number that changes whenever they do; ties a checkpoint to its data.
    fn fingerprint(&self) -> u64;
}

/// The first `count` examples, or all, in batches.
pub(super) fn batches<'a, D: Dataset + ?Sized>(
    data: &'a D,
    count: usize,
    device: &'a Device,
) -> impl Iterator<Item = D::Batch> + 'a {
    let (count, chunk) = (data.len().min(count), data.chunk().max(1));
    (0..count).step_by(chunk).map(move |start| data.range(start..(start + chunk).min(count), device))
}

impl Dataset for Rows {
    type Batch = Batch;

    fn len(&self) -> usize {
        Rows::len(self)
    }

    fn batch(&self, indices: &[u32], _seed: u64, _step: u64, device: &Device) -> Batch {
        Rows::batch(self, indices, device)
    }

    fn range(&self, examples: Range<usize>, device: &Device) -> Batch {
        Rows::range(self, examples, device)
    }

    fn fingerprint(&self) -> u64 {
        Rows::fingerprint(self)
    }
}

impl Dataset for Pictures {
    type Batch = Batch;

    fn len(&self) -> usize {
        Pictures::len(self)
    }

    fn batch(&self, indices: &[u32], seed: u64, step: u64, device: &Device) -> Batch {
        Pictures::batch(self, indices, seed, step, device)
    }

    /// Unflipped, under the noise of one draw.
    fn range(&self, examples: Range<usize>, device: &Device) -> Batch {
        Pictures::range(self, examples, 0, device)
    }

    fn chunk(&self) -> usize {
        chunk_of(self.event().iter().product())
    }

    /// What fits into one batch without a tape.
    fn most_to_initialize(&self) -> usize {
        ((1 << 22) / self.event().iter().product::<usize>().max(1)).max(16)
    }

    fn fingerprint(&self) -> u64 {
        Pictures::fingerprint(self)
    }
}

/// Rows of a table, or pictures.
#[derive(Clone, Debug)]
pub enum Examples {
    /// Rows of a table.
    Rows(Rows),
    /// Pictures.
    Pictures(Pictures),
}

impl From<Rows> for Examples {
    fn from(rows: Rows) -> Self {
        Self::Rows(rows)
    }
}

impl From<Pictures> for Examples {
    fn from(pictures: Pictures) -> Self {
        Self::Pictures(pictures)
    }
}

impl Examples {
    /// The rows of a table; none of pictures.
    pub fn rows(&self) -> Option<&Rows> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Pictures(_) => None,
        }
    }

    /// The pictures; none of a table.
    pub fn pictures(&self) -> Option<&Pictures> {
        match self {
            Self::Rows(_) => None,
            Self::Pictures(pictures) => Some(pictures),
        }
    }

    /// The first `count`, or all.
    pub fn head(&self, count: usize) -> Self {
        match self {
            Self::Rows(rows) => rows.head(count).into(),
            Self::Pictures(pictures) => pictures.head(count).into(),
        }
    }

    fn inner(&self) -> &dyn Dataset<Batch = Batch> {
        match self {
            Self::Rows(rows) => rows,
            Self::Pictures(pictures) => pictures,
        }
    }
}

impl Dataset for Examples {
    type Batch = Batch;

    fn len(&self) -> usize {
        self.inner().len()
    }

    fn batch(&self, indices: &[u32], seed: u64, step: u64, device: &Device) -> Batch {
        self.inner().batch(indices, seed, step, device)
    }

    fn range(&self, examples: Range<usize>, device: &Device) -> Batch {
        self.inner().range(examples, device)
    }

    fn chunk(&self) -> usize {
        self.inner().chunk()
    }

    fn most_to_initialize(&self) -> usize {
        self.inner().most_to_initialize()
    }

    fn fingerprint(&self) -> u64 {
        self.inner().fingerprint()
    }
}

/// What a training learns from and what it is steered by. The test split is not here: nothing may be selected on it.
#[derive(Clone, Debug)]
pub struct TrainingData<D = Examples> {
    /// What to learn from.
    pub train: D,
    /// What chooses the best weights.
    pub validation: D,
}
