//! Say of a layer what all that handle layers ask: its name, shapes, tensors with their ranges, context and order of channels.

use super::BijectorConfig;
use crate::{Error, Result};
use std::fmt::Arguments;

/// What becomes of a tensor in training and in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Moved by the optimiser, saved.
    Trainable,
    /// Saved, set by explicit calls only (statistics, the mark of an initialisation).
    Buffer,
    /// Follows from the configuration (a mask): never saved, but follows the device and the number type.
    Constant,
}

/// Which values a stored tensor may hold; all of them are finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Any finite value.
    Finite,
    /// 0 and above: a variance.
    NonNegative,
    /// 0 or 1: whether something has happened.
    Flag,
    /// 1 or -1.
    Sign,
    /// A square matrix with a single 1 in every row and column.
    Permutation,
}

impl Range {
    /// The first value of a tensor that must not stand there; `shape` is the tensor's.
    pub fn violation(self, values: &[f32], shape: &[usize]) -> Option<usize> {
        let fits = |value: &f32| match self {
            Range::Finite => value.is_finite(),
            Range::NonNegative => value.is_finite() && *value >= 0.0,
            Range::Flag | Range::Permutation => *value == 0.0 || *value == 1.0,
            Range::Sign => value.abs() == 1.0,
        };
        let first = values.iter().position(|value| !fits(value));
        if first.is_some() || self != Range::Permutation {
            return first;
        }
        let n = shape.last().copied().unwrap_or(0);
        let mut taken = vec![false; n];
        values.chunks_exact(n.max(1)).enumerate().find_map(|(row, values)| {
            let mut ones = values.iter().enumerate().filter(|(_, value)| **value == 1.0);
            let column = ones.next().map(|(column, _)| column);
            let fresh = column.is_some_and(|column| !std::mem::replace(&mut taken[column], true));
            (!fresh || ones.next().is_some()).then_some(row * n)
        })
    }

    /// The range in words, for an error.
    pub fn expected(self) -> &'static str {
        match self {
            Range::Finite => "a finite number",
            Range::NonNegative => "a number of at least 0",
            Range::Flag => "0 or 1",
            Range::Sign => "1 or -1",
            Range::Permutation => "a permutation matrix",
        }
    }
}

/// A stored tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The path of its layer and its own name, joined by dots.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// What becomes of it.
    pub role: Role,
    /// What it may hold.
    pub range: Range,
}

/// Called with the name, the shape, the role and the range of every tensor of a layer. Names are not made before they are wanted.
pub type Visit<'a> = dyn FnMut(Arguments<'_>, &[usize], Role, Range) + 'a;

/// How a layer rearranges the channels; what tells whether two flows' states may be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reordering {
    /// Channel `i` of the output belongs to channel `i` of the input.
    Kept,
    /// Channel `i` of the output belongs to channel `indices[i]` of the input.
    Permuted(Vec<usize>),
    /// Every output mixes all inputs by learned weights.
    Mixed,
}

impl Reordering {
    /// This rearrangement followed by `next`.
    pub fn then(self, next: Reordering) -> Reordering {
        let both = match (self, next) {
            (Reordering::Mixed, _) | (_, Reordering::Mixed) => return Reordering::Mixed,
            (before, Reordering::Kept) => return before,
            (Reordering::Kept, Reordering::Permuted(second)) => second,
            (Reordering::Permuted(first), Reordering::Permuted(second)) => second.iter().map(|&i| first[i]).collect(),
        };
        match both.iter().enumerate().all(|(i, &j)| i == j) {
            true => Reordering::Kept,
            false => Reordering::Permuted(both),
        }
    }

    /// The rearrangement that undoes this one; a learned mixing stays mixed.
    pub fn inverse(self) -> Reordering {
        match self {
            Reordering::Permuted(indices) => Reordering::Permuted(inverse_permutation(&indices)),
            other => other,
        }
    }
}

/// The order that undoes `indices`, a permutation.
pub fn inverse_permutation(indices: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; indices.len()];
    indices.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    inverse
}

/// How a layer changes the shape of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshape {
    /// Not at all.
    Same,
    /// Height and width are halved, channels are four times as many.
    Squeeze,
    /// From one shape to another, as a user's own layer says.
    Own {
        /// Height, width and channels before it.
        input: [usize; 3],
        /// Height, width and channels after it.
        output: [usize; 3],
    },
}

