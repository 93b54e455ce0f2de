//! Change a flow file as a forger would: the description altered, the checksum mended.

// Each test file uses its part of this.
#![allow(dead_code)]

use flowstill_runtime::stored::{DOCUMENT, checksum};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A small flow file that an older flowstill wrote: `table` or `pictures`.
pub fn small(name: &str) -> Vec<u8> {
    std::fs::read(old_files().join(format!("flow-{name}.safetensors"))).expect("a fixture")
}

fn old_files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../flowstill/tests/old_files/fixtures")
}

/// The file's header and the tensors' bytes behind it; none where it is no such file.
fn parts(file: &[u8]) -> Option<(Map<String, Value>, &[u8])> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((serde_json::from_slice(header).ok()?, data))
}

/// The same file with a checksum that fits what is in it, whatever that is; none where it has no place for one.
pub fn mended(file: &[u8]) -> Option<Vec<u8>> {
    let (mut header, data) = parts(file)?;
    let document = header.get("__metadata__")?.get(DOCUMENT)?.as_str()?.to_string();
    let bytes_of = |tensor: &Value| -> Option<&[u8]> {
        let at = |index: usize| usize::try_from(tensor.get("data_offsets")?.get(index)?.as_u64()?).ok();
        data.get(at(0)?..at(1)?)
    };
    let tensors = header.iter().filter(|(name, _)| *name != "__metadata__");
    let tensors: Option<Vec<_>> = tensors.map(|(name, tensor)| Some((name.as_str(), bytes_of(tensor)?))).collect();
    let sum = format!("{:016x}", checksum(tensors?.into_iter(), &document));
    header.get_mut("__metadata__")?.as_object_mut()?.insert("checksum".into(), sum.into());
    Some(joined(&header, data))
}

/// The same file with another description, and a checksum that fits it.
pub fn described(file: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (mut header, data) = parts(file).expect("a flow file");
    let place = &mut header["__metadata__"][DOCUMENT];
    let mut document: Value = serde_json::from_str(place.as_str().expect("a description")).expect("JSON");
    change(&mut document);
    *place = document.to_string().into();
    mended(&joined(&header, data)).expect("a flow file")
}

fn joined(header: &Map<String, Value>, data: &[u8]) -> Vec<u8> {
    let mut header = serde_json::to_vec(header).expect("JSON");
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, data].concat()
}
