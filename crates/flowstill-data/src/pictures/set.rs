//! Load a configured picture set: read, split, cut to size, and say what was done.

use std::path::Path;

use super::assemble::Assembly;
use super::config::PictureSetName;
use super::groups::{self, Walk};
use super::raster::Fit;
use super::source::{Holding, Source};
use super::{celeba, cifar10, digits, folder, idx};
use crate::order::{Purpose, Stream};
use crate::{DataError, PictureConfig, Pictures, Result};

/// Pictures ready to train on: three splits of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureSet {
    /// The pictures to fit.
    pub train: Pictures,
    /// The pictures to choose by.
    pub validation: Pictures,
    /// The pictures to report.
    pub test: Pictures,
    /// Bits per value: values run from 0 to 2^bits - 1.
    pub bits: u8,
    /// The classes' names, by label; empty without labels.
    pub classes: Vec<String>,
    /// Each step of the preparation in plain words, with counts.
    pub steps: Vec<String>,
    /// Files left out and why, a line each.
    pub skipped: Vec<String>,
    /// Where the pictures come from.
    pub source: String,
    /// Whether the validation and the test split came with the set, and were not cut from its train pictures.
    pub own_splits: [bool; 2],
    /// What each picture of train, validation and test is of, by number, as [`PictureConfig::groups`] tells; empty without.
    pub groups: [Vec<u32>; 3],
}

impl PictureSet {
    /// Height, width and channels of every picture.
    pub fn shape(&self) -> [usize; 3] {
        self.train.shape()
    }

