//! Rebuild the libraries' networks from our conditioners, unit by unit.

use super::Case;
use super::import::{Dialect, Weights, flatten, placement, set};
use crate::common::{Way, device, tensor};
use burn::tensor::{DType, Tensor};
use flowstill::Parameters;
use flowstill::bijectors::{Mask, UnivariateOps};
use flowstill::conditioners::{Activation, Conditioner, ConditionerConfig, Made, MadeConfig};
use flowstill::random::stream;

/// The names of a network's linear layers, in order, and how they are joined.
pub struct Layers {
    pub names: Vec<String>,
    pub residual: bool,
    pub activation: Activation,
}

/// One masked layer's hidden degrees, as the library has them.
fn degrees(case: &Case, layer: &str, features: usize) -> Vec<usize> {
    match case.buffers.get(&format!("{layer}.degrees")) {
        Some(degrees) => degrees.values.iter().map(|&degree| degree as usize).collect(),
        // zuko keeps masks only; into the first layer the number of features that a unit sees is its degree.
        None => {
            let mask = &case.buffers[&format!("{layer}.mask")];
            let row = |unit: usize| &mask.values[unit * mask.shape[1]..][..features];
            (0..mask.shape[0]).map(|unit| row(unit).iter().sum::<f64>() as usize).collect()
        }
    }
}

/// Degrees of every hidden layer.
pub fn hidden_degrees(case: &Case, names: &[String], features: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    for name in &names[..names.len() - 1] {
        let known = case.buffers.contains_key(&format!("{name}.degrees")) || all.is_empty();
        all.push(match (known, all.last()) {
            (true, _) | (_, None) => degrees(case, name, features),
            // zuko again: a unit's degree is the largest among the units that it sees.
            (false, Some(before)) => {
                let mask = &case.buffers[&format!("{name}.mask")];
                let seen = |unit: usize| {
                    let row = &mask.values[unit * mask.shape[1]..][..mask.shape[1]];
                    row.iter().zip(before).filter(|(open, _)| **open != 0.0).map(|(_, &degree)| degree).max()
                };
                (0..mask.shape[0]).map(|unit| seen(unit).unwrap_or(0)).collect()
            }
        });
    }
    all
}

/// Where units of the given degrees stand in our layer of `width` units, whose degrees ascend from `least`.
fn places(degrees: &[usize], least: usize, each: usize) -> Vec<usize> {
    let mut used = std::collections::BTreeMap::new();
    let mut place = |&degree: &usize| {
        let count = used.entry(degree).or_insert(0);
        *count += 1;
        (degree - least) * each + *count - 1
    };
    degrees.iter().map(&mut place).collect()
}

/// Our MADE with the library's weights. `context` is the library's first-layer weight of the context, `[context, units]`.
pub fn made(
    weights: &Weights,
    layers: &Layers,
    degrees: &[Vec<usize>],
    rank: &[usize],
    context: Option<Tensor<2>>,
    dialect: Dialect,
) -> Made {
    let d = rank.len();
    let least = if context.is_some() || d == 1 { 0 } else { 1 };
    let most = |degrees: &Vec<usize>| (0..=d).map(|k| degrees.iter().filter(|&&other| other == k).count()).max();
    let each = degrees.iter().filter_map(most).max().unwrap_or(1);
    let width = each * (d - least);
    let config =
        MadeConfig { hidden: vec![width; degrees.len()], activation: layers.activation, residual: layers.residual };
    let contexts = context.as_ref().map_or(0, |context| context.dims()[0]);
    let mut made = Made::new(&config, d, contexts, &dialect.univariate(), &mut stream(0, "init", 0), &device());
    made.params_mut().into_iter().for_each(|(_, param)| param.cast(DType::F64));
    let mut before: Vec<usize> = rank.to_vec();
    let mut columns = d;
    for (index, name) in layers.names.iter().enumerate() {
        let (weight, bias) = weights.linear(name);
        let outputs = weight.dims()[1];
        let (after, to) = match degrees.get(index) {
            Some(degrees) => (places(degrees, least, each), width),
            None => (output_places(rank, outputs, dialect), outputs),
        };
        let weight = weight.narrow(0, 0, before.len());
        let (rows, cols) = (placement(&before, columns), placement(&after, to));
        set(
            &mut made,
            &format!("layers.{index}.weight"),
            flatten(rows.transpose().matmul(weight).matmul(cols.clone())),
        );
        set(&mut made, &format!("layers.{index}.bias"), flatten(bias.matmul(cols.clone())));
        if let (0, Some(context)) = (index, &context) {
            set(&mut made, "context", flatten(context.clone().matmul(cols)));
        }
        (before, columns) = (after, to);
    }
    made
}

