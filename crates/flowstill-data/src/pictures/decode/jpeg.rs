//! Decode JPEG data to bytes.

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Fault, check_size, exif, raster};
use crate::pictures::raster::Raster;

/// Decodes a whole file; grey stays grey, everything else becomes RGB.
pub(super) fn decode(bytes: &[u8]) -> Result<Raster, Fault> {
    let broken = |error: DecodeErrors| Fault::Broken(format!("Jpeg data with an error ({error:?})"));
    // Sides are held to our own limit.
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut headers = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    headers.decode_headers().map_err(broken)?;
    let unknown = || Fault::Broken("Jpeg data without a size".into());
    let (width, height) = headers.dimensions().ok_or_else(unknown)?;
    check_size(height, width)?;
    // A block of 64 values takes a bit at least, so a whole file has these many; no room is made for what a cut one claims.
    if height.saturating_mul(width) / 1024 > bytes.len() {
        return Err(Fault::Broken(format!("Jpeg data of {} bytes for {height}x{width} pixels", bytes.len())));
    }
    let (colour, channels) = match headers.input_colorspace().ok_or_else(unknown)? {
        ColorSpace::Luma => (ColorSpace::Luma, 1),
        _ => (ColorSpace::RGB, 3),
    };
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options.jpeg_set_out_colorspace(colour));
    let pixels = decoder.decode().map_err(broken)?;
    if pixels.len() != height * width * channels {
        return Err(Fault::Broken(format!("Jpeg data of {} bytes for {height}x{width} pixels", pixels.len())));
    }
    Ok(exif::upright(raster(pixels, height, width, channels), headers.exif().map(Vec::as_slice)))
}
