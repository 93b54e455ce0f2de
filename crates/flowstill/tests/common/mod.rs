//! Evaluate bijectors on the host in f64 and differentiate them by central differences.
#![allow(dead_code)]

use burn::tensor::{DType, Device, Tensor, TensorData};
use flowstill::bijectors::{Bijector, BijectorConfig, Build};
use flowstill::random::{normals, stream};
use flowstill::{Parameters, Role, to_f64};

/// The CPU device that the laws are checked on.
pub fn device() -> Device {
    Device::flex()
}

/// A tensor of host values in f64.
pub fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    tensor_as(values, shape, DType::F64)
}

/// A tensor of host values in the given number type.
pub fn tensor_as<const D: usize>(values: &[f64], shape: [usize; D], dtype: DType) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape).convert_dtype(dtype), (&device(), dtype))
}

/// Standard normal host values.
pub fn noise(count: usize, purpose: &str, counter: u64) -> Vec<f64> {
    normals(count, &mut stream(7, purpose, counter)).into_iter().map(f64::from).collect()
}

/// Convert every tensor of a layer.
pub fn cast(layer: &mut dyn Bijector, dtype: DType) {
    layer.params_mut().into_iter().for_each(|(_, param)| param.cast(dtype));
}

/// Build with trainable weights moved by `N(0, 0.3)`, statistics taken from shifted noise, numbers in f64.
pub fn build_perturbed(config: &BijectorConfig, like: [usize; 3], seed: u64) -> Box<dyn Bijector> {
    let mut layer = config.build(&mut stream(seed, "init", 0), &device()).expect("the table holds valid settings");
    if layer.has_statistics() {
        let channels = config.channels().expect("a layer with statistics knows its channels");
        let shape = [16, like[1], like[2], channels];
        let values: Vec<f64> =
            noise(shape.iter().product(), "statistics", seed).iter().map(|v| 1.5 * v + 0.4).collect();
        layer.calibrate(&tensor_as(&values, shape, DType::F32), None, 1.0);
    }
    for (index, (_, param)) in layer.params_mut().into_iter().enumerate() {
        if param.is_trainable() {
            let moves = noise(param.len(), "perturb", seed * 1000 + index as u64);
            param.set_values(param.values().iter().zip(moves).map(|(v, m)| v + 0.3 * m as f32).collect());
        }
    }
    cast(layer.as_mut(), DType::F64);
    layer
}

/// Which way to apply a bijector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    Forward,
    Inverse,
}

impl Way {
    pub const BOTH: [Way; 2] = [Way::Forward, Way::Inverse];

    pub fn apply(self, layer: &dyn Bijector, x: Tensor<4>, context: Option<&Tensor<2>>) -> (Tensor<4>, Tensor<1>) {
        match self {
            Way::Forward => layer.forward(x, context),
            Way::Inverse => {
                // Values come in the shape of the data; a layer that changes shapes wants those of its latents.
                let [b, h, w, c] = x.dims();
                let width = context.map_or(0, |context| context.dims()[1]);
                let [h, w, c] = output_event(layer, [h, w, c], width);
                layer.inverse(x.reshape([b, h, w, c]), context)
            }
        }
    }
}

/// The shape that a layer makes of `event`; one of its own configuration keeps it.
fn output_event(layer: &dyn Bijector, event: [usize; 3], context: usize) -> [usize; 3] {
    layer.config().map_or(event, |config| config.output_event(event, context).expect("the layer fits its data"))
}

/// A batch on the host: its values, its shape, and the values and width of its context.
#[derive(Clone, Debug)]
pub struct Batch {
    pub values: Vec<f64>,
    pub shape: [usize; 4],
    pub context: Vec<f64>,
    pub width: usize,
}

impl Batch {
    /// Values of one sample.
    pub fn event(&self) -> usize {
        self.shape[1] * self.shape[2] * self.shape[3]
    }

    pub fn tensors(&self, dtype: DType) -> (Tensor<4>, Option<Tensor<2>>) {
        let context = (self.width > 0).then(|| tensor_as(&self.context, [self.shape[0], self.width], dtype));
        (tensor_as(&self.values, self.shape, dtype), context)
    }

    /// The same context with other values.
    pub fn with_values(&self, values: Vec<f64>) -> Self {
        Self { values, ..self.clone() }
    }

    /// One sample repeated `count` times.
    pub fn repeat_sample(&self, sample: usize, count: usize) -> Self {
        let n = self.event();
        let row = &self.values[sample * n..(sample + 1) * n];
        let context = &self.context[sample * self.width..(sample + 1) * self.width];
        let [_, h, w, c] = self.shape;
        Self { values: row.repeat(count), shape: [count, h, w, c], context: context.repeat(count), width: self.width }
    }

    /// Outputs and log-dets on the host.
    pub fn run(&self, layer: &dyn Bijector, way: Way) -> (Vec<f64>, Vec<f64>) {
        self.run_as(layer, way, DType::F64)
    }

    pub fn run_as(&self, layer: &dyn Bijector, way: Way, dtype: DType) -> (Vec<f64>, Vec<f64>) {
        let (x, context) = self.tensors(dtype);
        let (z, log_det) = way.apply(layer, x, context.as_ref());
        let [batch, h, w, c] = self.shape;
        let event = match way {
            Way::Forward => output_event(layer, [h, w, c], self.width),
            Way::Inverse => [h, w, c],
        };
        assert_eq!((z.dims(), log_det.dims()), ([batch, event[0], event[1], event[2]], [batch]));
        (to_f64(z), to_f64(log_det))
    }

    /// `d out_i / d in_j` of one sample, row-major, by central differences: all perturbed copies are one batch.
    pub fn jacobian(&self, layer: &dyn Bijector, way: Way, sample: usize) -> Vec<f64> {
        const STEP: f64 = 1e-6;
        let n = self.event();
        let mut copies = self.repeat_sample(sample, 2 * n);
        for j in 0..n {
            copies.values[2 * j * n + j] += STEP;
            copies.values[(2 * j + 1) * n + j] -= STEP;
        }
        let (out, _) = copies.run(layer, way);
        let mut jacobian = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let step = copies.values[2 * j * n + j] - copies.values[(2 * j + 1) * n + j];
                jacobian[i * n + j] = (out[2 * j * n + i] - out[(2 * j + 1) * n + i]) / step;
            }
        }
        jacobian
    }
}

/// `log |det|` of a row-major square matrix, by elimination with partial pivoting.
pub fn log_abs_det(matrix: &[f64], n: usize) -> f64 {
    let mut a = matrix.to_vec();
    let mut total = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).expect("rows remain");
        (0..n).for_each(|j| a.swap(k * n + j, pivot * n + j));
        total += a[k * n + k].abs().ln();
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            (k..n).for_each(|j| a[i * n + j] -= factor * a[k * n + j]);
        }
    }
    total
}

/// The saved tensors of a layer by name.
pub fn saved(layer: &dyn Bijector) -> Vec<(String, Vec<f32>)> {
    let kept = layer.params().into_iter().filter(|(_, param)| param.role() != Role::Constant);
    kept.map(|(name, param)| (name, param.values())).collect()
}

/// Assert closeness, relative to `1 + |expected|`.
#[track_caller]
pub fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() <= tolerance * (1.0 + e.abs()), "{what}[{i}]: got {g:e}, expected {e:e}");
    }
}
