//! Find every named tensor in one flat vector, and lend each layer its part of one.

use std::collections::HashMap;
use std::ops::Range;

/// Where each tensor lies in a vector that joins them all.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    by_name: HashMap<String, Range<usize>>,
    length: usize,
}

impl Offsets {
    /// Names and lengths in the order in which the tensors are joined.
    pub fn new<'a>(tensors: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let mut offsets = Self::default();
        for (name, length) in tensors {
            offsets.by_name.insert(name.to_string(), offsets.length..offsets.length + length);
            offsets.length += length;
        }
        offsets
    }

    /// Values of all tensors.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Where the tensor `name` lies.
    pub fn range(&self, name: &str) -> Option<Range<usize>> {
        self.by_name.get(name).cloned()
    }

    /// Where the tensor `name` of `length` values begins.
    pub(crate) fn find(&self, name: &str, length: usize) -> Option<usize> {
        self.by_name.get(name).filter(|range| range.len() == length).map(|range| range.start)
    }
}

/// The part of a vector, which lies as the values do, that one layer writes.
pub(crate) struct Slots<'a> {
    values: &'a mut [f32],
    start: usize,
}

impl<'a> Slots<'a> {
    /// What stands from `start` on.
    pub(crate) fn new(values: &'a mut [f32], start: usize) -> Self {
        Self { values, start }
    }

    /// `count` values from the place `at` of the whole vector on.
    pub(crate) fn at(&mut self, at: usize, count: usize) -> &mut [f32] {
        &mut self.values[at - self.start..][..count]
    }

    /// Cut off what stands before the place `end`.
    pub(crate) fn split_before(&mut self, end: usize) -> Self {
        let (own, rest) = std::mem::take(&mut self.values).split_at_mut(end - self.start);
        let start = std::mem::replace(&mut self.start, end);
        self.values = rest;
        Self { values: own, start }
    }
}

/// From the first to the end of the last.
pub(crate) fn hull(ranges: impl IntoIterator<Item = Range<usize>>) -> Range<usize> {
    ranges.into_iter().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}
