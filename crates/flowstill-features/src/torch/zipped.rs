//! Read torch's zip layout, or the one checkpoint inside another archive such as a wheel.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::storage::{Tensors, described, gather};
use super::{Fault, legacy, unpickled};

/// An archive, and how many bytes its entries may still unfold to: weights hardly pack, so what unfolds to many times the file is none.
struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    left: u64,
}

/// How often an archive may unfold to its own size, and what it may unfold to whatever its size.
const TIMES: u64 = 16;
const FREE: u64 = 16 << 20;

/// Reads the archive; a checkpoint inside it is opened once, where `outermost`.
pub(super) fn read(bytes: Vec<u8>, outermost: bool) -> Result<Tensors, Fault> {
    let left = (bytes.len() as u64).saturating_mul(TIMES).saturating_add(FREE);
    let zip = ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| Fault::Malformed(format!("its zip archive is damaged: {e}")))?;
    let mut archive = Archive { zip, left };
    let names: Vec<String> = archive.zip.file_names().flatten().map(|name| name.into_owned()).collect();
    if let Some(pickle) = names.iter().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl")) {
        let root = pickle.trim_end_matches("data.pkl");
        return read_layout(&mut archive, root);
    }
    let inside = |name: &&String| [".pth", ".pt"].iter().any(|ending| name.ends_with(ending));
    match names.iter().filter(inside).collect::<Vec<_>>().as_slice() {
        [one] if outermost => {
            let bytes = entry(&mut archive, one)?;
            if bytes.starts_with(b"PK") { read(bytes, false) } else { legacy::read(&bytes) }
        }
        found => Err(Fault::Malformed(format!("its archive holds no data.pkl and {} .pth files", found.len()))),
    }
}

fn read_layout(archive: &mut Archive, root: &str) -> Result<Tensors, Fault> {
    let order = format!("{root}byteorder");
    if archive.zip.index_for_name(&order).is_some() && entry(archive, &order)? != b"little" {
        return Err(Fault::Refused("big-endian storages".into()));
    }
    let dict = entry(archive, &format!("{root}data.pkl"))?;
    let dict = unpickled(&dict, "data.pkl")?;
    let mut storages = HashMap::new();
    for storage in described(&dict)? {
        if storages.contains_key(storage.key) {
            continue;
        }
        let name = format!("{root}data/{}", storage.key);
        let bytes = entry(archive, &name)?;
        let needed = storage.length.saturating_mul(storage.kind.width());
        if bytes.len() < needed {
            return Err(Fault::Truncated { what: name, needed, left: bytes.len() });
        }
        storages.insert(storage.key, bytes);
    }
    gather(&dict, &storages.iter().map(|(&key, bytes)| (key, bytes.as_slice())).collect())
}

/// One file of the archive, in memory; an entry with another size or checksum than it declares is refused.
fn entry(archive: &mut Archive, name: &str) -> Result<Vec<u8>, Fault> {
    let damaged = |e: &dyn std::fmt::Display| Fault::Malformed(format!("its entry {name} cannot be read: {e}"));
    let file = archive.zip.by_name(name).map_err(|e| damaged(&e))?;
    let size = file.size();
    archive.left = archive.left.checked_sub(size).ok_or_else(|| {
        Fault::Malformed(format!("its entries up to {name} unfold to more than {TIMES} times the file"))
    })?;
    let mut bytes = Vec::new();
    // One byte more than declared: only at the end of the entry is its checksum compared.
    file.take(size.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(damaged(&"its size is not the declared one")) }
}
