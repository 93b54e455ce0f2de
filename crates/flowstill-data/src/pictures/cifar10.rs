//! Read CIFAR-10 as its publisher packs it: binary batches, Python batches, or unpacked as a folder of pictures.

use std::path::{Path, PathBuf};

use super::folder;
use super::source::{Holding, Source};
use crate::read::limits;
use crate::read::objects::{self, Found, Objects};
use crate::{DataError, Pictures, Result};

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// A picture's side, and the bytes of one of its three planes.
const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Folders that the publisher's archives unpack to.
const FOLDERS: [&str; 3] = [".", "cifar-10-batches-bin", "cifar-10-batches-py"];

/// Labels and planes of a batch's pictures.
type Batch = (Vec<u32>, Vec<u8>);

/// Reads every `data_batch_*` of the folder, in the order of their numbers, and `test_batch`, if it is there.
pub(super) fn read(path: &Path) -> Result<Source> {
    std::fs::read_dir(path).map_err(DataError::io(path, "read"))?;
    for folder in FOLDERS.map(|name| if name == "." { path.to_path_buf() } else { path.join(name) }) {
        for (ending, parse) in [(".bin", binary as fn(&Path, &[u8]) -> Result<Batch>), ("", python)] {
            let batches = batches(&folder, ending)?;
            if batches.is_empty() {
                continue;
            }
            let test = folder.join(format!("test_batch{ending}"));
            let train = join(&batches, parse)?;
            let test = if test.is_file() { Some((join(std::slice::from_ref(&test), parse)?, test)) } else { None };
            return Ok(source(train, folder, test, batches.len()));
        }
    }
    if !folder::holds_pictures(path)? {
        let remedy = "unpack the publisher's binary or Python archive there, or give a folder of PNG files";
        let expected = "a folder with data_batch_1.bin (or data_batch_1) and its like";
        return Err(DataError::malformed(path, expected, "neither batches nor pictures", remedy));
    }
    folder::read(path)
}

fn source(train: Pictures, folder: PathBuf, test: Option<(Pictures, PathBuf)>, batches: usize) -> Source {
    let read = |pictures: &Pictures, files: String| format!("read {} pictures from {files}", pictures.count);
    let mut steps = vec![read(&train, format!("{batches} batches in {}", folder.display()))];
    steps.extend(test.iter().map(|(pictures, path)| read(pictures, path.display().to_string())));
    Source {
        train: Holding::Memory(train, folder),
        validation: None,
        test: test.map(|(pictures, path)| Holding::Memory(pictures, path)),
        classes: CLASSES.map(String::from).to_vec(),
        steps,
        skipped: Vec::new(),
        origin: "CIFAR-10 (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)".into(),
    }
}

/// The files `data_batch_N` with this ending, by their numbers.
fn batches(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(DataError::io(folder, "read"))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.strip_prefix("data_batch_").and_then(|rest| rest.strip_suffix(ending)?.parse::<u32>().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn join(files: &[PathBuf], parse: fn(&Path, &[u8]) -> Result<Batch>) -> Result<Pictures> {
    let (mut labels, mut pixels) = (Vec::new(), Vec::new());
    for file in files {
        let (own, planes) = parse(file, &limits::whole(file)?)?;
        if let Some((at, label)) = own.iter().enumerate().find(|(_, label)| **label >= 10) {
            let expected = "labels 0 to 9".to_string();
            return Err(DataError::malformed(file, expected, format!("{label} at picture {at}"), REMEDY));
        }
        labels.extend(own);
        interleave(&planes, &mut pixels);
    }
    Pictures::new(pixels, [SIDE, SIDE, 3])?.with_labels(labels, 10)
}

const REMEDY: &str = "download the archive again; other pictures are set = \"folder\"";

/// Records of a label byte and 3,072 bytes: planes of red, green and blue.
fn binary(path: &Path, bytes: &[u8]) -> Result<Batch> {
    let record = 1 + 3 * PLANE;
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        let expected = format!("one or more records of {record} bytes");
        let got = format!("{} records and {} bytes", bytes.len() / record, bytes.len() % record);
        return Err(DataError::malformed(path, expected, got, REMEDY));
    }
    let records = bytes.chunks_exact(record);
    let labels = records.clone().map(|record| u32::from(record[0])).collect();
    Ok((labels, records.flat_map(|record| &record[1..]).copied().collect()))
}

/// A pickled dictionary with `data`, an array of bytes [pictures, 3072], and `labels`, a list. Nothing in it is executed.
fn python(path: &Path, bytes: &[u8]) -> Result<Batch> {
    let found = objects::unpickled(bytes).and_then(|pickle| unpickled(&Objects(&pickle)));
    found.map_err(|got| {
        DataError::malformed(path, "a pickled dictionary with `data` [pictures, 3072] and `labels`", got, REMEDY)
    })
}

fn unpickled(objects: &Objects<'_>) -> Found<Batch> {
    let get = |key: &str| objects.get(objects.0.root_id(), key).ok_or(format!("no `{key}`"));
    let array = objects.array(get("data")?)?;
    let count = match array.shape[..] {
        [count, width] if width == 3 * PLANE && array.dtype.is_byte() => count,
        _ => return Err(format!("`data` of another type or of shape {:?}", array.shape)),
    };
    let label = |&id| objects.int(id).and_then(|label| u32::try_from(label).ok());
    let labels = objects.items(get("labels")?).iter().map(label).collect::<Option<Vec<_>>>();
    let labels = labels.ok_or("`labels` that are no whole numbers")?;
    if labels.len() != count || count == 0 {
        return Err(format!("{count} pictures and {} labels", labels.len()));
    }
    if !array.fortran {
        return Ok((labels, array.data));
    }
    // Column-major: a value's pictures lie side by side.
    let data = &array.data;
    let planes = (0..count).flat_map(|picture| data.iter().skip(picture).step_by(count)).copied().collect();
    Ok((labels, planes))
}

/// Appends pictures whose planes follow each other with their channels side by side.
fn interleave(planes: &[u8], pixels: &mut Vec<u8>) {
    pixels.reserve(planes.len());
    for picture in planes.chunks_exact(3 * PLANE) {
        let (red, rest) = picture.split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        pixels.extend(red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let planes: Vec<u8> = (0..2 * 3 * PLANE).map(|i| (i / PLANE * 40 + i % 7) as u8).collect();
        let mut pixels = Vec::new();
        interleave(&planes, &mut pixels);
        for (at, &value) in pixels.iter().enumerate() {
            let (picture, pixel, channel) = (at / (3 * PLANE), at / 3 % PLANE, at % 3);
            assert_eq!(value, planes[(picture * 3 + channel) * PLANE + pixel]);
        }
    }

    #[test]
    fn no_damage_to_a_pickle_makes_it_panic() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cifar_python2.pickle");
        let bytes = std::fs::read(&path).unwrap();
        let (labels, planes) = python(&path, &bytes).unwrap();
        assert_eq!((labels, planes.len()), (vec![6, 9, 0], 3 * 3 * PLANE));
        for cut in (0..bytes.len()).step_by(61) {
            assert!(python(&path, &bytes[..cut]).is_err());
        }
        for at in 0..200 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let _ = python(&path, &damaged);
        }
    }
}
