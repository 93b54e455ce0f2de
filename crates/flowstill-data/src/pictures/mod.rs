//! Read pictures, cut them to one size, split them and gather batches: everything between picture files and bytes.

mod assemble;
mod catalogue;
mod celeba;
mod cifar10;
mod config;
mod decode;
mod digits;
mod folder;
mod groups;
mod idx;
mod options;
mod raster;
mod resample;
mod set;
mod source;
mod store;
mod write;

pub use catalogue::{PictureReport, PictureSetInfo, check_pictures, picture_sets};
pub use config::{PictureConfig, PictureSetName};
pub use decode::read_picture;
pub use folder::picture_files;
pub use options::{Channels, Groups, OnError, PictureSize};
pub use set::{PictureSet, load_pictures};
pub use store::Pictures;
pub use write::{write_picture_array, write_png};