/// Where the library's outputs stand in ours: `rank[f]` is the place of feature `f` in our order.
fn output_places(rank: &[usize], outputs: usize, dialect: Dialect) -> Vec<usize> {
    let (d, params) = (rank.len(), dialect.univariate().params());
    let place = |output: usize| {
        let (feature, number) = (rank[output / params], output % params);
        match dialect {
            // Ours are blocks of all features.
            Dialect::NflowsMaf | Dialect::ZukoAffine => number * d + feature,
            _ => feature * params + number,
        }
    };
    (0..outputs).map(place).collect()
}

/// From our order of raw outputs back to the library's, features in our order.
pub fn interleave(raw: Tensor<2>, features: usize, dialect: Dialect) -> Tensor<2> {
    let identity: Vec<usize> = (0..features).collect();
    let places = output_places(&identity, raw.dims()[1], dialect);
    super::import::take(raw, &places)
}

/// An autoregressive map around `made`, with the library's raw outputs converted; the inverse is the plain one.
pub fn autoregressive(
    made: &Made,
    dialect: Dialect,
    way: Way,
    x: Tensor<2>,
    context: Option<Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    let [n, d] = x.dims();
    let raw = |x: Tensor<2>| dialect.convert(interleave(made.forward(x, context.as_ref()), d, dialect), d);
    let (out, slopes) = match way {
        Way::Forward => dialect.univariate().forward(x.clone(), raw(x)),
        Way::Inverse => {
            let mut state = (x.clone() * 0.0, x.clone());
            for _ in 0..d {
                state = dialect.univariate().inverse(x.clone(), raw(state.0));
            }
            state
        }
    };
    (out, slopes.sum_dim(1).reshape([n]))
}

/// Our coupling network with the library's weights.
pub fn conditioner(weights: &Weights, layers: &Layers, inputs: usize, context: usize) -> Conditioner {
    let widths: Vec<usize> = layers.names.iter().map(|name| weights.linear(name).0.dims()[1]).collect();
    let (outputs, hidden) = widths.split_last().expect("a net has layers");
    let activation = layers.activation;
    let config = match layers.residual {
        true => ConditionerConfig::Residual { hidden: hidden[0], blocks: (hidden.len() - 1) / 2, activation },
        false => ConditionerConfig::Mlp { hidden: hidden.to_vec(), activation },
    };
    let mut net = Conditioner::new(&config, inputs, context, *outputs, &mut stream(0, "init", 0), &device());
    net.params_mut().into_iter().for_each(|(_, param)| param.cast(DType::F64));
    for (index, name) in layers.names.iter().enumerate() {
        let (weight, bias) = weights.linear(name);
        set(&mut net, &format!("layers.{index}.weight"), flatten(weight));
        set(&mut net, &format!("layers.{index}.bias"), flatten(bias));
    }
    net
}

/// A coupling around a network, with the library's raw outputs converted.
pub fn coupling(
    net: &Conditioner,
    mask: &Mask,
    dialect: Dialect,
    way: Way,
    x: Tensor<2>,
    context: Option<Tensor<2>>,
) -> (Tensor<2>, Tensor<1>) {
    let [n, d] = x.dims();
    let (kept, moved) = mask.halves(d);
    let (a, b) = (super::import::take(x.clone(), &kept), super::import::take(x, &moved));
    let raw = net.forward(a.clone().reshape([n, 1, 1, kept.len()]), context.as_ref());
    let width = raw.dims()[3];
    let raw = dialect.convert(raw.reshape([n, width]), moved.len());
    let (b, slopes) = match way {
        Way::Forward => dialect.univariate().forward(b, raw),
        Way::Inverse => dialect.univariate().inverse(b, raw),
    };
    (a.matmul(placement(&kept, d)) + b.matmul(placement(&moved, d)), slopes.sum_dim(1).reshape([n]))
}

/// The slope offset of nflows' splines as a row over the outputs of a last layer, times `factor` on widths and heights.
pub fn nflows_last_layer(bins: usize, features: usize, factor: f64) -> (Tensor<2>, Tensor<2>) {
    let row = |size: f64, slope: f64| {
        let row: Vec<f64> = (0..3 * bins - 1).map(|k| if k < 2 * bins { size } else { slope }).collect();
        tensor(&row.repeat(features), [1, features * row.len()])
    };
    (row(factor, 1.0), row(0.0, super::import::SLOPE_OFFSET))
}
