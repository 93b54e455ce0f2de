//! Decode one PNG or JPEG file, and refuse what is broken or far too large.

use std::path::Path;

use super::config::MAX_SIDE;
use super::raster::Raster;
use crate::read::limits;
use crate::{DataError, Pictures, Result};

mod exif;
mod jpeg;
mod png;

/// The largest picture decoded, in pixels: a 67-megapixel photograph.
const MAX_PIXELS: u64 = 1 << 26;

/// The longest file read, in bytes.
const MAX_BYTES: u64 = 1 << 29;

/// Decodes a file by its content, whatever its ending. Palettes are looked up, 16 bits rounded to 8, transparency is laid
/// over white, CMYK turned into RGB; a photograph is turned upright as its Exif says. Colour profiles are not applied.
pub(super) fn decode(path: &Path) -> Result<Raster> {
    let length = limits::regular(path)?.len();
    if length > MAX_BYTES {
        let expected = format!("a picture file of at most {MAX_BYTES} bytes");
        return Err(DataError::malformed(path, expected, format!("{length} bytes"), "leave it out, or scale it down"));
    }
    let bytes = std::fs::read(path).map_err(DataError::io(path, "read"))?;
    parse(path, &bytes)
}

/// Reads one PNG or JPEG file as it is: one picture of one channel, or three if the file has colour. Palettes, 16 bits, transparency
/// and the orientation of photographs are treated as [`load_pictures`](crate::load_pictures) does.
///
/// # Errors
/// [`DataError::Io`] for a file that is not there, [`DataError::Malformed`] for one that is no whole picture.
pub fn read_picture(path: impl AsRef<Path>) -> Result<Pictures> {
    let Raster { pixels, height, width, channels } = decode(path.as_ref())?;
    Pictures::new(pixels, [height, width, channels])
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Raster> {
    let wrong = |got: &str| {
        let remedy = "replace the file, leave it out, or set on_error = \"skip\"";
        DataError::malformed(path, "a whole PNG or JPEG picture", got, remedy)
    };
    let found = match Format::of(bytes) {
        Some(Format::Png) => png::decode(bytes),
        Some(Format::Jpeg) if !jpeg_ends(bytes) => return Err(wrong("a JPEG file cut short")),
        Some(Format::Jpeg) => jpeg::decode(bytes),
        Some(other) => return Err(wrong(&format!("a picture of the format {other:?}"))),
        None if bytes.is_empty() => return Err(wrong("an empty file")),
        None => return Err(wrong("something else")),
    };
    found.map_err(|fault| match fault {
        Fault::Broken(error) => wrong(&error),
        Fault::Size { height, width } => {
            let expected = format!("1 to {MAX_PIXELS} pixels and sides up to {MAX_SIDE}");
            let remedy = "scale it down with another program, or leave it out";
            DataError::malformed(path, expected, format!("{height}x{width} pixels"), remedy)
        }
    })
}

/// Why bytes are no picture.
enum Fault {
    /// What the decoder says.
    Broken(String),
    /// It claims to be empty or far too large.
    Size { height: usize, width: usize },
}

/// Refuses a picture without pixels or with too many, before anything is made room for.
fn check_size(height: usize, width: usize) -> std::result::Result<(), Fault> {
    let size = height as u64 * width as u64;
    let fits = size != 0 && size <= MAX_PIXELS && width.max(height) <= MAX_SIDE as usize;
    if fits { Ok(()) } else { Err(Fault::Size { height, width }) }
}

/// Formats known by their first bytes, the first two to be read and the others to be named.
#[derive(Debug)]
enum Format {
    Png,
    Jpeg,
    Gif,
    WebP,
    Tiff,
    Bmp,
    Avif,
}

impl Format {
    fn of(bytes: &[u8]) -> Option<Self> {
        let at = |start: usize, mark: &[u8]| bytes.get(start..).is_some_and(|rest| rest.starts_with(mark));
        Some(match bytes {
            _ if at(0, b"\x89PNG\r\n\x1a\n") => Self::Png,
            _ if at(0, b"\xff\xd8\xff") => Self::Jpeg,
            _ if at(0, b"GIF87a") || at(0, b"GIF89a") => Self::Gif,
            _ if at(0, b"RIFF") && at(8, b"WEBP") => Self::WebP,
            _ if at(0, b"MM\0*") || at(0, b"II*\0") => Self::Tiff,
            _ if at(0, b"BM") => Self::Bmp,
            _ if at(4, b"ftypavif") => Self::Avif,
            _ => return None,
        })
    }
}

/// One byte a value: a raster of one channel or three from 1 to 4, with an opacity as the last of an even number.
fn raster(pixels: Vec<u8>, height: usize, width: usize, channels: usize) -> Raster {
    let (pixels, channels) = match channels {
        2 => (over_white::<2>(&pixels), 1),
        4 => (over_white::<4>(&pixels), 3),
        _ => (pixels, channels),
    };
    Raster { pixels, height, width, channels }
}

/// Lays pixels of N - 1 values and an opacity over a white ground.
fn over_white<const N: usize>(pixels: &[u8]) -> Vec<u8> {
    let laid = |value: u8, opacity: u8| {
        let (value, opacity) = (u32::from(value), u32::from(opacity));
        ((value * opacity + 255 * (255 - opacity) + 127) / 255) as u8
    };
    let pixels = pixels.as_chunks::<N>().0;
    pixels.iter().flat_map(|pixel| pixel[..N - 1].iter().map(|&value| laid(value, pixel[N - 1]))).collect()
}

/// Whether a JPEG file has its end mark behind its first scan. Decoders fill in what a cut file lacks, and say nothing.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    // Segments, each 0xFF, a kind and a big-endian length, up to the first scan; a preview's end mark lies inside of one.
    while let Some(&[mark, kind, high, low]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        if mark != 0xff {
            break;
        }
        if kind == 0xff {
            at += 1; // a fill byte
            continue;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if kind == 0xda {
            break;
        }
    }
    bytes.get(at..).is_some_and(|scans| scans.windows(2).any(|pair| pair == [0xff, 0xd9]))
}

#[cfg(test)]
mod tests;
