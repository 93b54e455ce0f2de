//! Read tables and pictures, split them, prepare them: everything between a file and the numbers a flow trains on.
//!
//! Host-side only: no tensors, no device. One call does the whole of it:
//!
//! ```
//! use flowstill_data::{DataConfig, load};
//!
//! let mut config = DataConfig::default(); // the household table that ships inside this crate
//! config.limit_rows = Some(1_000);
//! let data = load(&config)?;
//! assert_eq!((data.train.rows(), data.train.columns()), (1_000, 6));
//! for step in &data.steps {
//!     assert!(!step.is_empty()); // what was done to the rows, in plain words
//! }
//! # Ok::<(), flowstill_data::DataError>(())
//! ```
//!
//! Pictures come by [`load_pictures`], as bytes; [`Pictures::gather`] copies a batch of them into a buffer.
//!
//! Rows are standardised. A density a flow assigns to a standardised row becomes one in the data's own units by adding
//! [`ColumnScales::log_det`].
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod atomic;
mod clean;
mod config;
mod dataset;
mod diagnose;
mod error;
mod matrix;
mod numpy;
mod options;
mod order;
mod pictures;
mod read;
mod sets;
mod split;
mod spread;
mod standardize;
mod table;
mod table_file;
mod transform;

pub use atomic::{remove_stale, remove_unfinished};
pub use config::{DataConfig, Recurring, SetName};
pub use dataset::{Change, Context, Dataset, Marks, Parts, load, load_changed};
pub use diagnose::{Atom, Finding, Trait, diagnose, repeated_rows};
pub use error::{DataError, Result};
pub use matrix::Matrix;
pub use options::{Header, Issue, Missing, ReadOptions};
pub use order::{epoch_flips, epoch_order};
pub use pictures::{
    Channels, Groups, OnError, PictureConfig, PictureReport, PictureSet, PictureSetInfo, PictureSetName, PictureSize,
    Pictures, check_pictures, load_pictures, picture_files, picture_sets, read_picture, write_picture_array, write_png,
};
pub use sets::{FileInfo, Report, SetInfo, check, sets};
pub use standardize::ColumnScales;
pub use table::{Fill, Put, Table, Visit};
pub use table_file::{stream, write_in_parts, write_streamed};
pub use transform::{StepKind, TransformStep, TransformSteps};
