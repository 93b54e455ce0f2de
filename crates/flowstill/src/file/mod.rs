//! Keep flows in files that say all about themselves, and never leave one half-written.

mod atomic;
mod flow_file;
mod tensors;

pub use atomic::write_atomically;
pub use flow_file::{FORMAT_VERSION, load, save};
pub(crate) use tensors::{Store, StoredTensors};
