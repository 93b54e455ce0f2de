//! Bring 8-bit pictures to a flow: bytes and batches of them, scaling, dequantisation.

mod dequantizer;
mod examples;
mod scaling;

pub use crate::batch::PixelBatch;
pub use dequantizer::{Dequantization, Dequantized, VariationalConfig, VariationalDequantizer};
pub use examples::Pictures;
pub(crate) use examples::one_hot;
pub use flowstill_runtime::pictures::chunk_of;
pub use scaling::{PictureScaling, Range, centred, scaled_tensor};
