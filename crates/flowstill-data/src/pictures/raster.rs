//! Cut one picture to the size and channels that the configuration asks for.

use std::path::Path;

use super::options::Channels;
use super::resample::lanczos;
use crate::{DataError, PictureConfig, Result};

/// One picture: `height` x `width` x `channels` bytes, channels 1 or 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raster {
    pub pixels: Vec<u8>,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// What becomes of every picture, whatever file it came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    crop: Option<[usize; 2]>,
    resize: Option<[usize; 2]>,
    channels: Channels,
}

impl Fit {
    pub fn new(config: &PictureConfig) -> Self {
        Self { crop: config.crop_sides(), resize: config.resize_sides(), channels: config.channels }
    }

    /// Each step in plain words.
    pub fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if let Some([height, width]) = self.crop {
            steps.push(format!("kept the middle {height}x{width} pixels of each picture"));
        }
        if let Some([height, width]) = self.resize {
            steps.push(format!(
                "scaled each picture's middle of that form to {height}x{width} pixels (Lanczos, window 3)"
            ));
        }
        match self.channels {
            Channels::Auto => {}
            Channels::Grey => steps.push("turned colour into grey (Rec. 709 luma)".into()),
            Channels::Colour => steps.push("repeated grey in three channels".into()),
        }
        steps
    }

    /// Crops, scales and converts; only a picture smaller than the crop is an error, which names `path`.
    pub fn apply(&self, mut raster: Raster, path: &Path) -> Result<Raster> {
        if self.channels == Channels::Grey {
            raster = raster.grey();
        }
        if let Some([height, width]) = self.crop {
            if height > raster.height || width > raster.width {
                let got = format!("{}x{} pixels", raster.height, raster.width);
                let remedy = "make `crop` smaller, leave the file out, or set on_error = \"skip\"";
                return Err(DataError::malformed(path, format!("at least {height}x{width} pixels"), got, remedy));
            }
            raster = raster.middle([height, width]);
        }
        if let Some(sides) = self.resize {
            raster = raster.scaled(sides);
        }
        Ok(if self.channels == Channels::Colour { raster.colour() } else { raster })
    }
}

impl Raster {
    /// The middle `sides` (height, width), which must fit; where the rest is odd, one more row or column goes at the end.
    fn middle(self, [height, width]: [usize; 2]) -> Self {
        if (height, width) == (self.height, self.width) {
            return self;
        }
        let (top, left) = ((self.height - height) / 2, (self.width - width) / 2);
        let mut pixels = Vec::with_capacity(height * width * self.channels);
        for row in self.pixels.chunks_exact(self.width * self.channels).skip(top).take(height) {
            pixels.extend_from_slice(&row[left * self.channels..(left + width) * self.channels]);
        }
        Self { pixels, height, width, channels: self.channels }
    }

    /// The largest middle part of the form `sides`, scaled to it.
    fn scaled(self, [height, width]: [usize; 2]) -> Self {
        let rounded = |product: usize, by: usize| (product + by / 2) / by;
        let form = if self.height * width > self.width * height {
            [rounded(self.width * height, width).clamp(1, self.height), self.width]
        } else {
            [self.height, rounded(self.height * width, height).clamp(1, self.width)]
        };
        let raster = self.middle(form);
        if [raster.height, raster.width] == [height, width] {
            return raster;
        }
        let pixels = match raster.channels {
            1 => lanczos::<1>(&raster.pixels, form, [height, width]),
            _ => lanczos::<3>(&raster.pixels, form, [height, width]),
        };
        Self { pixels, height, width, channels: raster.channels }
    }

    /// One channel.
    fn grey(self) -> Self {
        if self.channels == 1 {
            return self;
        }
        let luma =
            |[r, g, b]: &[u8; 3]| (2126 * u32::from(*r) + 7152 * u32::from(*g) + 722 * u32::from(*b) + 5000) / 10_000;
        let pixels = self.pixels.as_chunks().0.iter().map(|pixel| luma(pixel) as u8).collect();
        Self { pixels, channels: 1, ..self }
    }

