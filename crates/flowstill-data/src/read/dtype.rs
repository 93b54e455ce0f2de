//! Decode NumPy's number types.

/// The type of an array's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dtype {
    kind: u8,
    /// Bytes per item.
    pub size: usize,
    big_endian: bool,
}

impl Dtype {
    /// Understands NumPy's short names, as `<f8`; `None` for text, objects, structures and complex numbers.
    pub fn parse(name: &str) -> Option<Self> {
        let (big_endian, rest) = match name.as_bytes() {
            [b'>', rest @ ..] => (true, rest),
            [b'<' | b'|' | b'=', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        match rest {
            [kind @ b'f', size @ (b'2' | b'4' | b'8')]
            | [kind @ (b'i' | b'u'), size @ (b'1' | b'2' | b'4' | b'8')]
            | [kind @ b'b', size @ b'1'] => Some(Self { kind: *kind, size: usize::from(size - b'0'), big_endian }),
            _ => None,
        }
    }

    /// The same type in the other byte order.
    pub fn with_big_endian(self, big_endian: bool) -> Self {
        Self { big_endian, ..self }
    }

    /// Whether items are single bytes, 0 to 255.
    pub fn is_byte(self) -> bool {
        (self.kind, self.size) == (b'u', 1)
    }

    /// Every item of `bytes`; a rest shorter than an item is passed over.
    pub fn decode(self, bytes: &[u8]) -> Vec<f64> {
        bytes.chunks_exact(self.size).map(|item| self.item(item)).collect()
    }

    fn item(self, item: &[u8]) -> f64 {
        // The item's bytes in the low end of a 64-bit word.
        let mut word = [0; 8];
        word[..item.len()].copy_from_slice(item);
        if self.big_endian {
            word[..item.len()].reverse();
        }
        let bits = u64::from_le_bytes(word);
        match (self.kind, self.size) {
            (b'f', 8) => f64::from_bits(bits),
            (b'f', 4) => f64::from(f32::from_bits(bits as u32)),
            (b'f', _) => half(bits as u16),
            (b'i', 8) => bits as i64 as f64,
            (b'i', 4) => f64::from(bits as i32),
            (b'i', 2) => f64::from(bits as i16),
            (b'i', _) => f64::from(bits as i8),
            _ => bits as f64,
        }
    }
}

/// An IEEE half-precision number.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_decodes_in_both_byte_orders() {
        for (name, bytes, value) in [
            ("<f8", 1.5f64.to_le_bytes().to_vec(), 1.5),
            (">f8", 1.5f64.to_be_bytes().to_vec(), 1.5),
            ("<f4", 0.1f32.to_le_bytes().to_vec(), f64::from(0.1f32)),
            ("<f2", vec![0x00, 0xc1], -2.5),
            ("<f2", vec![0x01, 0x00], 5.960464477539063e-8),
            ("<i8", (-3i64).to_le_bytes().to_vec(), -3.0),
            (">i4", (-3i32).to_be_bytes().to_vec(), -3.0),
            ("<u2", vec![0xff, 0xff], 65535.0),
            ("|i1", vec![0xff], -1.0),
            ("|b1", vec![1], 1.0),
        ] {
            assert_eq!(Dtype::parse(name).unwrap().decode(&bytes), [value], "{name}");
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn other_types_are_refused() {
        for name in ["<U3", "|O", "<c16", "<f16", "f", "", "<M8[ns]"] {
            assert_eq!(Dtype::parse(name), None, "{name}");
        }
    }
}
