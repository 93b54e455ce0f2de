//! Read the handwritten digits that ship inside.

use std::path::{Path, PathBuf};

use super::idx;
use super::source::{Holding, Source};
use crate::Result;

/// UCI's digits as IDX files; `assets/README.md` says how they were made.
static PICTURES: &[u8] = include_bytes!("../../assets/digits-images-idx3-ubyte.gz");
static LABELS: &[u8] = include_bytes!("../../assets/digits-labels-idx1-ubyte.gz");

/// 1,797 pictures of 8x8 pixels. The files' values 0 to 16 (pixels set in a block of 4x4) become 16 shades: 16 counts as 15,
/// and shade s is the byte 17 s, whose top four bits are s again.
pub(super) fn read() -> Result<Source> {
    let (pictures, labels) = (Path::new("digits-images-idx3-ubyte.gz"), Path::new("digits-labels-idx1-ubyte.gz"));
    let mut train = idx::labelled(idx::pictures(pictures, PICTURES)?, labels, LABELS)?;
    train.pixels.iter_mut().for_each(|value| *value = (*value).min(15) * 17);
    let classes = (0..train.class_count).map(|class| class.to_string()).collect();
    let steps = vec![format!("read the {} digits that ship inside; value 16 counts as 15", train.count)];
    let origin = "Optical recognition of handwritten digits (Alpaydin and Kaynak, 1998, doi 10.24432/C50P49, CC BY 4.0), \
                  its test pictures";
    Ok(Source {
        train: Holding::Memory(train, PathBuf::from("digits")),
        validation: None,
        test: None,
        classes,
        steps,
        skipped: Vec::new(),
        origin: origin.into(),
    })
}
