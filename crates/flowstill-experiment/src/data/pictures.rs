//! Bring a prepared set of pictures to what the library trains on.

use super::{PictureFacts, Prepared};
use crate::words::{first_names, shape};
use crate::{Error, Result};
use flowstill::model::{Model, SplitFacts, Standardization};
use flowstill::pictures::{Dequantization, PictureScaling, Pictures, Range};
use flowstill::train::TrainingData;
use flowstill_data::{Channels, DataError, Groups, PictureConfig, PictureSet, PictureSetName, load_pictures};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a flow sees of pictures, beside what is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PictureOptions {
    /// Turns every other training picture round, left to right. Default: yes for `cifar10`, `celeba` and `folder`, no for `idx` and `digits`,
    /// where it would make other signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<bool>,
    /// The values that the flow sees; default centred, `{ kind = "logit", alpha = 0.05 }` for the logit.
    pub range: Range,
    /// Conditions the flow on the class, for a set with labels; default no.
    pub class_conditional: bool,
    /// Where the noise comes from that makes pixels continuous, for the teacher and the plain student: `"uniform"`, or
    /// `{ variational = { steps = 4, hidden = 32 } }`, learned beside the flow; default uniform. Distilled students: `distill.dequantization`.
    pub dequantization: Dequantization,
}

/// Which pictures, and what the flow sees of them.
#[derive(Clone, Debug, PartialEq)]
pub struct PicturePlan {
    /// What is read.
    pub set: PictureConfig,
    /// What is made of it.
    pub options: PictureOptions,
}

impl PicturePlan {
    /// How pixels become what the flow sees.
    pub fn scaling(&self) -> PictureScaling {
        PictureScaling { bits: u32::from(self.set.kept_bits()), range: self.options.range }
    }

    fn flip(&self) -> bool {
        let usual = !matches!(self.set.set, PictureSetName::Idx | PictureSetName::Digits);
        self.options.flip.unwrap_or(usual)
    }
}

/// Whether a recipe's `[data]` names a set of pictures.
pub fn is_picture_set(name: &str) -> bool {
    PictureSetName::ALL.iter().any(|set| set.as_str() == name)
}

impl Prepared {
    /// Load a set and convert it.
    ///
    /// # Errors
    /// What the reader reports; labels that are wanted and not there.
    pub fn from_pictures(plan: &PicturePlan) -> Result<Self> {
        plan.scaling().check()?;
        let set = load_pictures(&plan.set)?;
        let classes = match plan.options.class_conditional {
            false => Vec::new(),
            true if set.classes.is_empty() => {
                return Err(Error::input(format!(
                    "pictures.class_conditional: {} has no labels; leave it out, or sort the pictures into one folder per class",
                    set.source
                )));
            }
            true => set.classes.clone(),
        };
        prepare(set, plan, classes)
    }

    /// Load a set for a flow that is there already: the flow's own range and classes count, its bits and shape must be the set's.
    ///
    /// # Errors
    /// As [`Prepared::from_pictures`]; a set that does not fit the flow.
    pub fn from_pictures_for(model: &Model, set: &PictureConfig) -> Result<Self> {
        let scaling = scaling_of(model)?;
        let bits = u32::from(set.kept_bits());
        if bits != scaling.bits {
            return Err(Error::input(format!(
                "data {}: expected pictures of {} bits, as the flow sees them, got {bits}; set bits = {} (data.bits in a recipe)",
                set.set, scaling.bits, scaling.bits
            )));
        }
        let pictures = load_pictures(set)?;
        check_shape(model, pictures.shape(), &pictures.source, "set")?;
        let classes = class_names(model);
        check_labels(&pictures, &classes)?;
        let options = PictureOptions {
            flip: Some(false),
            range: scaling.range,
            class_conditional: !classes.is_empty(),
            ..PictureOptions::default()
        };
        prepare(pictures, &PicturePlan { set: set.clone(), options }, classes)
    }
}

/// All pictures of a folder, as a flow sees them.
///
/// # Errors
/// As [`Prepared::from_pictures_for`].
pub fn pictures_in(model: &Model, path: &Path) -> Result<Pictures> {
    let scaling = scaling_of(model)?;
    let event = model.flow.architecture().event;
    if !std::fs::metadata(path).map_err(unreadable(path))?.is_dir() {
        return Err(Error::input(format!(
            "--data {}: expected a folder of pictures, as the flow models pictures, got a file; give a folder, or set=NAME,path=FILE",
            path.display()
        )));
    }
    let config = PictureConfig {
        bits: Some(scaling.bits as u8),
        channels: if event[2] == 3 { Channels::Colour } else { Channels::Auto },
        validation: 0.0,
        test: 0.0,
        ..PictureConfig::new(PictureSetName::Folder, path)
    };
    let set = load_pictures(&config).map_err(without_settings)?;
    check_shape(model, set.shape(), &set.source, "folder")?;
    let classes = class_names(model);
    check_labels(&set, &classes)?;
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for part in [set.train, set.validation, set.test] {
        labels.extend(renamed(part.labels.unwrap_or_default(), &set.classes, &classes));
        pixels.extend(part.pixels);
    }
    let made = Pictures::new(pixels, event, scaling)?;
    Ok(if classes.is_empty() { made } else { made.with_labels(labels, classes.len())? })
}

/// How the flow sees pictures.
///
/// # Errors
/// For a flow over a table.
pub fn scaling_of(model: &Model) -> Result<PictureScaling> {
    model.pictures.ok_or_else(|| Error::input("the flow models rows of a table, not pictures; give a table"))
}

