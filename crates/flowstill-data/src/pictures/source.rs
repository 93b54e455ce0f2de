//! Say where a set's pictures are, in memory or in files, before any is cut to size.

use std::path::{Path, PathBuf};

use super::decode::decode;
use super::raster::Raster;
use crate::{Pictures, Result};

/// A set as its reader found it.
pub(super) struct Source {
    pub train: Holding,
    /// The set's own validation split, if it has one.
    pub validation: Option<Holding>,
    /// The set's own test split, if it has one.
    pub test: Option<Holding>,
    /// The classes' names; empty without labels.
    pub classes: Vec<String>,
    /// What was read, in plain words.
    pub steps: Vec<String>,
    /// Files passed over, and why.
    pub skipped: Vec<String>,
    /// Where the pictures come from.
    pub origin: String,
}

/// The pictures of one split.
pub(super) enum Holding {
    /// 8-bit pictures, and the file they came from.
    Memory(Pictures, PathBuf),
    Files(Vec<Entry>),
}

/// A picture file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub path: PathBuf,
    pub label: Option<u32>,
}

impl Holding {
    pub fn count(&self) -> usize {
        match self {
            Self::Memory(pictures, _) => pictures.count,
            Self::Files(entries) => entries.len(),
        }
    }

    /// The file that a picture comes from; `index` must be below the count.
    pub fn path(&self, index: usize) -> &Path {
        match self {
            Self::Memory(_, path) => path,
            Self::Files(entries) => &entries[index].path,
        }
    }

    /// A picture's class; `index` must be below the count.
    pub fn label(&self, index: usize) -> Option<u32> {
        match self {
            Self::Memory(pictures, _) => pictures.labels.as_ref().map(|labels| labels[index]),
            Self::Files(entries) => entries[index].label,
        }
    }

    /// One picture as it is; `index` must be below the count.
    pub fn raster(&self, index: usize) -> Result<Raster> {
        match self {
            Self::Memory(pictures, _) => {
                let [height, width, channels] = pictures.shape();
                Ok(Raster { pixels: pictures.picture(index).to_vec(), height, width, channels })
            }
            Self::Files(entries) => decode(&entries[index].path),
        }
    }
}
