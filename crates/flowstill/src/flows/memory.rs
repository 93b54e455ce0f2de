//! Choose between arithmetic and memory in training: keep every activation, the data, or the latents alone.

use serde::{Deserialize, Serialize};

/// What a training keeps between the forward and the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// All activations: the fastest.
    #[default]
    Store,
    /// The states between the steps; the inside of each step is computed again. About a third more arithmetic.
    Recompute,
    /// The latents; states are rebuilt by inversion, so that memory does not grow with the number of steps. Gradients carry the rounding of
    /// the inverse.
    Invert,
}