/// The classes that condition a flow over pictures; none for a flow without.
pub fn class_names(model: &Model) -> Vec<String> {
    let (count, names) = (model.flow.architecture().context, &model.facts.context_columns);
    if names.len() == count { names.clone() } else { (0..count).map(|class| class.to_string()).collect() }
}

fn check_shape(model: &Model, got: [usize; 3], source: &str, way: &str) -> Result<()> {
    let wanted = model.flow.architecture().event;
    if wanted == got {
        return Ok(());
    }
    let mut settings = Vec::new();
    if wanted[..2] != got[..2] {
        settings.push(match wanted[0] == wanted[1] {
            true => format!("resize = {}", wanted[0]),
            false => format!("resize = [{}, {}]", wanted[0], wanted[1]),
        });
    }
    if wanted[2] != got[2] {
        settings.push(format!("channels = {}", wanted[2]));
    }
    let settings = settings.join(" and ");
    let remedy = match way {
        "set" => format!("set {settings} (under [data] in a recipe)"),
        _ => format!("convert them, or give --data set=folder,path=... with {settings}"),
    };
    Err(Error::input(format!(
        "{source}: expected pictures of {}, as the flow models, got {}; {remedy}",
        shape(wanted),
        shape(got)
    )))
}

/// Refuse labels that the flow does not know, and their lack.
fn check_labels(set: &PictureSet, classes: &[String]) -> Result<()> {
    if classes.is_empty() {
        return Ok(());
    }
    if set.classes.is_empty() {
        return Err(Error::input(format!(
            "{}: the flow is conditioned on {} classes, and these pictures have no labels; sort them into one folder per class ({})",
            set.source,
            classes.len(),
            first_names(classes, 12)
        )));
    }
    match set.classes.iter().find(|class| !classes.contains(class)) {
        Some(class) => Err(Error::input(format!(
            "{}: has the class `{class}`, and the flow knows {}; call the classes as the flow does",
            set.source,
            first_names(classes, 12)
        ))),
        None => Ok(()),
    }
}

/// Labels by the classes' places in another list of the same names.
fn renamed(labels: Vec<u32>, from: &[String], to: &[String]) -> Vec<u32> {
    let place = |label: u32| from.get(label as usize).and_then(|name| to.iter().position(|other| other == name));
    labels.into_iter().map(|label| place(label).unwrap_or_default() as u32).collect()
}

/// A reader's error without the advice that only a recipe can follow.
pub fn without_settings(error: DataError) -> Error {
    match error {
        DataError::Malformed { path, expected, got, remedy } if remedy.contains("on_error") => {
            let remedy = "replace the file, or leave it out".to_string();
            DataError::Malformed { path, expected, got, remedy }.into()
        }
        DataError::Malformed { path, expected, got, remedy } if remedy.contains("`resize`") => {
            let remedy = "bring all pictures to one size".to_string();
            DataError::Malformed { path, expected, got, remedy }.into()
        }
        other => other.into(),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| DataError::Io { path, action: "read", source }.into()
}

/// Convert a set whose labels, where `classes` has any, are among these.
fn prepare(set: PictureSet, plan: &PicturePlan, classes: Vec<String>) -> Result<Prepared> {
    let scaling = plan.scaling();
    let event = set.shape();
    let every: Vec<u64> = [&set.train, &set.validation, &set.test].map(marks).to_vec();
    let split = SplitFacts {
        set: plan.set.set.to_string(),
        seed: plan.set.seed,
        validation: plan.set.validation,
        test: plan.set.test,
        limit_rows: plan.set.limit,
        groups: plan.set.groups.as_ref().map(toml_of),
        rows: set.train.count + set.validation.count + set.test.count,
        table_fingerprint: format!("{:016x}", every.iter().fold(0_u64, |sum, mark| sum.wrapping_add(*mark))),
        test_fingerprint: format!("{:016x}", every[2]),
    };
    let part = |pictures: flowstill_data::Pictures| -> Result<Pictures> {
        let labels = pictures.labels;
        let made = Pictures::new(pictures.pixels, event, scaling)?;
        match classes.len() {
            0 => Ok(made),
            count => Ok(made.with_labels(renamed(labels.unwrap_or_default(), &set.classes, &classes), count)?),
        }
    };
    let training =
        TrainingData { train: part(set.train)?.flipped(plan.flip()).into(), validation: part(set.validation)?.into() };
    let test = part(set.test)?.into();
    Ok(Prepared {
        names: Vec::new(),
        standardization: Standardization::identity(event[2], classes.len()),
        training,
        test,
        pictures: Some(PictureFacts {
            event,
            scaling,
            classes: classes.len(),
            dequantization: plan.options.dequantization,
        }),
        own_splits: set.own_splits,
        groups: set.groups,
        context_names: classes,
        source: set.source,
        steps: set.steps,
        split,
        findings: Vec::new(),
    })
}

/// Groups as a recipe writes them.
fn toml_of(groups: &Groups) -> String {
    toml::Value::try_from(groups).map(|value| value.to_string()).unwrap_or_default()
}

/// A number that does not depend on the order of the pictures.
fn marks(pictures: &flowstill_data::Pictures) -> u64 {
    let one = |picture: &[u8]| {
        picture
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    pictures.pixels.chunks_exact(pictures.picture_len().max(1)).fold(0, |sum, picture| sum.wrapping_add(one(picture)))
}
