//! Decode one PNG or JPEG file, and refuse what is broken or far too large.

use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

use super::config::MAX_SIDE;
use super::raster::Raster;
use crate::{DataError, Pictures, Result};

/// The largest picture decoded, in pixels: a 67-megapixel photograph.
const MAX_PIXELS: u64 = 1 << 26;

/// The longest file read, in bytes.
const MAX_BYTES: u64 = 1 << 29;

/// Decodes a file by its content, whatever its ending. Palettes are looked up, 16 bits rounded to 8, transparency is laid
/// over white, CMYK turned into RGB; a photograph is turned upright as its Exif says. Colour profiles are not applied.
pub(super) fn decode(path: &Path) -> Result<Raster> {
    let length = std::fs::metadata(path).map_err(DataError::io(path, "read"))?.len();
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
    let format = match image::guess_format(bytes) {
        _ if bytes.is_empty() => return Err(wrong("an empty file")),
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        Ok(other) => return Err(wrong(&format!("a picture of the format {other:?}"))),
        Err(_) => return Err(wrong("something else")),
    };
    if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
        return Err(wrong("a JPEG file cut short"));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_PIXELS * 8);
    reader.limits(limits);
    let broken = |error: image::ImageError| wrong(&format!("{format:?} data with an error ({error})"));
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let size = u64::from(width) * u64::from(height);
    if size == 0 || size > MAX_PIXELS || width.max(height) > MAX_SIDE {
        let expected = format!("1 to {MAX_PIXELS} pixels and sides up to {MAX_SIDE}");
        let remedy = "scale it down with another program, or leave it out";
        return Err(DataError::malformed(path, expected, format!("{height}x{width} pixels"), remedy));
    }
    // A broken note about orientation does not make a broken picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    Ok(raster(picture))
}

/// Three bytes a pixel if the file has colour, one otherwise.
fn raster(picture: DynamicImage) -> Raster {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let kind = picture.color();
    let (pixels, channels) = match (kind.has_color(), kind.has_alpha()) {
        (false, false) => (picture.into_luma8().into_raw(), 1),
        (false, true) => (over_white::<2>(&picture.into_luma_alpha8().into_raw()), 1),
        (true, false) => (picture.into_rgb8().into_raw(), 3),
        (true, true) => (over_white::<4>(&picture.into_rgba8().into_raw()), 3),
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
