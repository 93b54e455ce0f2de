//! Say what was expected, what came instead, and what to do about it.

/// Why features could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// The file of weights could not be opened or read.
    #[error("cannot read `{path}`: {source}; {remedy}")]
    Read {
        /// The file's name.
        path: String,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The file of weights ends too soon.
    #[error("`{path}` is truncated: {what} needs {needed} more bytes, {left} are left; {remedy}")]
    Truncated {
        /// The file's name.
        path: String,
        /// The part that was being read.
        what: String,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that are there.
        left: usize,
        /// What to do.
        remedy: &'static str,
    },
    /// The file of weights holds something that tensors do not need; nothing of it was executed.
    #[error("`{path}` asks for {what}, expected plain tensors only: refused; {remedy}")]
    Refused {
        /// The file's name.
        path: String,
        /// What it asks for.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The file is not what it should be.
    #[error("`{path}` is no usable torch checkpoint: {reason}; {remedy}")]
    Malformed {
        /// The file's name.
        path: String,
        /// What contradicts the format.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A tensor of the network is not in the file.
    #[error("no float tensor `{name}` of shape {expected:?}: {remedy}")]
    MissingTensor {
        /// The tensor's name.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// What to do.
        remedy: &'static str,
    },
    /// A tensor has another shape than the network's.
    #[error("tensor `{name}` has shape {got:?}, expected {expected:?}: {remedy}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        got: Vec<usize>,
        /// What to do.
        remedy: &'static str,
    },
    /// A weight is NaN or infinite.
    #[error("tensor `{name}` holds {value} at its element {at}, expected finite numbers: {remedy}")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// The offending value.
        value: f32,
        /// Its place, row-major, from 0.
        at: usize,
        /// What to do.
        remedy: &'static str,
    },
    /// The values do not fill the shape.
    #[error("tensor `{name}` has {got} values for shape {shape:?}: pass as many as the sizes multiply to")]
    Values {
        /// The tensor's name.
        name: String,
        /// The shape that was given.
        shape: Vec<usize>,
        /// How many values came.
        got: usize,
    },
    /// The bytes do not fill the pictures.
    #[error("{got} bytes for pictures of shape {shape:?}: pass [count, height, width, channels] bytes, channels last")]
    Bytes {
        /// Count, height, width, channels.
        shape: [usize; 4],
        /// How many bytes came.
        got: usize,
    },
    /// Pictures without pixels, or with channels that are neither grey nor colour.
    #[error("pictures of shape {shape:?}: expected a height and width of at least 1, and 1 or 3 channels")]
    PictureShape {
        /// Count, height, width, channels.
        shape: [usize; 4],
    },
    /// The input side lies outside its range.
    #[error("`side` is {got}, expected {least} to {most} pixels")]
    Side {
        /// What it was.
        got: usize,
        /// The smallest.
        least: usize,
        /// The largest.
        most: usize,
    },
}
