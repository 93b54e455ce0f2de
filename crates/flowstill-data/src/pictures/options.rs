//! Name the choices about a picture: its size, its channels, and what to do when it is broken.

use serde::{Deserialize, Serialize};

/// A picture's size in pixels: one side of a square, or height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a side in pixels or [height, width]")]
pub enum PictureSize {
    /// A square's side.
    Side(u32),
    /// Height and width.
    Sides([u32; 2]),
}

impl PictureSize {
    /// Height and width.
    pub fn sides(self) -> [usize; 2] {
        match self {
            Self::Side(side) => [side as usize; 2],
            Self::Sides([height, width]) => [height as usize, width as usize],
        }
    }
}

/// How many channels a picture keeps; configuration files write `"auto"`, 1 or 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "ChannelsText", into = "ChannelsText")]
pub enum Channels {
    /// 3 if any picture has colour channels, else 1.
    #[default]
    Auto,
    /// 1: colour becomes grey by Rec. 709's luma, 0.2126 R + 0.7152 G + 0.0722 B, rounded.
    Grey,
    /// 3: grey is repeated.
    Colour,
}

/// [`Channels`] as files write it.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected channels = \"auto\", 1 or 3")]
enum ChannelsText {
    Number(u8),
    Word(String),
}

impl TryFrom<ChannelsText> for Channels {
    type Error = String;

    fn try_from(text: ChannelsText) -> Result<Self, String> {
        let got = match text {
            ChannelsText::Number(1) => return Ok(Self::Grey),
            ChannelsText::Number(3) => return Ok(Self::Colour),
            ChannelsText::Word(word) if word == "auto" => return Ok(Self::Auto),
            ChannelsText::Number(number) => number.to_string(),
            ChannelsText::Word(word) => format!("`{}`", crate::error::shown(&word, 40)),
        };
        Err(format!("expected channels = \"auto\", 1 or 3, got {got}"))
    }
}

impl From<Channels> for ChannelsText {
    fn from(channels: Channels) -> Self {
        match channels {
            Channels::Auto => Self::Word("auto".into()),
            Channels::Grey => Self::Number(1),
            Channels::Colour => Self::Number(3),
        }
    }
}

/// Which pictures are of one thing, such as the crops of one photograph: they come into one split, and errors count things, not pictures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// Those of one folder.
    Folder,
    /// Those of one folder whose names agree before the last occurrence of this text: `{ before = "_" }` for `PHOTOGRAPH_CROP.png`.
    Before(String),
}

/// What to do with a file that is no good picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Stop and name it.
    #[default]
    Error,
    /// Leave it out, and name it in the report.
    Skip,
}