    /// A number that recognises these very splits: it changes with any byte, label, size, order or number of bits, and not
    /// with the folder's name. The same wherever the bytes are, so see [`load_pictures`]; no safeguard against intent.
    pub fn fingerprint(&self) -> u64 {
        let mut state = u64::from(self.bits);
        let mut mix = |word: u64| {
            // One multiplication spreads a word's bits upwards, the rotation brings them back down.
            state = (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        };
        for part in [&self.train, &self.validation, &self.test] {
            let sizes = [part.count, part.height, part.width, part.channels, part.class_count, part.pixels.len()];
            sizes.into_iter().for_each(|size| mix(size as u64));
            let (words, rest) = part.pixels.as_chunks::<8>();
            words.iter().for_each(|&word| mix(u64::from_le_bytes(word)));
            rest.iter().for_each(|&byte| mix(u64::from(byte)));
            part.labels.iter().flatten().for_each(|&label| mix(u64::from(label)));
        }
        // The last words' bits reach every place.
        (0..3).for_each(|_| mix(0));
        state
    }
}

/// Loads what `config` describes. The same configuration and files give the same splits in the same order on every
/// machine, and the same bytes; only where JPEG files are decoded or pictures scaled may processors of another kind round a
/// value the other way.
///
/// Each split comes in an order drawn by the seed, so that the first n pictures of any are a fair sample of it. Test and
/// validation pictures that a set does not bring itself are cut from the end of the train pictures in that order. A file
/// that is left out under `on_error = "skip"` moves no other picture to another split.
///
/// ```
/// use flowstill_data::{PictureConfig, load_pictures};
///
/// let set = load_pictures(&PictureConfig::default())?; // the handwritten digits that ship inside this crate
/// assert_eq!((set.train.count, set.shape(), set.bits), (1_457, [8, 8, 1], 4));
/// # Ok::<(), flowstill_data::DataError>(())
/// ```
pub fn load_pictures(config: &PictureConfig) -> Result<PictureSet> {
    config.check()?;
    let path = config.path.as_deref().unwrap_or(Path::new("digits"));
    let source = match config.set {
        PictureSetName::Cifar10 => cifar10::read(path),
        PictureSetName::Celeba => celeba::read(path),
        PictureSetName::Idx => idx::read(path),
        PictureSetName::Folder => folder::read(path),
        PictureSetName::Digits => digits::read(),
    }?;
    let Source { train, validation, test, classes, mut steps, mut skipped, origin } = source;
    let mut assembly = Assembly::new(config);
    let held: Vec<&Holding> = [Some(&train), validation.as_ref(), test.as_ref()].into_iter().flatten().collect();
    let numbers = config.groups.as_ref().map(|groups| groups::numbered(&held, groups, path)).transpose()?;
    let splits = splits(&train, [validation.as_ref(), test.as_ref()], config, numbers.as_deref(), &mut steps);
    let mut groups = [const { Vec::new() }; 3];
    for ((holding, order), groups) in splits.iter().zip(&mut groups) {
        let kept = assembly.split(holding, order, classes.len())?;
        let at = held.iter().position(|other| std::ptr::eq(*other, *holding)).unwrap_or_default();
        if let Some(numbers) = numbers.as_ref().and_then(|numbers| numbers.get(at)) {
            groups.extend(kept.into_iter().map(|index| numbers[index as usize]));
        }
    }
    skipped.append(&mut assembly.skipped);
    if let Some(first) = skipped.first() {
        steps.push(format!("left out {} files, the first: {first}", skipped.len()));
    }
    steps.extend(Fit::new(config).steps());
    let own_splits = [validation.is_some(), test.is_some()];
    let bits = config.kept_bits();
    if bits < 8 {
        steps.push(format!("kept the top {bits} of 8 bits: values 0 to {}", (1u32 << bits) - 1));
    }
    let mut parts = assembly.finish(bits).into_iter();
    let mut part = || parts.next().unwrap_or_default();
    let (train, validation, test) = (part(), part(), part());
    if train.count == 0 {
        let got = skipped.first().map_or("none".into(), |first| format!("none; left out, for one: {first}"));
        let remedy = "give more pictures, or smaller `validation` and `test` parts";
        return Err(DataError::malformed(path, "at least 1 usable train picture", got, remedy));
    }
    Ok(PictureSet { train, validation, test, bits, classes, steps, skipped, source: origin, own_splits, groups })
}

/// Which pictures make up train, validation and test, and in what order.
fn splits<'a>(
    all: &'a Holding,
    [validation, test]: [Option<&'a Holding>; 2],
    config: &PictureConfig,
    numbers: Option<&[Vec<u32>]>,
    steps: &mut Vec<String>,
) -> [(&'a Holding, Vec<u32>); 3] {
    let order = |holding: &Holding, index| Stream::new(config.seed, Purpose::Split, index).permutation(holding.count());
    let mut train = order(all, 0);
    let own = numbers.and_then(|numbers| numbers.first());
    let mut walk = own.map(|own| (own, Walk::new(config.seed, own)));
    let mut cut = |own: Option<&'a Holding>, index, part: f64| match own {
        Some(own) => (own, order(own, index)),
        None => {
            let taken = ((train.len() as f64 * part) as usize).min(train.len());
            match &mut walk {
                None => (all, train.split_off(train.len() - taken)),
                Some((numbers, walk)) => (all, walk.cut(&mut train, numbers, taken)),
            }
        }
    };
    let tests = cut(test, 2, config.test);
    let validates = cut(validation, 1, config.validation);
    let counts = format!("{} train, {} validation and {} test pictures", train.len(), validates.1.len(), tests.1.len());
    steps.push(match (validation, test) {
        (Some(_), Some(_)) => format!("shuffled {counts}, the set's own splits, by seed {}", config.seed),
        _ => format!("shuffled by seed {} and split into {counts}", config.seed),
    });
    if let Some(own) = own {
        let count = own.iter().collect::<std::collections::BTreeSet<_>>().len();
        steps.push(format!("kept the pictures of each of {count} groups in one split"));
    }
    let mut limited = |(holding, mut order): (&'a Holding, Vec<u32>), limit: Option<usize>, what: &str| {
        if let Some(limit) = limit.filter(|&limit| limit < order.len()) {
            steps.push(format!("drew {limit} of {} {what} pictures", order.len()));
            order.truncate(limit);
        }
        (holding, order)
    };
    [
        limited((all, train), config.limit, "train"),
        limited(validates, config.limit_held_out, "validation"),
        limited(tests, config.limit_held_out, "test"),
    ]
}
