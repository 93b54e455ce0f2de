//! Bring a prepared set of pictures to what the library trains on.

use crate::convert::{PictureFacts, Prepared};
use crate::failure::{Failure, Outcome};
use flowstill::file::SplitFacts;
use flowstill::model::Standardization;
use flowstill::pictures::{Dequantization, PictureScaling, Pictures, Range};
use flowstill::train::TrainingData;
use flowstill_data::{PictureConfig, PictureSetName, load_pictures};
use serde::{Deserialize, Serialize};

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

/// Load a set and convert it.
///
/// # Errors
/// What the reader reports; labels that are wanted and not there.
pub fn load(plan: &PicturePlan) -> Outcome<Prepared> {
    let scaling = plan.scaling();
    scaling.check()?;
    let set = load_pictures(&plan.set)?;
    let event = set.shape();
    let classes = match plan.options.class_conditional {
        false => 0,
        true if set.classes.is_empty() => {
            return Err(Failure::input(format!(
                "pictures.class_conditional: {} has no labels; leave it out, or sort the pictures into one folder per class",
                set.source
            )));
        }
        true => set.classes.len(),
    };
    let every: Vec<u64> = [&set.train, &set.validation, &set.test].map(marks).to_vec();
    let split = SplitFacts {
        set: plan.set.set.to_string(),
        seed: plan.set.seed,
        validation: plan.set.validation,
        test: plan.set.test,
        limit_rows: plan.set.limit,
        rows: set.train.count + set.validation.count + set.test.count,
        table_fingerprint: format!("{:016x}", every.iter().fold(0_u64, |sum, mark| sum.wrapping_add(*mark))),
        test_fingerprint: format!("{:016x}", every[2]),
    };
    let part = |pictures: flowstill_data::Pictures| -> Outcome<Pictures> {
        let labels = pictures.labels;
        let made = Pictures::new(pictures.pixels, event, scaling)?;
        match (classes, labels) {
            (0, _) => Ok(made),
            (_, labels) => Ok(made.with_labels(labels.unwrap_or_default(), classes)?),
        }
    };
    Ok(Prepared {
        names: Vec::new(),
        context_names: if classes > 0 { set.classes.clone() } else { Vec::new() },
        standardization: Standardization::identity(event[2], classes),
        training: TrainingData {
            train: part(set.train)?.flipped(plan.flip()).into(),
            validation: part(set.validation)?.into(),
        },
        test: part(set.test)?.into(),
        pictures: Some(PictureFacts { event, scaling, classes, dequantization: plan.options.dequantization }),
        source: set.source,
        steps: set.steps,
        split,
    })
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
