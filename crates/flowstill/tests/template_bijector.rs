//! Copy this to add a bijector: a whole layer of one's own, compiled and held to its log-determinant.

use flowstill::bijectors::{Bijector, BijectorConfig, Chain, Context};
use flowstill::burn::tensor::{Device, Tensor};
use flowstill::shape::sum_event;
use flowstill::{Param, Parameters, parameters, to_f64};

/// `z = asinh(x + shift)` per channel; `log dz/dx = -log(1 + (x + shift)^2) / 2`.
#[derive(Clone, Debug)]
struct Asinh {
    shift: Param,
}

// 1. Name the fields that hold tensors: saving, training and copying follow from it.
parameters!(Asinh { shift });

impl Asinh {
    fn new(channels: usize, device: &Device) -> Self {
        Self { shift: Param::new(vec![0.3; channels], &[channels], device) }
    }
}

// 2. The two directions. `log_det` is log |det dz/dx| in BOTH, summed over the event, one value per sample.
impl Bijector for Asinh {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let y = x + self.shift.per_channel();
        let root = (y.clone().square() + 1.0).sqrt();
        let log_slope = -root.clone().log();
        ((y + root).log(), sum_event(log_slope))
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let y = (z.clone().exp() - (-z).exp()) * 0.5;
        let log_slope = -(y.clone().square() + 1.0).log() * 0.5;
        (y - self.shift.per_channel(), sum_event(log_slope))
    }

    // 3. What rebuilds it. A layer of the library gets a variant of its own here (bijectors/config.rs) and a row in tests/laws.rs.
    fn config(&self) -> BijectorConfig {
        BijectorConfig::Chain { steps: Vec::new() }
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }
}

#[test]
fn the_template_obeys_the_laws() {
    let layer = Chain::new(vec![Asinh::new(2, &Device::default()).boxed()]);
    let x = Tensor::<1>::from_floats([0.2, -1.5, 3.0, 0.0], &Device::default()).reshape([2, 1, 1, 2]);
    let (z, log_det) = layer.forward(x.clone(), None);
    let (back, same) = layer.inverse(z, None);
    for (a, b) in to_f64(x.clone()).iter().zip(to_f64(back)) {
        assert!((a - b).abs() < 1e-5, "{a} came back as {b}");
    }
    for (a, b) in to_f64(log_det.clone()).iter().zip(to_f64(same)) {
        assert!((a - b).abs() < 1e-5, "log-dets {a} and {b}");
    }
    // The Jacobian is diagonal here, so central differences per value are enough.
    let h = 1e-2;
    let ahead = to_f64(layer.forward(x.clone() + h, None).0);
    let behind = to_f64(layer.forward(x - h, None).0);
    let slopes: Vec<f64> = ahead.iter().zip(behind).map(|(a, b)| ((a - b) / (2.0 * h)).ln()).collect();
    for (row, log_det) in to_f64(log_det).iter().enumerate() {
        let want: f64 = slopes[2 * row..2 * row + 2].iter().sum();
        assert!((want - log_det).abs() < 1e-3, "log-det {log_det} is not {want}");
    }
    assert_eq!(layer.params().len(), 1);
}
