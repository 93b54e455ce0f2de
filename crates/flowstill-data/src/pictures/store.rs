//! Hold pictures of one size as bytes, channels last, and gather batches of them.

use crate::{DataError, Result};

/// Pictures of one size: `count` x `height` x `width` x `channels` bytes, the channels of a pixel side by side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pictures {
    /// Every picture's bytes, one picture after another; each from 0 to 2^bits - 1.
    pub pixels: Vec<u8>,
    /// How many pictures.
    pub count: usize,
    /// Rows of a picture.
    pub height: usize,
    /// Columns of a picture.
    pub width: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Each picture's class, 0 to `class_count` - 1, where the set tells.
    pub labels: Option<Vec<u32>>,
    /// How many classes; 0 without labels.
    pub class_count: usize,
}

impl Pictures {
    /// Pictures of `shape` (height, width, channels) without labels; the bytes must be a whole number of pictures.
    pub fn new(pixels: Vec<u8>, shape: [usize; 3]) -> Result<Self> {
        let [height, width, channels] = shape;
        let size = height.checked_mul(width).and_then(|size| size.checked_mul(channels)).unwrap_or(usize::MAX);
        if size == 0 && !pixels.is_empty() || !pixels.len().is_multiple_of(size.max(1)) {
            let (expected, got) = (format!("pictures of {size} bytes"), format!("{} bytes", pixels.len()));
            return Err(DataError::Shape { expected, got });
        }
        let count = pixels.len() / size.max(1);
        Ok(Self { pixels, count, height, width, channels, labels: None, class_count: 0 })
    }

    /// The same pictures with a class each, 0 to `class_count` - 1.
    pub fn with_labels(self, labels: Vec<u32>, class_count: usize) -> Result<Self> {
        if labels.len() != self.count {
            let (expected, got) = (format!("{} labels", self.count), format!("{} labels", labels.len()));
            return Err(DataError::Shape { expected, got });
        }
        if let Some(label) = labels.iter().find(|&&label| label as usize >= class_count) {
            let expected = format!("labels below {class_count}");
            return Err(DataError::Shape { expected, got: format!("the label {label}") });
        }
        Ok(Self { labels: Some(labels), class_count, ..self })
    }

    /// Height, width and channels.
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Bytes in one picture: the dimension of a flow on it.
    pub fn picture_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// One picture's bytes, row after row, channels side by side; none past the end.
    pub fn picture(&self, index: usize) -> &[u8] {
        let size = self.picture_len();
        let start = index.saturating_mul(size);
        self.pixels.get(start..).and_then(|rest| rest.get(..size)).unwrap_or_default()
    }

    /// The pictures named, in this order, with their labels. An index past the end is an error.
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        let mut pixels = Vec::new();
        self.gather(indices, None, &mut pixels)?;
        let labels = self.labels.as_ref();
        let labels = labels.map(|all| indices.iter().filter_map(|&index| all.get(index).copied()).collect());
        Ok(Self { pixels, count: indices.len(), labels, ..*self })
    }

    /// Copies the pictures named, one after another, into `out`, whose old content goes: a minibatch, as bytes or as floats
    /// of the same values. Where `flip` is true, a picture is mirrored left to right. A buffer that is used again is not
    /// allocated again. An index past the end, or a `flip` of another length, is an error.
    ///
    /// ```
    /// use flowstill_data::Pictures;
    ///
    /// let pictures = Pictures::new(vec![1, 2, 3, 4, 5, 6], [1, 3, 1])?;
    /// let mut batch: Vec<f32> = Vec::new();
    /// pictures.gather(&[1u32, 0], Some(&[false, true]), &mut batch)?;
    /// assert_eq!(batch, [4.0, 5.0, 6.0, 3.0, 2.0, 1.0]);
    /// # Ok::<(), flowstill_data::DataError>(())
    /// ```
    pub fn gather<I: Copy + TryInto<usize>, T: Copy + From<u8>>(
        &self,
        indices: &[I],
        flip: Option<&[bool]>,
        out: &mut Vec<T>,
    ) -> Result<()> {
        out.clear();
        if let Some(flip) = flip.filter(|flip| flip.len() != indices.len()) {
            let (expected, got) = (format!("{} flips", indices.len()), format!("{} flips", flip.len()));
            return Err(DataError::Shape { expected, got });
        }
        let size = self.picture_len();
        out.reserve(indices.len().saturating_mul(size));
        for (at, &index) in indices.iter().enumerate() {
            let index = index.try_into().unwrap_or(usize::MAX);
            let picture = self.picture(index);
            if index >= self.count || picture.len() != size {
                let expected = format!("an index below {} in a whole picture set", self.count);
                return Err(DataError::Shape { expected, got: index.to_string() });
            }
            if flip.is_some_and(|flip| flip[at]) {
                match self.channels {
                    1 => mirror::<1, T>(picture, self.width, out),
                    3 => mirror::<3, T>(picture, self.width, out),
                    channels => mirror_any(picture, self.width, channels, out),
                }
            } else {
                out.extend(picture.iter().map(|&value| T::from(value)));
            }
        }
        Ok(())
    }

    /// The mean of each channel over all pictures, in the bytes' own units.
    pub fn channel_means(&self) -> Vec<f64> {
        let mut sums = vec![0u64; self.channels];
        for pixel in self.pixels.chunks_exact(self.channels.max(1)) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(value);
            }
        }
        let pixels = (self.count * self.height * self.width).max(1) as f64;
        sums.into_iter().map(|sum| sum as f64 / pixels).collect()
    }
}

