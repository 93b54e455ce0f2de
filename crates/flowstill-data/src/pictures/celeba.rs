//! Find CelebA's aligned pictures and its published partition.

use std::path::{Path, PathBuf};

use super::source::{Entry, Holding, Source};
use crate::read::limits;
use crate::{DataError, Result, error};

/// The partition's places below the folder: as the archive's parts unpack, and as copies lay it out.
const PARTITIONS: [&str; 3] = ["list_eval_partition.txt", "Eval/list_eval_partition.txt", "list_eval_partition.csv"];

/// The pictures' places below the folder.
const FOLDERS: [&str; 3] = ["img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba"];

/// Reads the partition, a line a picture: its file name and 0 (train), 1 (validation) or 2 (test). No picture is opened yet.
pub(super) fn read(path: &Path) -> Result<Source> {
    std::fs::read_dir(path).map_err(DataError::io(path, "read"))?;
    let remedy = "unpack CelebA's files there: img_align_celeba/*.jpg and list_eval_partition.txt";
    let missing = |what: &str| DataError::malformed(path, format!("a folder with {what}"), "none", remedy);
    let find = |places: &[&str], good: fn(&Path) -> bool| places.iter().map(|place| path.join(place)).find(|p| good(p));
    let list = find(&PARTITIONS, Path::is_file).ok_or_else(|| missing(PARTITIONS[0]))?;
    let folder = find(&FOLDERS, Path::is_dir).ok_or_else(|| missing("img_align_celeba"))?;
    let text = String::from_utf8_lossy(&limits::whole(&list)?).into_owned();
    let [train, validation, test] = partition(&text, &list, &folder)?;
    let counts = format!("{} train, {} validation and {} test pictures", train.len(), validation.len(), test.len());
    let steps = vec![format!("read {counts} from {}", list.display())];
    let origin = "CelebA, aligned and cropped (Liu, Luo, Wang and Tang, ICCV 2015)".into();
    Ok(Source {
        train: Holding::Files(train),
        validation: Some(Holding::Files(validation)),
        test: Some(Holding::Files(test)),
        classes: Vec::new(),
        steps,
        skipped: Vec::new(),
        origin,
    })
}

fn partition(text: &str, list: &Path, folder: &Path) -> Result<[Vec<Entry>; 3]> {
    let mut parts = [const { Vec::new() }; 3];
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split([' ', '\t', ',', '\r']).filter(|word| !word.is_empty());
        let (name, part, rest) = (words.next(), words.next(), words.next());
        let part = match (name, part, rest) {
            (None, ..) | (Some("image_id"), ..) => continue,
            (Some(name), Some(part @ ("0" | "1" | "2")), None) if plain(name) => {
                (name, usize::from(part.as_bytes()[0] - b'0'))
            }
            _ => {
                let expected = format!("a file name and 0, 1 or 2 in line {}", at + 1);
                let got = format!("`{}`", error::shown(line, 60));
                return Err(DataError::malformed(list, expected, got, "give the file as CelebA publishes it"));
            }
        };
        parts[part.1].push(Entry { path: folder.join(part.0), label: None });
    }
    if parts[0].is_empty() {
        return Err(DataError::malformed(
            list,
            "at least one train picture",
            "none",
            "give the file as CelebA publishes it",
        ));
    }
    Ok(parts)
}

/// Whether a name is a file's own, and leads to no other folder.
fn plain(name: &str) -> bool {
    PathBuf::from(name).file_name().is_some_and(|file| file == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_in_both_layouts() {
        for text in
            ["a.jpg 0\nb.jpg 2\r\n\nc.jpg 1\nd.jpg 0\n", "image_id,partition\na.jpg,0\nb.jpg,2\nc.jpg,1\nd.jpg,0"]
        {
            let parts = partition(text, Path::new("l.txt"), Path::new("img")).unwrap();
            let names = parts.map(|part| part.iter().map(|entry| entry.path.display().to_string()).collect::<Vec<_>>());
            assert_eq!(names, [vec!["img/a.jpg", "img/d.jpg"], vec!["img/c.jpg"], vec!["img/b.jpg"]], "{text:?}");
        }
        for (text, said) in [
            ("a.jpg 0\nb.jpg 3\n", "l.txt: expected a file name and 0, 1 or 2 in line 2, got `b.jpg 3`;"),
            ("a.jpg\n", "in line 1, got `a.jpg`"),
            ("../a.jpg 0\n", "in line 1, got `../a.jpg 0`"),
            ("a.jpg 1\n", "expected at least one train picture, got none"),
        ] {
            let error = partition(text, Path::new("l.txt"), Path::new("img")).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
