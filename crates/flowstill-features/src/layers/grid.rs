//! Hold activations `[count, height, width, channels]`, channels last.

/// Owned activations, reshaped in place so that a buffer serves many layers.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    pub values: Vec<f32>,
    pub count: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// Borrowed activations of a part of the pictures.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub values: &'a [f32],
    pub count: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Grid {
    /// Takes a shape; what the values are then is unspecified.
    pub fn reshape(&mut self, count: usize, height: usize, width: usize, channels: usize) {
        (self.count, self.height, self.width, self.channels) = (count, height, width, channels);
        self.values.resize(count * height * width * channels, 0.0);
    }

    pub fn new(count: usize, height: usize, width: usize, channels: usize) -> Self {
        let mut grid = Self::default();
        grid.reshape(count, height, width, channels);
        grid
    }

    pub fn view(&self) -> View<'_> {
        self.part(0, self.count)
    }

    /// The activations of `count` pictures from `first`.
    pub fn part(&self, first: usize, count: usize) -> View<'_> {
        let one = self.height * self.width * self.channels;
        let values = &self.values[first * one..(first + count) * one];
        View { values, count, height: self.height, width: self.width, channels: self.channels }
    }
}