/// Appends a picture whose rows run from right to left.
fn mirror<const C: usize, T: Copy + From<u8>>(picture: &[u8], width: usize, out: &mut Vec<T>) {
    for row in picture.chunks_exact((width * C).max(1)) {
        let (pixels, _) = row.as_chunks::<C>();
        out.extend(pixels.iter().rev().flat_map(|pixel| pixel.map(T::from)));
    }
}

/// [`mirror`] for a number of channels that is not known beforehand.
fn mirror_any<T: Copy + From<u8>>(picture: &[u8], width: usize, channels: usize, out: &mut Vec<T>) {
    for row in picture.chunks_exact((width * channels).max(1)) {
        out.extend(row.chunks_exact(channels.max(1)).rev().flatten().map(|&value| T::from(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain version: one value at a time.
    fn plain(pictures: &Pictures, indices: &[usize], flip: Option<&[bool]>) -> Vec<u8> {
        let [height, width, channels] = pictures.shape();
        let mut out = Vec::new();
        for (at, index) in indices.iter().enumerate() {
            for y in 0..height {
                for x in 0..width {
                    for channel in 0..channels {
                        let from = if flip.is_some_and(|flip| flip[at]) { width - 1 - x } else { x };
                        out.push(pictures.pixels[((index * height + y) * width + from) * channels + channel]);
                    }
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn gathering_equals_the_plain_version(
            shape in [1usize..6, 1usize..6, 1usize..5],
            picks in prop::collection::vec((0usize..4, any::<bool>()), 0..9),
            seed: u8,
        ) {
            let size: usize = shape.iter().product();
            let pixels = (0..4 * size).map(|i| (i as u8).wrapping_mul(37).wrapping_add(seed)).collect();
            let pictures = Pictures::new(pixels, shape).unwrap();
            let (indices, flip): (Vec<usize>, Vec<bool>) = picks.into_iter().unzip();
            for flip in [None, Some(&flip[..])] {
                let expected = plain(&pictures, &indices, flip);
                let mut bytes = vec![9u8; 3];
                pictures.gather(&indices, flip, &mut bytes).unwrap();
                prop_assert_eq!(&bytes, &expected);
                let short: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
                let mut floats: Vec<f32> = Vec::new();
                pictures.gather(&short, flip, &mut floats).unwrap();
                prop_assert!(floats.into_iter().eq(expected.into_iter().map(f32::from)));
            }
        }
    }

    #[test]
    fn a_buffer_is_not_allocated_twice() {
        let pictures = Pictures::new((0..=239).collect(), [4, 4, 3]).unwrap();
        let mut batch: Vec<f32> = Vec::new();
        pictures.gather(&[0usize, 1, 2], Some(&[true; 3]), &mut batch).unwrap();
        let (place, room) = (batch.as_ptr(), batch.capacity());
        for indices in [[4usize, 3, 2], [0, 0, 0]] {
            pictures.gather(&indices, Some(&[true, false, true]), &mut batch).unwrap();
            assert_eq!((batch.as_ptr(), batch.capacity()), (place, room));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_not_a_panic() {
        let pictures = Pictures::new(vec![1, 2, 3, 4, 5, 6], [1, 3, 1]).unwrap();
        let mut out: Vec<u8> = Vec::new();
        let error = pictures.gather(&[2usize], None, &mut out).unwrap_err().to_string();
        assert_eq!(error, "expected an index below 2 in a whole picture set, got 2");
        assert!(pictures.gather(&[-1i64], None, &mut out).is_err());
        assert!(pictures.gather(&[0usize], Some(&[]), &mut out).is_err());
        assert!(pictures.picture(2).is_empty() && pictures.picture(usize::MAX).is_empty());
        assert!(Pictures::new(vec![0; 5], [1, 3, 1]).is_err());
        assert!(Pictures::new(vec![0; 5], [usize::MAX, 3, 1]).is_err());
        assert!(Pictures::new(vec![0; 5], [0, 3, 1]).is_err());
        assert!(pictures.clone().with_labels(vec![0, 2], 2).is_err());
        assert!(pictures.clone().with_labels(vec![0], 2).is_err());
        let labelled = pictures.with_labels(vec![0, 1], 2).unwrap();
        let picked = labelled.select(&[1, 1]).unwrap();
        assert_eq!((picked.count, &picked.labels, picked.picture(0)), (2, &Some(vec![1, 1]), &[4, 5, 6][..]));
        assert_eq!(labelled.channel_means(), [3.5]);
    }
}
