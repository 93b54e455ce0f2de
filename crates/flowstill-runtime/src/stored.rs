//! Read named f32 tensors and the JSON document beside them from a safetensors file, with every check.

use crate::architecture::TensorSpec;
use crate::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// The metadata key that holds the JSON document.
pub const DOCUMENT: &str = "flowstill";

/// All bytes of a file; a device or a pipe has no end.
///
/// # Errors
/// [`Error::File`] for what is no file, [`Error::Io`] if it cannot be read.
pub fn whole(path: &Path) -> Result<Vec<u8>> {
    let facts = std::fs::metadata(path).map_err(|source| Error::io(path, "cannot read", source))?;
    if !facts.is_file() && !facts.is_dir() {
        return Err(Error::file(path, "expected a file, got a device or a pipe", "give the path of a file"));
    }
    std::fs::read(path).map_err(|source| Error::io(path, "cannot read", source))
}

/// The tensors of a file, by name.
#[derive(Debug)]
pub struct StoredTensors {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl StoredTensors {
    /// Read a file of the given kind, checking everything that can be wrong with it, and its JSON document.
    ///
    /// # Errors
    /// [`Error::File`] for a truncated, damaged, foreign or newer file, [`Error::Io`] if it cannot be read.
    pub fn read<T: DeserializeOwned>(path: &Path, kind: &str, newest: u32) -> Result<(Self, T)> {
        let bytes = whole(path)?;
        Self::parse(&bytes, path, kind, newest)
    }

    /// The same of the bytes of a file; `path` is what errors call it.
    ///
    /// # Errors
    /// [`Error::File`] says what is wrong.
    pub fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path, kind: &str, newest: u32) -> Result<(Self, T)> {
        let foreign = || Error::file(path, format!("not a {kind} file"), "give a file that flowstill wrote");
        let damaged = |problem: &str| {
            Error::file(path, format!("damaged: {problem}"), "restore it from a copy or write it again")
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|_| match bytes.len() {
            0 => damaged("the file is empty"),
            _ => damaged("truncated, or not a safetensors file"),
        })?;
        let metadata = header.metadata().clone().ok_or_else(foreign)?;
        if metadata.get("format").map(String::as_str) != Some(kind) {
            return Err(foreign());
        }
        let version: u32 = metadata.get("version").and_then(|v| v.parse().ok()).ok_or_else(|| damaged("no version"))?;
        if version > newest {
            return Err(Error::file(
                path,
                format!("written in format version {version}, and this flowstill reads up to {newest}"),
                "update flowstill",
            ));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error.to_string()))?;
        let document = metadata.get(DOCUMENT).ok_or_else(|| damaged("no description of the flow"))?;
        let mut names: Vec<(String, TensorView<'_>)> = file.tensors();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let sum = checksum(names.iter().map(|(name, view)| (name.as_str(), view.data())), document);
        if metadata.get("checksum").map(String::as_str) != Some(format!("{sum:016x}").as_str()) {
            return Err(damaged("the checksum does not match"));
        }
        let mut tensors = BTreeMap::new();
        for (name, view) in names {
            if view.dtype() != Dtype::F32 {
                return Err(damaged(&format!("tensor {name} is not f32")));
            }
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        let document = serde_json::from_str(document).map_err(|error| damaged(&format!("description: {error}")))?;
        Ok((Self { tensors }, document))
    }

    /// Take one tensor, checking its shape.
    ///
    /// # Errors
    /// [`Error::File`] if it is missing or of another shape.
    pub fn take(&mut self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.tensors.remove(name) {
            Some((got, values)) if got == shape => Ok(values),
            Some((got, _)) => Err(Error::file(
                path,
                format!("tensor {name}: expected shape {shape:?}, got {got:?}"),
                "the file does not belong to this architecture",
            )),
            None => {
                Err(Error::file(path, format!("tensor {name} is missing"), "the file is incomplete; write it again"))
            }
        }
    }

    /// Take one tensor whose values lie in their range.
    ///
    /// # Errors
    /// As [`StoredTensors::take`]; also for a value that is out of its range.
    pub fn take_within(&mut self, path: &Path, tensor: &TensorSpec) -> Result<Vec<f32>> {
        let TensorSpec { name, shape, range, .. } = tensor;
        let values = self.take(path, name, shape)?;
        match range.violation(&values, shape) {
            Some(at) => {
                let problem = format!("tensor {name} holds {} at {at}, not {}", values[at], range.expected());
                Err(Error::file(path, problem, "train the flow again"))
            }
            None => Ok(values),
        }
    }

    /// Check that so many values are there in all, before anything is made from a description that speaks of them.
    ///
    /// # Errors
    /// [`Error::File`] if there are fewer.
    pub fn must_hold(&self, path: &Path, count: u128) -> Result<()> {
        let held: u128 = self.tensors.values().map(|(_, values)| values.len() as u128).sum();
        match held < count {
            true => Err(Error::file(
                path,
                format!("describes a flow of {count} values, and holds {held}"),
                "the file is incomplete; write it again",
            )),
            false => Ok(()),
        }
    }

    /// The names that nobody took.
    pub fn left(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }
}

/// FNV-1a over names, bytes and document, in the order of the names.
pub fn checksum<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>, document: &str) -> u64 {
    let mut sorted: Vec<(&str, &[u8])> = tensors.collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |bytes: &[u8]| {
        for chunk in bytes.chunks(8) {
            let mut word = [0_u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
    };
    for (name, bytes) in sorted {
        feed(name.as_bytes());
        feed(bytes);
    }
    feed(document.as_bytes());
    hash
}
