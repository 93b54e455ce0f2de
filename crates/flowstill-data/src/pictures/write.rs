//! Write pixels as a PNG file.

use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::{DataError, Result, atomic};

/// Writes `pixels`, `[height, width, channels]` bytes with 1 or 3 channels, to `path`: whole or not at all.
///
/// # Errors
/// [`DataError::Shape`] if the bytes do not fill the shape, [`DataError::Io`] if the file cannot be written.
pub fn write_png(path: impl AsRef<Path>, pixels: &[u8], shape: [usize; 3]) -> Result<()> {
    let path = path.as_ref();
    let [height, width, channels] = shape;
    let colour = match channels {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
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
        let written = PngEncoder::new(file).write_image(pixels, width, height, colour);
        written.map_err(|error| DataError::io(path, "write")(std::io::Error::other(error)))
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
        assert!(write_png(folder.path().join("x.png"), &[0; 5], [2, 2, 1]).is_err());
        assert!(write_png(folder.path().join("x.png"), &[0; 8], [2, 2, 2]).is_err());
        assert!(write_png(folder.path().join("no/x.png"), &[0; 4], [2, 2, 1]).is_err());
        assert!(!folder.path().join("x.png").exists());
    }
}