    /// Three channels.
    pub fn colour(self) -> Self {
        if self.channels == 3 {
            return self;
        }
        Self { pixels: repeated(&self.pixels), channels: 3, ..self }
    }
}

/// Grey bytes three times each.
pub(super) fn repeated(grey: &[u8]) -> Vec<u8> {
    grey.iter().flat_map(|&value| [value; 3]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PictureSize;

    fn fitted(raster: &Raster, change: impl FnOnce(&mut PictureConfig)) -> Result<Raster> {
        let mut config = PictureConfig::default();
        change(&mut config);
        Fit::new(&config).apply(raster.clone(), Path::new("a.png"))
    }

    /// Pixel (y, x) is 10 y + x.
    fn grid(height: usize, width: usize) -> Raster {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (10 * y + x) as u8)).collect();
        Raster { pixels, height, width, channels: 1 }
    }

    #[test]
    fn the_crop_is_the_middle() {
        let part = fitted(&grid(5, 4), |c| c.crop = Some(PictureSize::Sides([2, 3]))).unwrap();
        assert_eq!((part.pixels, part.height, part.width), (vec![10, 11, 12, 20, 21, 22], 2, 3));
        let error = fitted(&grid(5, 4), |c| c.crop = Some(PictureSize::Side(5))).unwrap_err().to_string();
        assert!(
            error.starts_with("a.png: expected at least 5x5 pixels, got 5x4 pixels; make `crop` smaller"),
            "{error}"
        );
    }

    #[test]
    fn scaling_takes_in_every_pixel_and_squeezes_nothing() {
        // Black and white columns in turn: only a filter as wide as the reduction gives an even grey.
        let pixels = (0..64 * 64).map(|i| if i % 2 == 0 { 0 } else { 255 }).collect();
        let stripes = Raster { pixels, height: 64, width: 64, channels: 1 };
        let small = fitted(&stripes, |c| c.resize = Some(PictureSize::Side(8))).unwrap();
        assert!(small.pixels.iter().all(|&value| (120..=135).contains(&value)), "{:?}", small.pixels);
        // Wide: the outer columns go. Tall: the outer rows go.
        let marked = |value: usize| if (2..4).contains(&value) { 200 } else { 0 };
        let wide = Raster { pixels: (0..12).map(|i| marked(i % 6)).collect(), height: 2, width: 6, channels: 1 };
        assert_eq!(fitted(&wide, |c| c.resize = Some(PictureSize::Side(4))).unwrap().pixels, [200; 16]);
        let tall = Raster { pixels: (0..12).map(|i| marked(i / 2)).collect(), height: 6, width: 2, channels: 1 };
        assert_eq!(fitted(&tall, |c| c.resize = Some(PictureSize::Side(1))).unwrap().pixels, [200]);
        let thin = fitted(&grid(1, 9), |c| c.resize = Some(PictureSize::Sides([9, 1]))).unwrap();
        assert_eq!((thin.height, thin.width, thin.pixels.len()), (9, 1, 9));
        assert_eq!(fitted(&grid(3, 3), |c| c.resize = Some(PictureSize::Side(3))).unwrap(), grid(3, 3));
    }

    #[test]
    fn channels_are_converted() {
        let colours =
            Raster { pixels: vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9], height: 1, width: 4, channels: 3 };
        assert_eq!(fitted(&colours, |c| c.channels = Channels::Grey).unwrap().pixels, [54, 182, 18, 9]);
        assert_eq!(fitted(&colours, |_| {}).unwrap(), colours);
        let grey = fitted(&grid(1, 2), |c| c.channels = Channels::Colour).unwrap();
        assert_eq!((grey.pixels, grey.channels), (vec![0, 0, 0, 1, 1, 1], 3));
    }
}
