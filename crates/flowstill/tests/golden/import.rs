//! Put the libraries' weights, as leaves of the tape, into our layers.

use super::{Case, Stored};
use crate::common::{Way, device, tensor};
use burn::tensor::activation::{sigmoid, softmax, softplus};
use burn::tensor::{DType, Tensor};
use flowstill::Parameters;
use flowstill::bijectors::{Bijector, BijectorConfig, Build, ScaleMap, Univariate};
use flowstill::random::stream;
use std::collections::BTreeMap;

/// The weights of a case by the library's names.
pub struct Weights {
    leaves: BTreeMap<String, (Tensor<1>, Vec<usize>)>,
}

impl Weights {
    pub fn new(case: &Case) -> Self {
        let leaf = |stored: &Stored| {
            (tensor(&stored.values, [stored.values.len()]).autodiff().require_grad(), stored.shape.clone())
        };
        Self { leaves: case.weights.iter().map(|(name, stored)| (name.clone(), leaf(stored))).collect() }
    }

    pub fn flat(&self, name: &str) -> Tensor<1> {
        self.leaves[name].0.clone()
    }

    pub fn matrix(&self, name: &str) -> Tensor<2> {
        let (leaf, shape) = &self.leaves[name];
        leaf.clone().reshape([shape[0], shape[1]])
    }

    /// A torch linear layer as `[inputs, outputs]` and `[1, outputs]`.
    pub fn linear(&self, name: &str) -> (Tensor<2>, Tensor<2>) {
        let bias = self.flat(&format!("{name}.bias"));
        (self.matrix(&format!("{name}.weight")).transpose(), bias.unsqueeze::<2>())
    }
}

/// Build a layer, in f64.
pub fn build(config: &BijectorConfig) -> Box<dyn Bijector> {
    let mut layer = config.build(&mut stream(0, "init", 0), &device()).expect("valid settings");
    layer.params_mut().into_iter().for_each(|(_, param)| param.cast(DType::F64));
    layer
}

/// Set one tensor by name.
pub fn set<P: Parameters + ?Sized>(layer: &mut P, name: &str, value: Tensor<1>) {
    let mut params = layer.params_mut();
    let names: Vec<String> = params.iter().map(|(name, _)| name.clone()).collect();
    let (_, param) = params.iter_mut().find(|(other, _)| other == name).unwrap_or_else(|| panic!("{name}: {names:?}"));
    assert_eq!(param.len(), value.dims()[0], "{name}");
    param.set(value);
}

/// `[from, to]` with ones that carry entry `i` to entry `places[i]`.
pub fn placement(places: &[usize], to: usize) -> Tensor<2> {
    let mut values = vec![0.0; places.len() * to];
    places.iter().enumerate().for_each(|(from, &place)| values[from * to + place] = 1.0);
    tensor(&values, [places.len(), to])
}

/// The columns of `x` that `columns` names.
pub fn take(x: Tensor<2>, columns: &[usize]) -> Tensor<2> {
    let width = x.dims()[1];
    x.matmul(placement(columns, width).transpose())
}

pub fn flatten(x: Tensor<2>) -> Tensor<1> {
    let [n, m] = x.dims();
    x.reshape([n * m])
}

/// Apply one of our bijectors to rows.
pub fn apply(layer: &dyn Bijector, way: Way, x: Tensor<2>, context: Option<Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
    let [n, d] = x.dims();
    let (out, log_det) = way.apply(layer, x.reshape([n, 1, 1, d]), context.as_ref());
    (out.reshape([n, d]), log_det)
}

/// `softplus^-1`.
fn softplus_inverse(y: Tensor<2>) -> Tensor<2> {
    y.clone() + (-(-y).exp() + 1.0).log()
}

