//! Bring 8-bit pictures to a flow and back: dequantisation, scaling, bits per dimension, samples.

mod dequantizer;
mod examples;
mod probit;
mod scaling;
mod score;

pub use dequantizer::{Dequantization, Dequantized, VariationalConfig, VariationalDequantizer};
pub use examples::{Pictures, PixelBatch};
pub use scaling::{PictureScaling, Range, centred, scaled_tensor};
pub use score::{PictureScore, chunk_of};
