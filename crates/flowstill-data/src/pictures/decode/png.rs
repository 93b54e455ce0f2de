//! Decode PNG data to bytes.

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use super::{Fault, MAX_PIXELS, check_size, exif, raster};
use crate::pictures::raster::Raster;

/// Decodes a whole file; palettes and less than 8 bits are expanded, 16 bits rounded to 8.
pub(super) fn decode(bytes: &[u8]) -> Result<Raster, Fault> {
    let broken = |error: png::DecodingError| Fault::Broken(format!("Png data with an error ({error})"));
    let limits = Limits { bytes: (MAX_PIXELS * 8) as usize };
    let mut decoder = Decoder::new_with_limits(std::io::Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::EXPAND);
    let (width, height) = decoder.read_header_info().map_err(broken)?.size();
    let (width, height) = (width as usize, height as usize);
    check_size(height, width)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let (colour, depth) = reader.output_color_type();
    let channels = colour.samples();
    if colour == ColorType::Indexed || !matches!(depth, BitDepth::Eight | BitDepth::Sixteen) {
        return Err(Fault::Broken(format!("Png data of an unknown kind ({colour:?}, {depth:?})")));
    }
    let size = reader.output_buffer_size().ok_or(Fault::Size { height, width })?;
    // Deflate packs at most 1,032 bytes into one: a file that claims more is cut, and no room is made for it.
    if size / 1040 > bytes.len() {
        return Err(Fault::Broken(format!("Png data of {} bytes for {height}x{width} pixels", bytes.len())));
    }
    let mut pixels = vec![0; size];
    reader.next_frame(&mut pixels).map_err(broken)?;
    if depth == BitDepth::Sixteen {
        // 65535 / 257 = 255: the nearest of 256 values.
        let nearest = |&pair: &[u8; 2]| ((u32::from(u16::from_be_bytes(pair)) + 128) / 257) as u8;
        pixels = pixels.as_chunks::<2>().0.iter().map(nearest).collect();
    }
    let picture = raster(pixels, height, width, channels);
    Ok(exif::upright(picture, reader.info().exif_metadata.as_deref()))
}
