//! Read pictures and labels in MNIST's IDX format, gzipped or not.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::config::MAX_SIDE;
use super::source::{Holding, Source};
use crate::read::limits;
use crate::{DataError, Pictures, Result};

/// Reads `train-images-idx3-ubyte` with its labels and, if they are there, `t10k-images-idx3-ubyte` with its own; or one
/// file of pictures alone.
pub(super) fn read(path: &Path) -> Result<Source> {
    if limits::regular(path)?.is_file() {
        let train = pictures(path, &limits::whole(path)?)?;
        let step = format!("read {} pictures from {}", train.count, path.display());
        return Ok(source((train, path.to_path_buf()), None, vec![step], path));
    }
    let mut steps = Vec::new();
    let train = split(path, "train", &mut steps)?.ok_or_else(|| {
        let expected = "a folder with train-images-idx3-ubyte (also .gz)";
        DataError::malformed(path, expected, "none", "put it there, or give the file's own path")
    })?;
    let test = split(path, "t10k", &mut steps)?;
    if let Some(test) = test.as_ref().filter(|test| test.0.labels.is_some() != train.0.labels.is_some()) {
        let remedy = "give labels for both splits or for none";
        return Err(DataError::malformed(
            &test.1,
            "labels as for the train pictures",
            "labels for one split only",
            remedy,
        ));
    }
    Ok(source(train, test, steps, path))
}

type Part = (Pictures, PathBuf);

fn source(train: Part, test: Option<Part>, steps: Vec<String>, path: &Path) -> Source {
    let classes = train.0.class_count.max(test.as_ref().map_or(0, |test| test.0.class_count));
    let holding = |(pictures, path): Part| Holding::Memory(pictures, path);
    Source {
        train: holding(train),
        validation: None,
        test: test.map(holding),
        classes: (0..classes).map(|class| class.to_string()).collect(),
        steps,
        skipped: Vec::new(),
        origin: path.display().to_string(),
    }
}

/// The pictures of a split, with labels if the folder has them.
fn split(folder: &Path, name: &str, steps: &mut Vec<String>) -> Result<Option<Part>> {
    let find = |kind: &str| {
        let names = [format!("{name}-{kind}-ubyte"), format!("{name}-{}-ubyte", kind.replace('-', "."))];
        let all = names.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]);
        all.map(|name| folder.join(name)).find(|file| file.is_file())
    };
    let Some(path) = find("images-idx3") else { return Ok(None) };
    let mut found = pictures(&path, &limits::whole(&path)?)?;
    let mut step = format!("read {} pictures from {}", found.count, path.display());
    if let Some(file) = find("labels-idx1") {
        found = labelled(found, &file, &limits::whole(&file)?)?;
        step += &format!(" and their labels from {}", file.display());
    }
    steps.push(step);
    Ok(Some((found, path)))
}

/// Grey pictures from an IDX file's bytes.
pub(super) fn pictures(path: &Path, bytes: &[u8]) -> Result<Pictures> {
    let ([count, height, width], values) = parse::<3>(path, bytes, "pictures")?;
    let side = 1..=MAX_SIDE as usize;
    if count == 0 || !side.contains(&height) || !side.contains(&width) {
        let expected = format!("one or more pictures with sides of 1 to {MAX_SIDE} pixels");
        return Err(DataError::malformed(path, expected, format!("{count} of {height}x{width}"), REMEDY));
    }
    Pictures::new(values, [height, width, 1])
}

/// The pictures with labels from an IDX file's bytes, one each.
pub(super) fn labelled(pictures: Pictures, path: &Path, bytes: &[u8]) -> Result<Pictures> {
    let ([count], values) = parse::<1>(path, bytes, "labels")?;
    if count != pictures.count {
        let expected = format!("{} labels, one for each picture", pictures.count);
        return Err(DataError::malformed(path, expected, count.to_string(), "give the two files that belong together"));
    }
    let classes = values.iter().max().map_or(0, |&most| usize::from(most) + 1);
    pictures.with_labels(values.into_iter().map(u32::from).collect(), classes)
}

const REMEDY: &str = "download the file again";

/// Sizes and values of an IDX file of bytes: the numbers 0, 0, 8 (bytes) and N, N big-endian sizes, the values.
fn parse<const N: usize>(path: &Path, bytes: &[u8], what: &str) -> Result<([usize; N], Vec<u8>)> {
    let mut reader: Box<dyn Read + '_> = match bytes {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(bytes)),
        _ => Box::new(Cursor::new(bytes)),
    };
    let wrong = |expected: String, got: String| DataError::malformed(path, expected, got, REMEDY);
    let cut = |error: std::io::Error| {
        wrong(format!("an IDX file of {what}"), format!("a file that ends or breaks ({error})"))
    };
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(cut)?;
    if magic != [0, 0, 8, N as u8] {
        let expected = format!("an IDX file of {what}: a magic number of 0x{:08x}", 0x800 + N);
        return Err(wrong(expected, format!("0x{:08x}", u32::from_be_bytes(magic))));
    }
    let mut sizes = [0; N];
    for size in &mut sizes {
        let mut word = [0; 4];
        reader.read_exact(&mut word).map_err(cut)?;
        *size = u32::from_be_bytes(word) as usize;
    }
    let length = sizes.iter().try_fold(1u64, |length, &size| length.checked_mul(size as u64)).unwrap_or(u64::MAX);
    // Grows with what is there, whatever the sizes claim; one byte more shows a file that is too long.
    let mut values = Vec::new();
    let room = limits::room(bytes.len() as u64);
    reader.take(length.min(room).saturating_add(1)).read_to_end(&mut values).map_err(cut)?;
    if values.len() as u64 > room {
        let got = format!("a packed file of {} bytes that unfolds to more than {room}", bytes.len());
        return Err(wrong(format!("{length} bytes of {what} (sizes {sizes:?})"), got));
    }
    if values.len() as u64 != length {
        let got = if values.len() as u64 > length { "more".to_string() } else { values.len().to_string() };
        return Err(wrong(format!("{length} bytes of {what} (sizes {sizes:?})"), got));
    }
    Ok((sizes, values))
}
