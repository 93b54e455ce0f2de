//! Take numbers, lines and counted bytes from the file, never beyond its end.

use crate::PickleError;
use crate::node::Span;

pub(crate) struct Input<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl Input<'_> {
    pub fn malformed<T>(&self, what: &'static str) -> Result<T, PickleError> {
        Err(PickleError::Malformed { what, at: self.at })
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<Span, PickleError> {
        let left = self.bytes.len() - self.at;
        if count > left {
            return Err(PickleError::Truncated { needed: count, left });
        }
        let start = self.at;
        self.at += count;
        Ok(start..self.at)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let span = self.take(N)?;
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[span]);
        Ok(out)
    }

    /// A little-endian number of up to 8 bytes without a sign.
    pub fn number(&mut self, width: usize) -> Result<u64, PickleError> {
        let span = self.take(width)?;
        Ok(self.bytes[span].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// As many bytes as a number of `width` bytes says.
    pub fn counted(&mut self, width: usize) -> Result<Span, PickleError> {
        let count = self.number(width)?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// A little-endian number in two's complement behind its count of bytes; `None` if it is longer than 16.
    pub fn long(&mut self, width: usize) -> Result<Option<i128>, PickleError> {
        let span = self.counted(width)?;
        let digits = &self.bytes[span];
        let negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut word = if negative { [0xff; 16] } else { [0; 16] };
        let Some(low) = word.get_mut(..digits.len()) else { return Ok(None) };
        low.copy_from_slice(digits);
        Ok(Some(i128::from_le_bytes(word)))
    }

    /// Up to the end of a line, without it.
    pub fn line(&mut self) -> Result<Span, PickleError> {
        let rest = &self.bytes[self.at..];
        let cut = PickleError::Truncated { needed: rest.len() + 1, left: rest.len() };
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(cut)?;
        let span = self.take(length + 1)?;
        let carriage = usize::from(length > 0 && self.bytes[span.end - 2] == b'\r');
        Ok(span.start..span.end - 1 - carriage)
    }
}
