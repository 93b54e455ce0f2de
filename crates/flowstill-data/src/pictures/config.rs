//! Describe in a configuration file which pictures to load, how to cut them to size, and how to split them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::options::{Channels, Groups, OnError, PictureSize};
use crate::{DataError, Result};

/// A set of pictures that this crate knows how to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PictureSetName {
    /// CIFAR-10: 32x32 colour, 10 classes; binary batches, Python batches, or a folder of pictures.
    Cifar10,
    /// CelebA, aligned and cropped: 178x218 colour JPEGs and the published partition.
    Celeba,
    /// MNIST and whatever else comes in its IDX files.
    Idx,
    /// Any folder of PNG and JPEG files.
    Folder,
    /// The 1,797 handwritten digits that ship in this crate: 8x8 grey, 16 shades.
    #[default]
    Digits,
}

impl PictureSetName {
    /// Every name, in the catalogue's order.
    pub const ALL: [Self; 5] = [Self::Cifar10, Self::Celeba, Self::Idx, Self::Folder, Self::Digits];

    /// The name as configuration files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Celeba => "celeba",
            Self::Idx => "idx",
            Self::Folder => "folder",
            Self::Digits => "digits",
        }
    }
}

impl fmt::Display for PictureSetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PictureSetName {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| DataError::Config {
            field: "set",
            expected: Self::ALL.map(Self::as_str).join(", "),
            got: format!("`{}`", crate::error::shown(text, 40)),
            remedy: "use one of these names".into(),
        })
    }
}

/// Which pictures to load. Every field has a default, and unknown fields are errors.
///
/// ```
/// let config: flowstill_data::PictureConfig =
///     serde_json::from_str(r#"{ "set": "folder", "path": "photos", "resize": 64, "bits": 5 }"#)?;
/// assert_eq!(config.resize.unwrap().sides(), [64, 64]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PictureConfig {
    /// Which pictures. Default: `digits`, the ones that ship inside.
    pub set: PictureSetName,
    /// The folder that holds them; for `idx` also the file of pictures. Default: none; every set but `digits` needs it.
    pub path: Option<PathBuf>,
    /// Keeps the middle of each picture: a side, or [height, width], in pixels, 1 to 16384. Default: none; `celeba` 160.
    pub crop: Option<PictureSize>,
    /// Scales each picture, cropped or not, to a side or to [height, width], in pixels, 1 to 16384, with a Lanczos filter
    /// that takes in every pixel. Nothing is squeezed: of a picture of another form, the largest middle part of the wanted
    /// form is scaled. Default: none; `celeba` 64.
    pub resize: Option<PictureSize>,
    /// `auto`, 1 or 3. Default: `auto`.
    pub channels: Channels,
    /// Keeps the top bits of each value, 1 to 8: values p become p >> (8 - bits), from 0 to 2^bits - 1. Default: 8; `digits`
    /// 4, which is all they have.
    pub bits: Option<u8>,
    /// The part of the train pictures that validates, 0 to below 1, where the set has no validation split. Default: 0.1.
    pub validation: f64,
    /// The part of the pictures that tests, 0 to below 1, where the set has no test split. Default: 0.1.
    pub test: f64,
    /// The seed of the order, and so of the splits and limits. Default: 42.
    pub seed: u64,
    /// Trains on this many pictures only, drawn by the seed; a smaller limit draws a part of a larger one's. Other files are
    /// not decoded. Default: all.
    pub limit: Option<usize>,
    /// Validates on this many pictures at most and tests on as many, drawn likewise. Default: all.
    pub limit_held_out: Option<usize>,
    /// What to do with files of `folder`, `celeba` or a `cifar10` folder that are no good pictures: `error` or `skip`.
    /// Default: `error`.
    pub on_error: OnError,
    /// Pictures of `folder` that are of one thing: `"folder"`, or `{ before = "_" }` for `PHOTOGRAPH_CROP.png`. Splits are cut between
    /// groups, so that a part may come out a little smaller. Default: none, every picture is a thing of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Groups>,
}

impl Default for PictureConfig {
    fn default() -> Self {
        Self {
            set: PictureSetName::Digits,
            path: None,
            crop: None,
            resize: None,
            channels: Channels::Auto,
            bits: None,
            validation: 0.1,
            test: 0.1,
            seed: 42,
            limit: None,
            limit_held_out: None,
            on_error: OnError::Error,
            groups: None,
        }
    }
}

/// Sides above this are refused, of files as of settings.
pub(super) const MAX_SIDE: u32 = 16_384;

impl PictureConfig {
    /// Loads `set` from `path`, with every other field at its default.
    pub fn new(set: PictureSetName, path: impl Into<PathBuf>) -> Self {
        Self { set, path: Some(path.into()), ..Self::default() }
    }

    /// The bits kept: the setting, or the set's own.
    pub fn kept_bits(&self) -> u8 {
        self.bits.unwrap_or(self.own_bits())
    }

    fn own_bits(&self) -> u8 {
        if self.set == PictureSetName::Digits { 4 } else { 8 }
    }

    /// Height and width of the middle part kept, if any.
    pub(super) fn crop_sides(&self) -> Option<[usize; 2]> {
        let own = (self.set == PictureSetName::Celeba).then_some(PictureSize::Side(160));
        self.crop.or(own).map(PictureSize::sides)
    }

    /// Height and width to scale to, if any.
    pub(super) fn resize_sides(&self) -> Option<[usize; 2]> {
        let own = (self.set == PictureSetName::Celeba).then_some(PictureSize::Side(64));
        self.resize.or(own).map(PictureSize::sides)
    }