/// What nflows and zuko call raw, turned into what we call raw.
#[derive(Clone, Copy, Debug)]
pub enum Dialect {
    /// nflows' spline: no shift of the raw slopes.
    NflowsSpline { bins: usize, tail_bound: f64 },
    /// zuko's spline: bounded raw values, no least size, exponential slopes.
    ZukoSpline { bins: usize, bound: f64 },
    /// `z = scale x + shift` with `scale = softplus(raw) + 1e-3`; per feature scale, then shift.
    NflowsMaf,
    /// `z = scale x + shift` with `scale = sigmoid(raw + 2) + 1e-3`; all shifts, then all scales.
    NflowsCoupling,
    /// `z = exp(softsign(raw)) x + shift`; per feature shift, then scale.
    ZukoAffine,
    /// `z = x + shift`.
    Additive,
}

pub const SLOPE_OFFSET: f64 = 0.539_742_417_236_952;
const ZUKO_LIMIT: f64 = 6.907_755_278_982_137;

impl Dialect {
    /// Our map that serves it.
    pub fn univariate(self) -> Univariate {
        match self {
            Dialect::NflowsSpline { bins, tail_bound: bound } | Dialect::ZukoSpline { bins, bound } => {
                Univariate::RationalQuadratic { bins, tail_bound: bound }
            }
            Dialect::NflowsMaf | Dialect::NflowsCoupling => Univariate::Affine { scale: ScaleMap::Exp },
            Dialect::ZukoAffine => Univariate::Affine { scale: ScaleMap::Softsign { bound: ZUKO_LIMIT } },
            Dialect::Additive => Univariate::Additive,
        }
    }

    /// Raw values of `features` features, `[rows, features * params]`, in our convention.
    pub fn convert(self, raw: Tensor<2>, features: usize) -> Tensor<2> {
        let all = raw.dims()[1];
        let even: Vec<usize> = (0..all).step_by(2).collect();
        let odd: Vec<usize> = (1..all).step_by(2).collect();
        match self {
            Dialect::Additive => raw,
            Dialect::NflowsSpline { bins, .. } => {
                let row: Vec<f64> = (0..3 * bins - 1).map(|k| if k < 2 * bins { 0.0 } else { SLOPE_OFFSET }).collect();
                raw - tensor(&row.repeat(features), [1, all])
            }
            Dialect::ZukoSpline { bins, .. } => {
                let [n, _] = raw.dims();
                let raw = raw.reshape([n * features, 3 * bins - 1]);
                let clip = |a: Tensor<2>, limit: f64| a.clone() / ((a * limit.recip()).abs() + 1.0);
                // softmax(log(p - floor)) is what remains of p once the floor is taken off.
                let sizes = |from: usize| {
                    let shares = softmax(clip(raw.clone().narrow(1, from, bins), ZUKO_LIMIT / 2.0), 1);
                    (shares - 1e-3).log()
                };
                let slopes = clip(raw.clone().narrow(1, 2 * bins, bins - 1), ZUKO_LIMIT).exp();
                let slopes = softplus_inverse(slopes - 1e-3) - SLOPE_OFFSET;
                Tensor::cat(vec![sizes(0), sizes(bins), slopes], 1).reshape([n, all])
            }
            Dialect::NflowsMaf => affine(take(raw.clone(), &odd), (softplus(take(raw, &even), 1.0) + 1e-3).log()),
            Dialect::NflowsCoupling => {
                let scale = sigmoid(raw.clone().narrow(1, features, features) + 2.0) + 1e-3;
                affine(raw.narrow(1, 0, features), scale.log())
            }
            Dialect::ZukoAffine => {
                let (shift, scale) = (take(raw.clone(), &even), take(raw, &odd));
                let log_scale = scale.clone() / ((scale.clone() * ZUKO_LIMIT.recip()).abs() + 1.0);
                Tensor::cat(vec![shift * (-log_scale).exp(), scale], 1)
            }
        }
    }
}

/// `z = exp(log_scale) x + shift` as `z = (x + shift') exp(log_scale)`.
fn affine(shift: Tensor<2>, log_scale: Tensor<2>) -> Tensor<2> {
    Tensor::cat(vec![shift * (-log_scale.clone()).exp(), log_scale], 1)
}
