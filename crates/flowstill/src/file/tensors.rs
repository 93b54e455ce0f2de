//! Read and write named f32 tensors with one JSON document beside them, as safetensors.

use super::write_atomically;
use crate::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The metadata key that holds the JSON document.
const DOCUMENT: &str = "flowstill";

/// Named tensors to be written.
#[derive(Default)]
pub(crate) struct Store {
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl Store {
    pub(crate) fn push(&mut self, name: impl Into<String>, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.push((name.into(), shape.to_vec(), bytes));
    }

    /// Write atomically, with a checksum of the tensors' bytes, so that a flipped bit is noticed.
    pub(crate) fn write(self, path: &Path, kind: &str, version: u32, document: &impl Serialize) -> Result<()> {
        let internal = |problem: String| Error::file(path, problem, "this is a bug of flowstill; please report it");
        let document = serde_json::to_string(document).map_err(|error| internal(error.to_string()))?;
        let mut views = Vec::new();
        for (name, shape, bytes) in &self.tensors {
            let view =
                TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|error| internal(error.to_string()))?;
            views.push((name.clone(), view));
        }
        let sum = checksum(self.tensors.iter().map(|(name, _, bytes)| (name.as_str(), bytes.as_slice())), &document);
        let metadata = HashMap::from([
            ("format".to_string(), kind.to_string()),
            ("version".to_string(), version.to_string()),
            ("checksum".to_string(), format!("{sum:016x}")),
            (DOCUMENT.to_string(), document),
        ]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| internal(error.to_string()))?;
        write_atomically(path, &bytes)
    }
}

/// The tensors of a file, by name.
pub(crate) struct StoredTensors {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl StoredTensors {
    /// Read a file of the given kind, checking everything that can be wrong with it.
    pub(crate) fn read<T: DeserializeOwned>(path: &Path, kind: &str, newest: u32) -> Result<(Self, T)> {
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, "cannot read", source))?;
        let foreign = || Error::file(path, format!("not a {kind} file"), "give a file that flowstill wrote");
        let damaged = |problem: &str| {
            Error::file(path, format!("damaged: {problem}"), "restore it from a copy or write it again")
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|_| match bytes.len() {
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
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(&error.to_string()))?;
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
    pub(crate) fn take(&mut self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
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

    /// The names that nobody took.
    pub(crate) fn left(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }
}

/// FNV-1a over names, bytes and document, in the order of the names.
fn checksum<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>, document: &str) -> u64 {
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
