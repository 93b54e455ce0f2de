//! Reproduce GLOW on pictures as normflows computes it, piece by piece, and as plain formulas in NumPy do, as a whole.
//!
//! `README.md` gives the conventions of both sides. `cargo test --test golden_pictures -- --nocapture` prints the largest differences.

#[path = "../common/mod.rs"]
mod common;
mod glow;
mod normflows;

use burn::tensor::{DType, Gradients, Tensor, TensorData};
use common::{assert_close, device};
use flowstill::{Parameters, to_f64};
use serde::Deserialize;

/// A tensor of a fixture, row-major.
#[derive(Clone, Debug, Deserialize)]
struct Stored {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Stored {
    fn tensor<const D: usize>(&self) -> Tensor<D> {
        self.tensor_as(DType::F64)
    }

    fn tensor_as<const D: usize>(&self, dtype: DType) -> Tensor<D> {
        let shape: [usize; D] = self.shape.clone().try_into().expect("as many axes as asked for");
        common::tensor_as(&self.values, shape, dtype)
    }

    fn flat(&self) -> Tensor<1> {
        Tensor::from_data(TensorData::new(self.values.clone(), [self.values.len()]), (&device(), DType::F64))
    }
}

/// Set one tensor of a layer or of a flow by name.
fn set<P: Parameters + ?Sized>(layer: &mut P, name: &str, value: Tensor<1>) {
    let mut params = layer.params_mut();
    let names: Vec<String> = params.iter().map(|(name, _)| name.clone()).collect();
    let (_, param) = params.iter_mut().find(|(other, _)| other == name).unwrap_or_else(|| panic!("{name}: {names:?}"));
    assert_eq!(param.len(), value.dims()[0], "{name}");
    param.set(value);
}

/// The gradient of a leaf, zeros where nothing reached it.
fn gradient<const D: usize>(leaf: &Tensor<D>, grads: &Gradients) -> Vec<f64> {
    leaf.grad(grads).map_or_else(|| vec![0.0; leaf.shape().num_elements()], to_f64)
}

/// The comparisons of one case, and the largest difference among them.
struct Comparison {
    case: String,
    worst: f64,
}

impl Comparison {
    fn of(case: &str) -> Self {
        Self { case: case.to_string(), worst: 0.0 }
    }

    /// Assert closeness relative to `1 + |expected|`.
    #[track_caller]
    fn close(&mut self, ours: &[f64], expected: &[f64], tolerance: f64, what: &str) {
        assert!(!expected.is_empty(), "{} {what}: nothing to compare", self.case);
        assert_close(ours, expected, tolerance, &format!("{} {what}", self.case));
        let differences = ours.iter().zip(expected).map(|(a, b)| (a - b).abs() / (1.0 + b.abs()));
        self.worst = differences.fold(self.worst, f64::max);
    }

    /// The same relative to the largest of the expected values, as gradients are sums over positions.
    #[track_caller]
    fn close_as_a_whole(&mut self, ours: &[f64], expected: &[f64], tolerance: f64, what: &str) {
        let scale = expected.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
        let over = |values: &[f64]| values.iter().map(|v| v / scale).collect::<Vec<_>>();
        self.close(&over(ours), &over(expected), tolerance, what);
    }

    fn report(&self) {
        println!("{}: largest difference {:.1e}", self.case, self.worst);
    }
}
