//! Read pictures, cut them to one size, split them and gather batches: everything between picture files and bytes.

mod assemble;
mod catalogue;
mod celeba;
mod cifar10;
mod config;
mod decode;
mod digits;
mod folder;
mod idx;
mod raster;
mod set;
mod source;
mod store;

pub use catalogue::{PictureReport, PictureSetInfo, check_pictures, picture_sets};
pub use config::{Channels, OnError, PictureConfig, PictureSetName, PictureSize};
pub use set::{PictureSet, load_pictures};
pub use store::Pictures;
