//! Map every value by one fixed monotone function: sigmoid, logit, tanh.

use super::{Bijector, BijectorConfig, Context, ElementwiseMap};
use crate::shape::sum_event;
use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softplus};

/// One function for every value. Inputs at or past the ends of a bounded domain are moved inside by `1e-6`, so that
/// densities stay finite; within it the map and its log-det are exact.
#[derive(Clone, Debug)]
pub struct Elementwise {
    map: ElementwiseMap,
}

crate::parameters!(Elementwise {});

const EDGE: f64 = 1e-6;

impl Elementwise {
    /// The map.
    pub fn new(map: ElementwiseMap) -> Self {
        Self { map }
    }
}

/// `log d sigmoid(y)/dy = -softplus(y) - softplus(-y)`, stable on the whole line.
fn sigmoid_log_slope(y: Tensor<4>) -> Tensor<4> {
    -softplus(y.clone(), 1.0) - softplus(-y, 1.0)
}

/// `log d tanh(y)/dy = 2 (log 2 - y - softplus(-2 y))`.
fn tanh_log_slope(y: Tensor<4>) -> Tensor<4> {
    (-y.clone() + std::f64::consts::LN_2 - softplus(y * -2.0, 1.0)) * 2.0
}

fn to_sigmoid(y: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    (sigmoid(y.clone()), sigmoid_log_slope(y))
}

fn to_tanh(y: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    (y.clone().tanh(), tanh_log_slope(y))
}

fn to_logit(p: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let p = p.clamp(EDGE, 1.0 - EDGE);
    let y = p.clone().log() - (-p + 1.0).log();
    (y.clone(), -sigmoid_log_slope(y))
}

fn to_atanh(t: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let t = t.clamp(EDGE - 1.0, 1.0 - EDGE);
    let y = ((t.clone() + 1.0).log() - (-t + 1.0).log()) * 0.5;
    (y.clone(), -tanh_log_slope(y))
}

impl Bijector for Elementwise {
    fn forward(&self, x: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let (z, log_slope) = match self.map {
            ElementwiseMap::Sigmoid => to_sigmoid(x),
            ElementwiseMap::Logit => to_logit(x),
            ElementwiseMap::Tanh => to_tanh(x),
            ElementwiseMap::Atanh => to_atanh(x),
        };
        (z, sum_event(log_slope))
    }

    fn inverse(&self, z: Tensor<4>, _context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let (x, log_slope) = match self.map {
            ElementwiseMap::Sigmoid => to_logit(z),
            ElementwiseMap::Logit => to_sigmoid(z),
            ElementwiseMap::Tanh => to_atanh(z),
            ElementwiseMap::Atanh => to_tanh(z),
        };
        (x, -sum_event(log_slope))
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Elementwise { map: self.map })
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }
}
