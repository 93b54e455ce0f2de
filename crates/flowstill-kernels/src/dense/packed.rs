//! Keep a matrix in the order in which it is read.

use std::ops::Range;

/// Outputs that are computed together; with the vectors of a block of lanes they fill the registers.
pub const UNITS: usize = 6;

/// A matrix from `inputs` planes to `outputs` planes, arranged for [`Packed::apply`].
#[derive(Clone, Debug, Default)]
pub struct Packed {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// For each group of outputs the inputs that it sees.
    pub(super) spans: Vec<Range<usize>>,
    /// `[group][inputs of its span][UNITS]`.
    pub(super) weights: Vec<f32>,
}

impl Packed {
    /// Room for a matrix; `span` tells which inputs an output sees.
    ///
    /// # Panics
    /// If a span leaves the inputs.
    pub fn new(outputs: usize, inputs: usize, span: impl Fn(usize) -> Range<usize>) -> Self {
        let of_group = |first: usize| {
            let own = (first..(first + UNITS).min(outputs)).map(&span).filter(|span| !span.is_empty());
            own.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
        };
        let spans: Vec<_> = (0..outputs).step_by(UNITS).map(of_group).collect();
        assert!(spans.iter().all(|span| span.end <= inputs), "spans within {inputs} inputs");
        let length: usize = spans.iter().map(Range::len).sum();
        Self { inputs, outputs, spans, weights: vec![0.0; length * UNITS] }
    }

    /// Fill in the weights; `weight(output, input)` must be 0 where the output does not see the input.
    pub fn fill(&mut self, weight: impl Fn(usize, usize) -> f32) {
        let mut rest = self.weights.as_mut_slice();
        for (group, span) in self.spans.iter().enumerate() {
            let (own, tail) = rest.split_at_mut(span.len() * UNITS);
            rest = tail;
            let first = group * UNITS;
            let here = UNITS.min(self.outputs - first);
            for (input, weights) in span.clone().zip(own.chunks_exact_mut(UNITS)) {
                for (unit, to) in weights[..here].iter_mut().enumerate() {
                    *to = weight(first + unit, input);
                }
            }
        }
    }

    /// Planes that come in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Planes that go out.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Multiplications per lane, those by padding not counted.
    pub fn products(&self) -> usize {
        let own = |(group, span): (usize, &Range<usize>)| span.len() * UNITS.min(self.outputs - group * UNITS);
        self.spans.iter().enumerate().map(own).sum()
    }
}
