//! Write named f32 tensors with one JSON document beside them, as safetensors.

use super::write_atomically;
use crate::{Error, Result};
use flowstill_runtime::stored::{DOCUMENT, checksum};
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

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
        let bytes = with_sorted_header(&bytes).ok_or_else(|| internal("the header cannot be sorted".into()))?;
        write_atomically(path, &bytes)
    }
}

/// The same file with the keys of its header in order: safetensors writes metadata in the order of a hash map, which differs from process
/// to process, and equal models shall be equal files.
fn with_sorted_header(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_at_checked(8)?;
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let (header, data) = rest.split_at_checked(length)?;
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    let mut header = serde_json::to_vec(&header).ok()?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = u64::try_from(header.len()).ok()?.to_le_bytes();
    Some([&length[..], &header, data].concat())
}

pub(crate) use flowstill_runtime::stored::StoredTensors;
