//! Read torch's legacy layout: five pickles in a row, then the storages.

use std::collections::HashMap;

use flowstill_pickle::Node;

use super::storage::{Tensors, described, gather};
use super::{Fault, unpickled};

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const VERSION: i128 = 1001;

/// Reads the magic number, the version, the system's facts, the dict, the storage keys, and each storage.
pub(super) fn read(bytes: &[u8]) -> Result<Tensors, Fault> {
    let mut at = 0;
    let mut next = |what| {
        let pickle = unpickled(&bytes[at..], what)?;
        at += pickle.length();
        Ok((pickle, at))
    };
    let foreign = |_| Fault::Malformed("it starts neither as a zip nor as a legacy torch file".into());
    let (magic, _) = next("the magic number").map_err(|fault| match fault {
        truncated @ Fault::Truncated { .. } if bytes.len() < 16 => truncated,
        other => foreign(other),
    })?;
    if magic.root() != &Node::Int(MAGIC) {
        return Err(foreign(Fault::Malformed(String::new())));
    }
    let (version, _) = next("the version")?;
    if version.root() != &Node::Int(VERSION) {
        return Err(Fault::Malformed(format!("its legacy version is not {VERSION}")));
    }
    let (system, _) = next("the system's facts")?;
    if let Node::Dict(facts) = system.root() {
        let big = |&(key, value): &(usize, usize)| {
            system.text(key) == Some("little_endian") && system.node(value) == &Node::Bool(false)
        };
        if facts.iter().any(big) {
            return Err(Fault::Refused("big-endian storages".into()));
        }
    }
    let (dict, _) = next("the dict of tensors")?;
    let (keys, at) = next("the list of storages")?;
    let Node::List(keys_in_order) = keys.root() else {
        return Err(Fault::Malformed("its list of storages is no list".into()));
    };

    let kinds: HashMap<&str, _> = described(&dict)?.into_iter().map(|d| (d.key, d)).collect();
    let mut storages = HashMap::new();
    let mut rest = &bytes[at..];
    for &key in keys_in_order {
        let Some(key) = keys.text(key) else {
            return Err(Fault::Malformed("a storage's key is no text".into()));
        };
        let Some(described) = kinds.get(key) else {
            return Err(Fault::Malformed(format!("the storage {key} belongs to no tensor")));
        };
        let what = || format!("storage {key} of {}", keys_in_order.len());
        let short = |needed, left| Fault::Truncated { what: what(), needed, left };
        let (count, after) = rest.split_first_chunk::<8>().ok_or_else(|| short(8, rest.len()))?;
        if u64::from_le_bytes(*count) != described.length as u64 {
            return Err(Fault::Malformed(format!("the storage {key} has another length than its description")));
        }
        let needed = described.length.saturating_mul(described.kind.width());
        let data = after.get(..needed).ok_or_else(|| short(needed, after.len()))?;
        storages.insert(described.key, data);
        rest = &after[needed..];
    }
    gather(&dict, &storages)
}
