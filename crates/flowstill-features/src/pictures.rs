//! Borrow 8-bit pictures, with their shape checked once.

use crate::FeatureError;

/// Pictures `[count, height, width, channels]`, channels last, 8 bits a value, grey (1 channel) or red-green-blue (3).
#[derive(Clone, Copy, Debug)]
pub struct Pictures<'a> {
    bytes: &'a [u8],
    shape: [usize; 4],
}

impl<'a> Pictures<'a> {
    /// Accepts `bytes` if they fill `shape`: count, height, width, channels.
    pub fn new(bytes: &'a [u8], shape: [usize; 4]) -> Result<Self, FeatureError> {
        let [_, height, width, channels] = shape;
        if height == 0 || width == 0 || !matches!(channels, 1 | 3) {
            return Err(FeatureError::PictureShape { shape });
        }
        if shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) != Some(bytes.len()) {
            return Err(FeatureError::Bytes { shape, got: bytes.len() });
        }
        Ok(Self { bytes, shape })
    }

    /// Count, height, width, channels.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// How many pictures.
    pub fn count(&self) -> usize {
        self.shape[0]
    }

    /// The bytes of one picture, `[height, width, channels]`.
    pub(crate) fn picture(&self, index: usize) -> &'a [u8] {
        let one = self.bytes.len() / self.shape[0];
        &self.bytes[index * one..(index + 1) * one]
    }

    /// A fingerprint of the bytes and their shape, to tell picture sets apart; FNV-1a of 64 bits in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let shape = self.shape.iter().flat_map(|&size| (size as u64).to_le_bytes());
        let hash = shape
            .chain(self.bytes.iter().copied())
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        format!("{hash:016x}")
    }
}
