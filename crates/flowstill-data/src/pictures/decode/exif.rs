//! Turn a photograph upright as its Exif note says.

use crate::pictures::raster::Raster;

/// Turns the picture by the note's orientation; a note that is absent or broken turns nothing.
pub(super) fn upright(picture: Raster, note: Option<&[u8]>) -> Raster {
    let orientation = note.and_then(orientation).unwrap_or(1);
    if !(2..=8).contains(&orientation) {
        return picture;
    }
    let Raster { pixels, height, width, channels } = picture;
    let (turned_height, turned_width) = if orientation >= 5 { (width, height) } else { (height, width) };
    let mut turned = Vec::with_capacity(pixels.len());
    for y in 0..turned_height {
        for x in 0..turned_width {
            // Where the pixel lies in the file (Exif 2.3, tag 0x112: what its row 0 and column 0 are).
            let (row, column) = match orientation {
                2 => (y, width - 1 - x),
                3 => (height - 1 - y, width - 1 - x),
                4 => (height - 1 - y, x),
                5 => (x, y),
                6 => (height - 1 - x, y),
                7 => (height - 1 - x, width - 1 - y),
                _ => (x, width - 1 - y),
            };
            turned.extend_from_slice(&pixels[(row * width + column) * channels..][..channels]);
        }
    }
    Raster { pixels: turned, height: turned_height, width: turned_width, channels }
}

/// The orientation, 1 to 8, of a TIFF structure's first directory.
fn orientation(note: &[u8]) -> Option<u16> {
    let little = match note.first_chunk()? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let word = |at: usize| {
        let pair = *note.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let long = |at: usize| {
        let four = *note.get(at..)?.first_chunk()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = usize::from(word(directory)?);
    // Entries of 12 bytes: tag, kind (3: a word), count, value.
    for entry in (0..entries).map(|index| directory.saturating_add(2 + 12 * index)) {
        if (word(entry)?, word(entry + 2)?, long(entry + 4)?) == (0x112, 3, 1) {
            return word(entry + 8).filter(|value| (1..=8).contains(value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A note with one entry before the orientation.
    fn note(orientation: u16, little: bool) -> Vec<u8> {
        let mut bytes = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        let word = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let long = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        bytes.extend(long(8));
        bytes.extend(word(2));
        for (tag, value) in [(0x100, 7), (0x112, orientation)] {
            bytes.extend([word(tag), word(3)].concat());
            bytes.extend(long(1));
            bytes.extend([word(value), word(0)].concat());
        }
        bytes
    }

    #[test]
    fn every_orientation_turns_as_the_image_crate_does() {
        for channels in [1, 3] {
            let pixels: Vec<u8> = (0..2 * 3 * channels).map(|value| value as u8).collect();
            for code in 0..10 {
                let ours =
                    upright(Raster { pixels: pixels.clone(), height: 2, width: 3, channels }, Some(&note(code, true)));
                let mut theirs = match channels {
                    1 => image::DynamicImage::from(image::GrayImage::from_raw(3, 2, pixels.clone()).unwrap()),
                    _ => image::DynamicImage::from(image::RgbImage::from_raw(3, 2, pixels.clone()).unwrap()),
                };
                let turn = image::metadata::Orientation::from_exif(code as u8);
                theirs.apply_orientation(turn.unwrap_or(image::metadata::Orientation::NoTransforms));
                assert_eq!((ours.width, ours.height), (theirs.width() as usize, theirs.height() as usize), "{code}");
                assert_eq!(ours.pixels, theirs.into_bytes(), "{code}");
            }
        }
    }

    #[test]
    fn notes_of_both_orders_are_read_and_broken_ones_are_not() {
        for little in [true, false] {
            let whole = note(6, little);
            assert_eq!(orientation(&whole), Some(6));
            for end in 0..whole.len() - 2 {
                assert_eq!(orientation(&whole[..end]), None, "{end}");
            }
            for at in 0..whole.len() {
                for flip in 1..=255 {
                    let mut bytes = whole.clone();
                    bytes[at] ^= flip;
                    let _ = orientation(&bytes);
                }
            }
        }
        assert_eq!((orientation(&note(0, true)), orientation(&note(9, false))), (None, None));
    }
}