    /// Refuses settings that make no sense, before anything is read.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |field, expected: &str, got: String, remedy: &str| {
            Err(DataError::Config { field, expected: expected.into(), got, remedy: remedy.into() })
        };
        for (field, part) in [("validation", self.validation), ("test", self.test)] {
            if !(0.0..1.0).contains(&part) {
                return wrong(field, "a part from 0 to below 1", part.to_string(), "0.1 is the usual part");
            }
        }
        for (field, limit) in [("limit", self.limit), ("limit_held_out", self.limit_held_out)] {
            if limit == Some(0) {
                return wrong(field, "at least 1", "0".into(), "leave it out to use every picture");
            }
        }
        for (field, sides) in [("crop", self.crop_sides()), ("resize", self.resize_sides())] {
            let good = |side: &usize| (1..=MAX_SIDE as usize).contains(side);
            if let Some([height, width]) = sides.filter(|sides| !sides.iter().all(good)) {
                let expected = format!("sides of 1 to {MAX_SIDE} pixels");
                return wrong(field, &expected, format!("{height}x{width}"), "64 is a usual side");
            }
        }
        let (bits, own) = (self.kept_bits(), self.own_bits());
        if !(1..=own).contains(&bits) {
            let expected = format!("1 to {own}, as the pictures of set `{}` have {own}", self.set);
            return wrong("bits", &expected, bits.to_string(), "leave it out to keep all");
        }
        match &self.groups {
            Some(_) if self.set != PictureSetName::Folder => {
                let expected = "no groups, as only files have names to tell them by";
                return wrong("groups", expected, format!("some for `{}`", self.set), "leave it out");
            }
            Some(Groups::Before(text)) if text.is_empty() => {
                return wrong(
                    "groups",
                    "a text before which names agree",
                    "\"\"".into(),
                    "{ before = \"_\" } is usual",
                );
            }
            _ => {}
        }
        match (self.set, &self.path) {
            (PictureSetName::Digits, Some(path)) => {
                let remedy = "leave it out, or set = \"folder\" to read pictures of your own";
                wrong("path", "no path, as the digits ship inside", path.display().to_string(), remedy)
            }
            (PictureSetName::Digits, None) | (_, Some(_)) => Ok(()),
            (set, None) => wrong("path", "a path", "none".into(), &format!("give the folder of set `{set}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for name in PictureSetName::ALL {
            assert_eq!(name.to_string().parse::<PictureSetName>().unwrap(), name);
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
        }
        let error = "power".parse::<PictureSetName>().unwrap_err().to_string();
        assert!(error.starts_with("setting `set`: expected cifar10, celeba,") && error.contains("got `power`"));
    }

    #[test]
    fn fields_take_their_forms_and_their_defaults() {
        let config: PictureConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(config, PictureConfig::default());
        assert_eq!((config.kept_bits(), config.crop_sides(), config.resize_sides()), (4, None, None));
        let celeba = PictureConfig::new(PictureSetName::Celeba, "c");
        assert_eq!(
            (celeba.crop_sides(), celeba.resize_sides(), celeba.kept_bits()),
            (Some([160; 2]), Some([64; 2]), 8)
        );
        let text =
            r#"{ "set": "idx", "path": "m", "crop": [20, 24], "resize": 16, "channels": 3, "on_error": "skip" }"#;
        let config: PictureConfig = serde_json::from_str(text).unwrap();
        assert_eq!((config.crop_sides(), config.resize_sides()), (Some([20, 24]), Some([16, 16])));
        assert_eq!((config.channels, config.on_error), (Channels::Colour, OnError::Skip));
        assert_eq!(serde_json::from_str::<PictureConfig>(&serde_json::to_string(&config).unwrap()).unwrap(), config);
        for (text, said) in [
            (r#"{ "channels": 2 }"#, "expected channels = \"auto\", 1 or 3, got 2"),
            (r#"{ "channels": "grey" }"#, "got `grey`"),
            (r#"{ "resize": "big" }"#, "expected a side in pixels or [height, width]"),
            (r#"{ "crops": 1 }"#, "unknown field `crops`"),
        ] {
            let error = serde_json::from_str::<PictureConfig>(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn senseless_settings_are_refused() {
        let bad = |change: fn(&mut PictureConfig)| {
            let mut config = PictureConfig::new(PictureSetName::Folder, "photos");
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(bad(|c| c.test = 1.0).starts_with("setting `test`: expected a part from 0 to below 1, got 1;"));
        assert!(bad(|c| c.validation = f64::NAN).starts_with("setting `validation`"));
        assert!(bad(|c| c.limit = Some(0)).starts_with("setting `limit`"));
        assert!(bad(|c| c.bits = Some(0)).starts_with("setting `bits`: expected 1 to 8"));
        assert!(bad(|c| c.bits = Some(9)).starts_with("setting `bits`"));
        assert!(bad(|c| c.crop = Some(PictureSize::Side(0))).starts_with("setting `crop`: expected sides of 1 to"));
        assert!(bad(|c| c.resize = Some(PictureSize::Sides([8, 20_000]))).contains("got 8x20000"));
        assert!(
            bad(|c| c.groups = Some(Groups::Before(String::new()))).starts_with("setting `groups`: expected a text")
        );
        let digits = PictureConfig { groups: Some(Groups::Folder), ..PictureConfig::default() };
        assert!(digits.check().unwrap_err().to_string().starts_with("setting `groups`: expected no groups"));
        assert!(bad(|c| c.path = None).contains("give the folder of set `folder`"));
        assert!(bad(|c| c.set = PictureSetName::Digits).contains("ship inside"));
        let digits = PictureConfig { bits: Some(5), ..PictureConfig::default() };
        assert!(
            digits.check().unwrap_err().to_string().contains("expected 1 to 4, as the pictures of set `digits` have 4")
        );
    }
}
