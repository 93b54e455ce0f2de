//! Run the network of a Glow coupling, `3x3 - relu - 1x1 - relu - 3x3`, and its gradients.
//!
//! ```text
//! h1 = relu(patches(x) W1 + b1)      h2 = relu(h1 W2 + b2)      y = scatter(h2 W3) + b3
//! ```
//!
//! A worker carries a tile of some samples through all three layers while it lies in the cache: products on one thread, the bias and the
//! activation right after each. Neighbourhoods are moved on the narrow sides alone (see [`patches`](crate::patches)).

mod backward;
mod forward;

pub use backward::{Gradients, Wanted, backward};
pub use forward::{Activations, forward, forward_keeping};

use crate::patches::WINDOW;
use crate::tiles::Tiles;

/// The lengths of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples.
    pub batch: usize,
    /// Lines of positions.
    pub height: usize,
    /// Positions of a line.
    pub width: usize,
    /// Channels of `x`.
    pub inputs: usize,
    /// Channels of both hidden layers.
    pub hidden: usize,
    /// Channels of the output.
    pub outputs: usize,
}

impl Shape {
    /// Positions of the whole batch.
    pub fn positions(&self) -> usize {
        self.batch * self.height * self.width
    }

    fn input_event(&self) -> [usize; 3] {
        [self.height, self.width, self.inputs]
    }

    fn output_event(&self) -> [usize; 3] {
        [self.height, self.width, self.outputs]
    }

    /// Channels of the patches of `x`.
    fn narrow_in(&self) -> usize {
        WINDOW * self.inputs
    }

    /// Channels of the patches of the output.
    fn narrow_out(&self) -> usize {
        WINDOW * self.outputs
    }

    /// Forward and backward cut alike; the number of threads is the only thing besides the shape that tiles depend on.
    fn tiles(&self) -> Tiles {
        let floats = self.narrow_in() + self.narrow_out() + 2 * self.hidden;
        let workers = rayon::current_num_threads();
        Tiles::new([self.batch, self.height, self.width], floats * size_of::<f32>(), workers)
    }

    /// # Panics
    /// If a slice has another length than this shape says.
    fn check(&self, x: &[f32], weights: &Weights<'_>) {
        let lengths = [x, weights.first, weights.first_bias, weights.second, weights.second_bias, weights.last];
        let expect = self.weight_lengths();
        assert_eq!(lengths.map(<[f32]>::len)[1..], expect[..5], "weights of {self:?}");
        assert_eq!(weights.last_bias.len(), expect[5], "last bias of {self:?}");
        assert_eq!(x.len(), self.positions() * self.inputs, "input of {self:?}");
        assert!(self.hidden > 0 && self.inputs > 0, "{self:?} has no channels");
    }

    /// In the order of the fields of [`Weights`].
    fn weight_lengths(&self) -> [usize; 6] {
        let (hidden, narrow_in, narrow_out) = (self.hidden, self.narrow_in(), self.narrow_out());
        [narrow_in * hidden, hidden, hidden * hidden, hidden, hidden * narrow_out, self.outputs]
    }
}

/// The weights, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// `W1`, `[9 * inputs, hidden]`, rows in the order of [`gather`](crate::patches::gather).
    pub first: &'a [f32],
    /// `b1`, `[hidden]`.
    pub first_bias: &'a [f32],
    /// `W2`, `[hidden, hidden]`.
    pub second: &'a [f32],
    /// `b2`, `[hidden]`.
    pub second_bias: &'a [f32],
    /// `W3`, `[hidden, 9 * outputs]`, columns in the order of [`scatter`](crate::patches::scatter).
    pub last: &'a [f32],
    /// `b3`, `[outputs]`.
    pub last_bias: &'a [f32],
}
