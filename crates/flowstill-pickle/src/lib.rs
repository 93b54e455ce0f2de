//! Read Python's pickles as data, without ever looking up a name or calling anything.
//!
//! A pickle is a program for a stack machine (Python's `pickletools` describes it): most of it builds plain values, and
//! some of it calls whatever it names. [`read`] builds the values and writes the calls down as [`Node::Call`]. The caller
//! says by [`Meaning`] which names it expects; any other name ends the reading with an error that tells it.
//!
//! Values lie in one list and refer to each other by index; text and bytes stay in the file. So no file, however nested,
//! shared or circular, makes it recurse, and it takes less than 256 bytes of memory for each byte of the file
//! (`tests/bounds.rs`). A walk over the values may still meet one of them any number of times.
//!
//! ```
//! use flowstill_pickle::{Meaning, Node, PickleError, read};
//!
//! let pickle = read(b"\x80\x02}X\x01\x00\x00\x00aK\x05s.", &|_| None)?;
//! let Node::Dict(pairs) = pickle.root() else { panic!("a dictionary") };
//! assert_eq!((pickle.text(pairs[0].0), pickle.node(pairs[0].1)), (Some("a"), &Node::Int(5)));
//!
//! let hostile = read(b"cos\nsystem\n(X\x02\x00\x00\x00lstR.", &|name| (name == "builtins.slice").then_some(Meaning::Call));
//! assert_eq!(hostile.unwrap_err(), PickleError::Unknown("os.system".into()));
//! # Ok::<(), PickleError>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod input;
mod machine;
mod node;

pub use error::PickleError;
pub use machine::read;
pub use node::{Id, Meaning, Node, Pickle, Span};
