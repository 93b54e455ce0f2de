//! Cut what a call fills into the parts of tiles.

/// Values of samples, which can be cut between two samples.
pub(super) trait Output: Send + Sized {
    /// Samples.
    fn samples(&self) -> usize;

    /// The first `at` samples, and the rest.
    fn split(self, at: usize) -> (Self, Self);
}

/// So many values a sample, `width` at least 1.
pub(super) struct Rows<'a, O> {
    /// The values, row-major.
    pub values: &'a mut [O],
    /// Values of a sample.
    pub width: usize,
}

impl<'a, O> Rows<'a, O> {
    /// `width` values of every sample.
    pub fn new(values: &'a mut [O], width: usize) -> Self {
        Self { values, width: width.max(1) }
    }
}

impl<O: Send> Output for Rows<'_, O> {
    fn samples(&self) -> usize {
        self.values.len() / self.width
    }

    fn split(self, at: usize) -> (Self, Self) {
        // None where there are no conditioning values.
        let (left, right) = self.values.split_at_mut((at * self.width).min(self.values.len()));
        (Self { values: left, width: self.width }, Self { values: right, width: self.width })
    }
}

impl<A: Output, B: Output> Output for (A, B) {
    fn samples(&self) -> usize {
        self.0.samples()
    }

    fn split(self, at: usize) -> (Self, Self) {
        let ((a, rest_a), (b, rest_b)) = (self.0.split(at), self.1.split(at));
        ((a, b), (rest_a, rest_b))
    }
}
