//! Name the numbers that rows may be made of.

/// `f32` or `f64`. Standardisation is done in f64 and the flow runs in f32 whichever it is.
pub trait Value: Copy + Default + Send + Sync + Into<f64> + sealed::Sealed + 'static {
    /// The nearest number.
    fn from_f64(value: f64) -> Self;
}

impl Value for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

impl Value for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}
