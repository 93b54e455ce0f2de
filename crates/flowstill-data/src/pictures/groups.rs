//! Keep pictures of one thing, such as the crops of one photograph, in one split.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::options::Groups;
use super::source::Holding;
use crate::order::{Purpose, Stream};
use crate::{DataError, Result};

/// The folders that a set's own splits lie in.
const SPLITS: [&str; 4] = ["train", "validation", "val", "test"];

/// What each picture of each holding is of, by number; the same number in two holdings is the same thing. Two splits that a set brings
/// itself must have none in common.
pub(super) fn numbered(holdings: &[&Holding], groups: &Groups, root: &Path) -> Result<Vec<Vec<u32>>> {
    let mut known: BTreeMap<String, (u32, usize)> = BTreeMap::new();
    let mut out = Vec::new();
    for (at, holding) in holdings.iter().enumerate() {
        let mut numbers = Vec::with_capacity(holding.count());
        for index in 0..holding.count() {
            let path = holding.path(index);
            let name = name(path, groups, root)?;
            let next = known.len() as u32;
            let (number, first) = *known.entry(name.clone()).or_insert((next, at));
            if first != at {
                return Err(DataError::malformed(
                    path,
                    "every group in one split",
                    format!("`{name}` in two"),
                    "move its pictures into one, or set other `groups`",
                ));
            }
            numbers.push(number);
        }
        out.push(numbers);
    }
    Ok(out)
}

/// What a picture is of: its folder, and what its name begins with.
fn name(path: &Path, groups: &Groups, root: &Path) -> Result<String> {
    let below = path.strip_prefix(root).unwrap_or(path);
    let below = SPLITS.iter().find_map(|split| below.strip_prefix(split).ok()).unwrap_or(below);
    let folder = below.parent().unwrap_or(Path::new("")).to_string_lossy();
    let Groups::Before(text) = groups else { return Ok(folder.into_owned()) };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match stem.rfind(text.as_str()) {
        Some(at) => Ok(format!("{folder}/{}", &stem[..at])),
        None => Err(DataError::malformed(
            path,
            format!("a name with `{text}`, as `groups` says"),
            format!("`{stem}`"),
            "rename it, or set other `groups`",
        )),
    }
}

/// Whole groups in an order drawn by the seed, from which one split after another is cut.
pub(super) struct Walk {
    order: std::iter::Peekable<std::vec::IntoIter<u32>>,
    sizes: Vec<usize>,
}

impl Walk {
    pub fn new(seed: u64, numbers: &[u32]) -> Self {
        let count = numbers.iter().max().map_or(0, |most| *most as usize + 1);
        let mut sizes = vec![0; count];
        numbers.iter().for_each(|number| sizes[*number as usize] += 1);
        let order = Stream::new(seed, Purpose::Split, 3).permutation(count);
        // Numbers of other holdings have no pictures here.
        let order: Vec<u32> = order.into_iter().filter(|number| sizes[*number as usize] > 0).collect();
        Self { order: order.into_iter().peekable(), sizes }
    }

    /// Moves whole groups out of `from`, about `wanted` pictures and no more, but for the first group; the last group stays.
    pub fn cut(&mut self, from: &mut Vec<u32>, numbers: &[u32], wanted: usize) -> Vec<u32> {
        let mut taken = BTreeSet::new();
        let mut count = 0;
        while let Some(next) = self.order.peek().copied().filter(|_| wanted > 0 && self.order.len() > 1) {
            let size = self.sizes[next as usize];
            if count > 0 && count + size > wanted {
                break;
            }
            count += size;
            taken.insert(next);
            self.order.next();
        }
        let (cut, kept) = from.iter().partition(|index| taken.contains(&numbers[**index as usize]));
        *from = kept;
        cut
    }
}