/// What a layer is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parts<'a> {
    /// Nothing but itself.
    None,
    /// Layers in a row, data side first.
    Chain(&'a [BijectorConfig]),
    /// A layer turned round.
    Inverted(&'a BijectorConfig),
}

/// What is known of a layer before it is built. Channels, shapes and order are those of the layer alone: of a layer made of others,
/// [`BijectorConfig`] derives them from its parts.
pub struct Descriptor<'a> {
    /// What files call its kind.
    pub name: &'a str,
    /// How many channels it works on; `None` where any number will do.
    pub channels: Option<usize>,
    /// How many conditioning values it takes; `None` where it takes no notice of them.
    pub context: Option<usize>,
    /// How it changes the shape of a state.
    pub reshape: Reshape,
    /// The least positions of a state that it works on.
    pub positions: usize,
    /// How it rearranges channels.
    pub reordering: Reordering,
    pub(crate) parts: Parts<'a>,
    pub(crate) check: Box<dyn Fn() -> Result<()> + 'a>,
    pub(crate) tensors: Box<dyn Fn(&mut Visit<'_>) + 'a>,
}

impl<'a> Descriptor<'a> {
    pub(crate) fn new(name: &'a str, channels: Option<usize>) -> Self {
        Self {
            name,
            channels,
            context: None,
            reshape: Reshape::Same,
            positions: 1,
            reordering: Reordering::Kept,
            parts: Parts::None,
            check: Box::new(|| Ok(())),
            tensors: Box::new(|_| {}),
        }
    }

    pub(crate) fn mixed(mut self) -> Self {
        self.reordering = Reordering::Mixed;
        self
    }

    pub(crate) fn with_context(mut self, context: usize) -> Self {
        self.context = Some(context);
        self
    }

    pub(crate) fn checked(mut self, check: impl Fn() -> Result<()> + 'a) -> Self {
        self.check = Box::new(check);
        self
    }

    pub(crate) fn with_tensors(mut self, tensors: impl Fn(&mut Visit<'_>) + 'a) -> Self {
        self.tensors = Box::new(tensors);
        self
    }

    /// Check every setting of this layer, parts aside.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        if self.channels.is_some_and(|channels| channels == 0 || channels > 1 << 20) {
            let problem = "zero or more than a million channels";
            return Err(Error::config("channels", problem, "check the shape of the data"));
        }
        (self.check)()
    }

    /// Show every stored tensor, named relative to the layer.
    pub fn tensors(&self, visit: &mut Visit<'_>) {
        (self.tensors)(visit);
    }

    /// The shape of the latents of data of shape `event`, of a layer without parts.
    pub(crate) fn output_event(&self, event: [usize; 3], context: usize) -> Result<[usize; 3]> {
        let [h, w, c] = event;
        match self.reshape {
            Reshape::Squeeze if h % 2 == 0 && w % 2 == 0 => Ok([h / 2, w / 2, 4 * c]),
            Reshape::Squeeze => Err(self.unfit(
                "an even height and width (crop or resize the pictures, or use fewer levels)",
                format!("{h}x{w}"),
            )),
            Reshape::Same => self.same_event(event, context),
            Reshape::Own { input, output } if input == event => Ok(output),
            Reshape::Own { input, .. } => Err(self.unfit(&format!("{event:?}"), format!("{input:?}"))),
        }
    }

    /// The shape of the data of latents of shape `event`, of a layer without parts.
    pub(crate) fn input_event(&self, event: [usize; 3], context: usize) -> Result<[usize; 3]> {
        let [h, w, c] = event;
        match self.reshape {
            Reshape::Squeeze if c % 4 == 0 => Ok([2 * h, 2 * w, c / 4]),
            Reshape::Squeeze => Err(self.unfit("a multiple of 4 channels", format!("{c}"))),
            Reshape::Same => self.same_event(event, context),
            Reshape::Own { input, output } if output == event => Ok(input),
            Reshape::Own { output, .. } => Err(self.unfit(&format!("{event:?}"), format!("{output:?}"))),
        }
    }

    fn same_event(&self, event: [usize; 3], context: usize) -> Result<[usize; 3]> {
        let [h, w, c] = event;
        if h * w < self.positions {
            let expected = format!("a picture of at least {} positions, for a checkerboard", self.positions);
            return Err(self.unfit(&expected, format!("{h}x{w}")));
        }
        if let Some(own) = self.channels.filter(|own| *own != c) {
            return Err(self.unfit(&format!("{c} channels"), format!("{own}")));
        }
        match self.context {
            Some(own) if own != context => Err(self.unfit(&format!("{context} conditioning values"), format!("{own}"))),
            _ => Ok(event),
        }
    }

    fn unfit(&self, expected: &str, got: String) -> Error {
        Error::shape(format!("layer {}", self.name), expected, got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_find_the_first_value_out_of_them() {
        assert_eq!(Range::Finite.violation(&[1.0, f32::NAN], &[2]), Some(1));
        assert_eq!(Range::NonNegative.violation(&[0.0, -1.0], &[2]), Some(1));
        assert_eq!(Range::Flag.violation(&[0.0, 1.0, 0.5], &[3]), Some(2));
        assert_eq!(Range::Sign.violation(&[-1.0, 0.0], &[2]), Some(1));
        let matrix = |values: [f32; 4]| Range::Permutation.violation(&values, &[2, 2]);
        assert_eq!(matrix([0.0, 1.0, 1.0, 0.0]), None);
        assert_eq!(matrix([0.0, 1.0, 0.0, 1.0]), Some(2));
        assert_eq!(matrix([1.0, 1.0, 0.0, 1.0]), Some(0));
        assert_eq!(matrix([1.0, 0.0, 0.0, 0.5]), Some(3));
    }

    #[test]
    fn orders_that_undo_each_other_are_none() {
        let order = Reordering::Permuted(vec![2, 0, 1]);
        assert_eq!(order.clone().then(order.clone().inverse()), Reordering::Kept);
        assert_eq!(order.then(Reordering::Mixed), Reordering::Mixed);
    }
}
