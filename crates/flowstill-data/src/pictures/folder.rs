//! Find the pictures in any folder, its splits and its classes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::source::{Entry, Holding, Source};
use crate::{DataError, Result};

/// Folders inside folders are followed this far.
const DEPTH: usize = 8;

/// Said of a file that is none; every other reason to leave a file out is a fault of it.
pub(super) const PASSED_OVER: &str = "passed over, as its ending is no picture's";

/// Endings taken for pictures. Other formats' are among them, so that their files are named and not overlooked.
const ENDINGS: [&str; 15] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "gif", "tif", "tiff", "webp", "avif", "heic", "ppm", "pgm", "tga"];

/// Finds the pictures below `path`. Folders `train`, `validation` (or `val`) and `test` there are splits. Inside a split, or
/// in `path` itself, folders are classes if every picture lies in one; else there are no labels.
pub(super) fn read(path: &Path) -> Result<Source> {
    if !std::fs::metadata(path).map_err(DataError::io(path, "read"))?.is_dir() {
        let remedy = "put the pictures into a folder and give that";
        return Err(DataError::malformed(path, "a folder of pictures", "a file", remedy));
    }
    let mut skipped = Vec::new();
    let split = |names: &[&str]| names.iter().map(|name| path.join(name)).find(|folder| folder.is_dir());
    let (train, validation, test) = (split(&["train"]), split(&["validation", "val"]), split(&["test"]));
    let Some(train) = train else {
        if let Some(alone) = validation.or(test) {
            let got = format!("only {}", alone.display());
            let remedy = "add a folder `train`, or put all pictures into one folder";
            return Err(DataError::malformed(path, "a folder `train` beside the other splits", got, remedy));
        }
        let found = Found::below(path, &mut skipped)?;
        return source(path, found, None, None, skipped);
    };
    if let Some(loose) = list(path)?.iter().find(|file| is_picture(file) && file.is_file()) {
        let got = format!("{} beside it", loose.display());
        return Err(DataError::malformed(
            path,
            "every picture inside `train` and the other splits",
            got,
            "move it there",
        ));
    }
    let mut found = |folder: Option<PathBuf>| folder.map(|folder| Found::below(&folder, &mut skipped)).transpose();
    let (validation, test) = (found(validation)?, found(test)?);
    let train = Found::below(&train, &mut skipped)?;
    source(path, train, validation, test, skipped)
}

fn source(
    path: &Path,
    train: Found,
    validation: Option<Found>,
    test: Option<Found>,
    skipped: Vec<String>,
) -> Result<Source> {
    let mut steps = Vec::new();
    let all = [Some(&train), validation.as_ref(), test.as_ref()].into_iter().flatten();
    let classes: Option<BTreeSet<&String>> =
        all.clone().flat_map(|found| &found.files).map(|(_, class)| class.as_ref()).collect();
    let classes: Vec<String> = classes.unwrap_or_default().into_iter().cloned().collect();
    for found in all {
        steps.push(format!("found {} pictures in {}", found.files.len(), found.folder.display()));
    }
    if !classes.is_empty() {
        steps.push(format!("took {} folders for classes", classes.len()));
    }
    let holding = |found: Found| {
        let label =
            |class: Option<String>| class.and_then(|class| classes.binary_search(&class).ok()).map(|at| at as u32);
        let entry = |(path, class)| Entry { path, label: label(class) };
        Holding::Files(found.files.into_iter().map(entry).collect())
    };
    let (train, validation, test) = (holding(train), validation.map(holding), test.map(holding));
    Ok(Source { train, validation, test, classes, steps, skipped, origin: path.display().to_string() })
}

/// The pictures of a split, sorted by path, each with the name of the class folder it lies in, if it does.
struct Found {
    folder: PathBuf,
    files: Vec<(PathBuf, Option<String>)>,
}

impl Found {
    fn below(folder: &Path, skipped: &mut Vec<String>) -> Result<Self> {
        let mut files = Vec::new();
        walk(folder, DEPTH, &mut |file| {
            if is_picture(&file) {
                let mut below = file.strip_prefix(folder).unwrap_or(&file).components();
                let class = below.next().map(|part| part.as_os_str().to_string_lossy().into_owned());
                let class = class.filter(|_| below.next().is_some());
                files.push((file, class));
            } else {
                skipped.push(format!("{}: {PASSED_OVER}", file.display()));
            }
        })?;
        if files.is_empty() {
            let got = skipped.first().map_or("none".into(), |first| format!("none, but {first}"));
            let remedy = "give the folder that holds the pictures";
            return Err(DataError::malformed(folder, "at least one .png, .jpg or .jpeg file", got, remedy));
        }
        Ok(Self { folder: folder.to_path_buf(), files })
    }
}

/// Calls `visit` with every file below `folder` in the order of their paths; names that begin with a dot are left alone.
fn walk(folder: &Path, depth: usize, visit: &mut impl FnMut(PathBuf)) -> Result<()> {
    for path in list(folder)? {
        // Follows links, which may point nowhere: then reading the file says so.
        match std::fs::metadata(&path) {
            Ok(kind) if kind.is_dir() && depth == 0 => {
                let expected = format!("at most {DEPTH} folders inside each other");
                return Err(DataError::malformed(
                    &path,
                    expected,
                    "one more",
                    "move the pictures up, or mend the link",
                ));
            }
            Ok(kind) if kind.is_dir() => walk(&path, depth - 1, visit)?,
            Ok(kind) if kind.is_file() => visit(path),
            Ok(_) => {}
            Err(_) => visit(path),
        }
    }
    Ok(())
}

/// What a folder holds, sorted.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let entries = entries.map_err(DataError::io(folder, "read"))?;
    let shown = entries.into_iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = shown.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str())
}

/// The picture files below a folder in the order of their paths, or the one file that `path` is.
///
/// # Errors
/// [`DataError::Io`] for a path that is not there, [`DataError::Malformed`] for a folder without picture files.
pub fn picture_files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let path = path.as_ref();
    match std::fs::metadata(path).map_err(DataError::io(path, "read"))?.is_dir() {
        true => Ok(Found::below(path, &mut Vec::new())?.files.into_iter().map(|(file, _)| file).collect()),
        false => Ok(vec![path.to_path_buf()]),
    }
}

/// Whether anything below `path` is named like a picture.
pub(super) fn holds_pictures(path: &Path) -> Result<bool> {
    let mut any = false;
    walk(path, DEPTH, &mut |file| any |= is_picture(&file))?;
    Ok(any)
}
