//! Hold what a flow makes of data: the latents that meet the base, and the states on the way.

use burn::tensor::Tensor;

/// What meets the base density, one tensor per level; every level's noise is an explicit value.
#[doc(alias = "z_outs")]
#[derive(Clone, Debug)]
pub struct Latents {
    /// `[batch, height, width, channels]` of each level, data side first.
    pub levels: Vec<Tensor<4>>,
}

impl Latents {
    /// The latents of a flow of one level.
    pub fn single(z: Tensor<4>) -> Self {
        Self { levels: vec![z] }
    }

    /// Values per sample, over all levels.
    pub fn dimensions(&self) -> usize {
        self.levels.iter().map(|level| level.dims()[1..].iter().product::<usize>()).sum()
    }

    /// The samples in the batch.
    pub fn batch(&self) -> usize {
        self.levels.first().map_or(0, |level| level.dims()[0])
    }
}

/// The state after every step, in the order of the forward direction.
#[doc(alias = "all_outputs")]
#[derive(Clone, Debug)]
pub struct Trace {
    /// `states[level][step]`, `[batch, height, width, channels]`.
    pub states: Vec<Vec<Tensor<4>>>,
}

impl Trace {
    /// All states in order, over the levels.
    pub fn flat(&self) -> Vec<&Tensor<4>> {
        self.states.iter().flatten().collect()
    }
}
