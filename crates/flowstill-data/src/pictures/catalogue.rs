//! List the picture sets, what their files look like, and check a folder against that.

use super::config::PictureSetName;
use super::folder::PASSED_OVER;
use super::options::OnError;
use crate::{PictureConfig, Result, load_pictures};

/// What there is to know about a picture set before having it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureSetInfo {
    /// Its name in configuration files.
    pub name: PictureSetName,
    /// Height, width and channels under the default settings; zeros where the user's files say.
    pub shape: [usize; 3],
    /// Train, validation and test pictures under the default settings; zeros where the user's files say.
    pub counts: [usize; 3],
    /// How many classes; 0 without labels, or where the user's files say.
    pub classes: usize,
    /// The publication or record it comes from.
    pub origin: &'static str,
    /// Its licence, as far as the publisher states one.
    pub licence: &'static str,
    /// What `path` must hold.
    pub files: &'static str,
}

static SETS: [PictureSetInfo; 5] = [
    PictureSetInfo {
        name: PictureSetName::Cifar10,
        shape: [32, 32, 3],
        counts: [45_000, 5_000, 10_000],
        classes: 10,
        origin: "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        licence: "none stated; cite its author",
        files: "data_batch_1.bin to data_batch_5.bin and test_batch.bin, or the Python archive's data_batch_1 to \
                data_batch_5 and test_batch, or a folder of pictures",
    },
    PictureSetInfo {
        name: PictureSetName::Celeba,
        shape: [64, 64, 3],
        counts: [162_770, 19_867, 19_962],
        classes: 0,
        origin: "Liu, Luo, Wang and Tang, Deep Learning Face Attributes in the Wild, ICCV 2015",
        licence: "non-commercial research only, as its publishers state",
        files: "img_align_celeba/*.jpg and list_eval_partition.txt",
    },
    PictureSetInfo {
        name: PictureSetName::Idx,
        shape: [0; 3],
        counts: [0; 3],
        classes: 0,
        origin: "MNIST and others in its format; your own",
        licence: "yours to know",
        files: "train-images-idx3-ubyte, and if wanted train-labels-idx1-ubyte, t10k-images-idx3-ubyte and \
                t10k-labels-idx1-ubyte (each also .gz)",
    },
    PictureSetInfo {
        name: PictureSetName::Folder,
        shape: [0; 3],
        counts: [0; 3],
        classes: 0,
        origin: "your own",
        licence: "yours to know",
        files: "PNG and JPEG files; folders train, validation and test are splits, folders inside them classes",
    },
    PictureSetInfo {
        name: PictureSetName::Digits,
        shape: [8, 8, 1],
        counts: [1_457, 161, 179],
        classes: 10,
        origin: "UCI, Optical recognition of handwritten digits (Alpaydin and Kaynak, 1998), its test pictures",
        licence: "CC BY 4.0",
        files: "none: it ships inside",
    },
];

/// Every picture set this crate can read.
pub fn picture_sets() -> &'static [PictureSetInfo] {
    &SETS
}

/// What [`check_pictures`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PictureReport {
    /// The set asked about.
    pub set: PictureSetName,
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// Bits per value.
    pub bits: u8,
    /// Train, validation and test pictures.
    pub counts: [usize; 3],
    /// The classes' names with the number of train pictures of each; empty without labels.
    pub classes: Vec<(String, usize)>,
    /// The mean of each channel over the train pictures, from 0 to 2^bits - 1.
    pub channel_means: Vec<f64>,
    /// The first file that was left out, and why; one that is named like a picture before any other.
    pub first_problem: Option<String>,
    /// How many files were left out.
    pub problems: usize,
    /// How many of them are named like pictures and are no good ones.
    pub broken: usize,
    /// Where the numbers differ from the published ones, in plain words; empty when they agree.
    pub differences: Vec<String>,
    /// What was done to the pictures.
    pub steps: Vec<String>,
    /// What recognises these splits: see [`PictureSet::fingerprint`](crate::PictureSet::fingerprint).
    pub fingerprint: u64,
}

/// Loads the pictures and describes them. Files that are no good pictures are counted, whatever `on_error` says; what stops
/// every reading is an error as in [`load_pictures`]. Under default settings the numbers are compared with the published.
pub fn check_pictures(config: &PictureConfig) -> Result<PictureReport> {
    let data = load_pictures(&PictureConfig { on_error: OnError::Skip, ..config.clone() })?;
    let counts = [data.train.count, data.validation.count, data.test.count];
    let mut differences = Vec::new();
    let plain =
        PictureConfig { set: config.set, path: config.path.clone(), on_error: config.on_error, ..Default::default() };
    let published = SETS.iter().find(|info| info.name == config.set && info.counts[0] > 0);
    if let Some(info) = published.filter(|_| *config == plain) {
        let pairs = info.counts.into_iter().zip(counts).zip(["train", "validation", "test"]);
        for ((expected, got), what) in pairs.filter(|((expected, got), _)| expected != got) {
            differences.push(format!("expected {expected} {what} pictures, got {got}"));
        }
        if info.shape != data.shape() {
            let shown = |[height, width, channels]: [usize; 3]| format!("{height}x{width}x{channels}");
            differences.push(format!("expected pictures of {}, got {}", shown(info.shape), shown(data.shape())));
        }
    }
    let is_broken = |line: &String| !line.ends_with(PASSED_OVER);
    let labelled = |label: usize| {
        let labels = data.train.labels.iter().flatten();
        labels.filter(|&&other| other as usize == label).count()
    };
    Ok(PictureReport {
        set: config.set,
        shape: data.shape(),
        bits: data.bits,
        counts,
        classes: data.classes.iter().enumerate().map(|(label, name)| (name.clone(), labelled(label))).collect(),
        channel_means: data.train.channel_means(),
        first_problem: data.skipped.iter().find(|line| is_broken(line)).or(data.skipped.first()).cloned(),
        broken: data.skipped.iter().filter(|line| is_broken(line)).count(),
        problems: data.skipped.len(),
        differences,
        fingerprint: data.fingerprint(),
        steps: data.steps,
    })
}
