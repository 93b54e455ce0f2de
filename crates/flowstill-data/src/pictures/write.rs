//! Write pixels as a PNG file, or as an array for NumPy.

use std::io::Write;
use std::path::Path;

use png::{BitDepth, ColorType, Compression, Encoder, Filter};

use crate::{DataError, Result, atomic};

/// Writes `pixels`, `[height, width, channels]` bytes with 1 or 3 channels, to `path`: whole or not at all.
///
/// # Errors
/// [`DataError::Shape`] if the bytes do not fill the shape, [`DataError::Io`] if the file cannot be written.
pub fn write_png(path: impl AsRef<Path>, pixels: &[u8], shape: [usize; 3]) -> Result<()> {
    let path = path.as_ref();
    let [height, width, channels] = shape;
    let colour = match channels {
        1 => ColorType::Grayscale,
        _ => ColorType::Rgb,
    };
    let sides = (u32::try_from(width), u32::try_from(height));
    let (Ok(width), Ok(height), true) = (sides.0, sides.1, matches!(channels, 1 | 3)) else {
        let (expected, got) = ("a picture with 1 or 3 channels".into(), format!("{shape:?}"));
        return Err(DataError::Shape { expected, got });
    };
    let size = (width as usize).checked_mul(height as usize).and_then(|size| size.checked_mul(channels));
    if size != Some(pixels.len()) || pixels.is_empty() {
        let (expected, got) = (format!("the bytes of {shape:?}"), format!("{} bytes", pixels.len()));
        return Err(DataError::Shape { expected, got });
    }
    atomic::write(path, |file| {
        let mut encoder = Encoder::new(file, width, height);
        encoder.set_color(colour);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Fast);
        encoder.set_filter(Filter::Adaptive);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(pixels)?;
            writer.finish()
        });
        written.map_err(|error| DataError::io(path, "write")(std::io::Error::other(error)))
    })
}

/// Writes `pixels`, `[count, height, width, channels]` bytes, to `path` as a `.npy` file of that shape and type `u1`: whole or not at all.
///
/// # Errors
/// [`DataError::Shape`] if the bytes do not fill the shape, [`DataError::Io`] if the file cannot be written.
pub fn write_picture_array(path: impl AsRef<Path>, pixels: &[u8], shape: [usize; 4]) -> Result<()> {
    let path = path.as_ref();
    let size = shape.iter().try_fold(1_usize, |size, &side| size.checked_mul(side));
    if size != Some(pixels.len()) || pixels.is_empty() {
        let (expected, got) = (format!("the bytes of {shape:?}"), format!("{} bytes", pixels.len()));
        return Err(DataError::Shape { expected, got });
    }
    let [count, height, width, channels] = shape;
    let mut header =
        format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, {height}, {width}, {channels}), }}");
    // The data begin at a multiple of 64, the line's end included.
    let whole = (10 + header.len() + 1).next_multiple_of(64);
    header.push_str(&" ".repeat(whole - 11 - header.len()));
    header.push('\n');
    atomic::write(path, |file| {
        let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(DataError::io(path, "write"));
        put(b"\x93NUMPY\x01\x00")?;
        put(&(header.len() as u16).to_le_bytes())?;
        put(header.as_bytes())?;
        put(pixels)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_misfits_are_told() {
        let folder = tempfile::tempdir().unwrap();
        for channels in [1, 3] {
            let path = folder.path().join(format!("{channels}.png"));
            let pixels: Vec<u8> = (0..5 * 4 * channels).map(|i| (i * 11) as u8).collect();
            write_png(&path, &pixels, [5, 4, channels]).unwrap();
            let read = image::open(&path).unwrap();
            assert_eq!((read.width(), read.height()), (4, 5));
            assert_eq!(if channels == 1 { read.to_luma8().into_raw() } else { read.to_rgb8().into_raw() }, pixels);
        }
        let path = folder.path().join("x.npy");
        write_picture_array(&path, &[7; 24], [2, 2, 2, 3]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes.len(), &bytes[..10]), (128 + 24, &b"\x93NUMPY\x01\x00\x76\x00"[..]));
        assert_eq!((bytes[127], &bytes[128..]), (b'\n', &[7; 24][..]));
        assert!(String::from_utf8_lossy(&bytes).contains("'shape': (2, 2, 2, 3)"));
        assert!(write_picture_array(&path, &[7; 23], [2, 2, 2, 3]).is_err());
        assert!(write_png(folder.path().join("x.png"), &[0; 5], [2, 2, 1]).is_err());
        assert!(write_png(folder.path().join("x.png"), &[0; 8], [2, 2, 2]).is_err());
        assert!(write_png(folder.path().join("no/x.png"), &[0; 4], [2, 2, 1]).is_err());
        assert!(!folder.path().join("x.png").exists());
    }
}
