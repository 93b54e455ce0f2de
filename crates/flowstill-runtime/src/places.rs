//! Find every named tensor in one flat vector.

use std::collections::HashMap;
use std::ops::Range;

/// Where each tensor lies in a vector that joins them all.
#[derive(Clone, Debug, Default)]
pub struct Places {
    by_name: HashMap<String, Range<usize>>,
    length: usize,
}

impl Places {
    /// Names and lengths in the order in which the tensors are joined.
    pub fn new<'a>(tensors: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let mut places = Self::default();
        for (name, length) in tensors {
            places.by_name.insert(name.to_string(), places.length..places.length + length);
            places.length += length;
        }
        places
    }

    /// Values of all tensors.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Where the tensor `name` of `length` values begins.
    pub(crate) fn find(&self, name: &str, length: usize) -> Option<usize> {
        self.by_name.get(name).filter(|range| range.len() == length).map(|range| range.start)
    }
}
