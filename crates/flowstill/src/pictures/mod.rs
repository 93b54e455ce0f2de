//! Bring 8-bit pictures to a flow and back: dequantisation, scaling, bits per dimension, samples.

mod examples;
mod scaling;
mod score;

pub use examples::Pictures;
pub use scaling::{PictureScaling, Range};
pub use score::{PictureScore, chunk_of};
