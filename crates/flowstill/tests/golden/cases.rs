//! Build the counterpart of every recorded case.

use super::import::{Dialect, SLOPE_OFFSET, Weights, apply, build, flatten, set, take};
use super::nets::{Layers, autoregressive, conditioner, coupling, hidden_degrees, made, nflows_last_layer};
use super::{Case, Model};
use crate::common::{Way, tensor};
use burn::tensor::Tensor;
use burn::tensor::activation::softplus;
use flowstill::Parameters;
use flowstill::bijectors::{
    Bijector, BijectorConfig, CouplingConfig, ElementwiseMap, Mask, MaskedAutoregressiveConfig, SylvesterLayerConfig,
    Univariate, UnivariateOps,
};
use flowstill::conditioners::{Activation, activate};
use serde_json::Value;

/// The counterpart, where our layers have one.
pub fn model(case: &Case) -> Option<Model> {
    let channels = case.x[0].len();
    let elementwise = |map| fixed(BijectorConfig::Elementwise { map });
    Some(match case.kind.as_str() {
        "rqs" | "monotonic_rqs" | "monotonic_affine" | "rqs_cdf" if has_tails(&case.config) => univariate(case),
        "lu_linear" => lu_linear(channels),
        "permutation" => fixed(BijectorConfig::Permute { indices: indices(&case.config["permutation"]) }),
        "batch_norm" if case.config["mode"] == "eval" => batch_norm(case, channels),
        "act_norm" => scaled(BijectorConfig::ActNorm { channels }, |w| (w.flat("log_scale"), w.flat("shift"))),
        "sigmoid" => {
            let steps =
                vec![BijectorConfig::Affine { channels }, BijectorConfig::Elementwise { map: ElementwiseMap::Sigmoid }];
            let temperature = move |w: &Weights| w.flat("temperature").log().expand([channels]);
            let config = BijectorConfig::Chain { steps };
            Box::new(move |w, way, x, _| {
                let mut layer = build(&config);
                set(layer.as_mut(), "steps.0.log_scale", temperature(w));
                apply(layer.as_ref(), way, x, None)
            })
        }
        "logit" => elementwise(ElementwiseMap::Logit),
        "tanh" => elementwise(ElementwiseMap::Tanh),
        "masked_affine_autoregressive" | "masked_rqs_autoregressive" => return nflows_autoregressive(case),
        "affine_coupling" | "additive_coupling" | "rqs_coupling" => return nflows_coupling(case),
        "sylvester" => sylvester(case, channels),
        "zuko_autoregressive" => return zuko_autoregressive(case),
        "zuko_coupling" => zuko_coupling(case),
        _ => return None,
    })
}

fn has_tails(config: &Value) -> bool {
    !config.get("tails").is_some_and(Value::is_null)
}

fn indices(value: &Value) -> Vec<usize> {
    value.as_array().expect("a list").iter().map(number).collect()
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

fn activation(config: &Value) -> Activation {
    serde_json::from_value(config["activation"].clone()).expect("an activation that we have")
}

/// A layer without weights.
fn fixed(config: BijectorConfig) -> Model {
    Box::new(move |_, way, x, _| apply(build(&config).as_ref(), way, x, None))
}

/// ActNorm, where the library has `z = exp(log_scale) x + shift`.
fn scaled(config: BijectorConfig, read: fn(&Weights) -> (Tensor<1>, Tensor<1>)) -> Model {
    Box::new(move |w, way, x, _| {
        let mut layer = build(&config);
        let (log_scale, shift) = read(w);
        set(layer.as_mut(), "shift", shift * (-log_scale.clone()).exp());
        set(layer.as_mut(), "log_scale", log_scale);
        apply(layer.as_ref(), way, x, None)
    })
}

fn batch_norm(case: &Case, channels: usize) -> Model {
    let statistic = |name: &str| tensor(&case.buffers[name].values, [channels]);
    let (mean, variance) = (statistic("running_mean"), statistic("running_var"));
    Box::new(move |w, way, x, _| {
        let mut layer = build(&BijectorConfig::BatchNorm { channels });
        set(layer.as_mut(), "mean", mean.clone());
        set(layer.as_mut(), "variance", variance.clone());
        set(layer.as_mut(), "log_gamma", (softplus(w.flat("unconstrained_weight"), 1.0) + 1e-5).log());
        set(layer.as_mut(), "beta", w.flat("bias"));
        apply(layer.as_ref(), way, x, None)
    })
}

fn lu_linear(n: usize) -> Model {
    // Entries in row order, below and above the diagonal.
    let cells = move |lower: bool| {
        let cells = (0..n * n).filter(move |k| if lower { k / n > k % n } else { k / n < k % n });
        super::import::placement(&cells.collect::<Vec<_>>(), n * n)
    };
    Box::new(move |w, way, x, _| {
        let mut layer = build(&BijectorConfig::LuLinear { channels: n });
        let entries = |name: &str, lower| flatten(w.flat(name).unsqueeze::<2>().matmul(cells(lower)));
        let identity: Vec<f64> = (0..n * n).map(|k| if k / n == k % n { 1.0 } else { 0.0 }).collect();
        set(layer.as_mut(), "permutation", tensor(&identity, [n * n]));
        set(layer.as_mut(), "sign", tensor(&vec![1.0; n], [n]));
        set(layer.as_mut(), "lower", entries("lower_entries", true));
        set(layer.as_mut(), "upper", entries("upper_entries", false));
        set(layer.as_mut(), "log_s", (softplus(w.flat("unconstrained_upper_diag"), 1.0) + 1e-3).log());
        set(layer.as_mut(), "bias", w.flat("bias"));
        apply(layer.as_ref(), way, x, None)
    })
}

/// Weights by our own names.
fn sylvester(case: &Case, channels: usize) -> Model {
    let basis = serde_json::from_value(case.config.clone()).expect("a basis");
    let context = case.context.as_ref().map_or(0, |context| context[0].len());
    let config = BijectorConfig::Sylvester(SylvesterLayerConfig { channels, basis, context });
    let names: Vec<String> = case.weights.keys().cloned().collect();
    Box::new(move |w, way, x, context| {
        let mut layer = build(&config);
        names.iter().for_each(|name| set(layer.as_mut(), name, w.flat(name)));
        apply(layer.as_ref(), way, x, context)
    })
}

/// Splines and affine maps whose raw values are the weights themselves: of every row, or of every column.
fn univariate(case: &Case) -> Model {
    let (n, features) = (case.x.len(), case.x[0].len());
    let by_column = case.kind == "rqs_cdf";
    let (dialect, names): (Dialect, &[&str]) = match case.kind.as_str() {
        "monotonic_affine" => (Dialect::ZukoAffine, &["shift", "scale"]),
        "monotonic_rqs" => (
            Dialect::ZukoSpline {
                bins: number(&case.config["bins"]),
                bound: case.config["bound"].as_f64().expect("bound"),
            },
            &["widths", "heights", "derivatives"],
        ),
        _ => {
            (nflows_spline(&case.config), &["unnormalized_widths", "unnormalized_heights", "unnormalized_derivatives"])
        }
    };
    let (names, vectors): (Vec<String>, bool) =
        (names.iter().map(|name| (*name).to_string()).collect(), case.kind == "monotonic_affine");
    Box::new(move |w, way, x, _| {
        let part = |name: &String| if vectors { w.flat(name).reshape([n, 1]) } else { w.matrix(name) };
        let raw = Tensor::cat(names.iter().map(part).collect(), 1);
        let raw = match by_column {
            true => flatten(raw).unsqueeze::<2>().repeat_dim(0, n),
            false => raw,
        };
        let raw = dialect.convert(raw, features);
        let (out, slope) = match way {
            Way::Forward => dialect.univariate().forward(x, raw),
            Way::Inverse => dialect.univariate().inverse(x, raw),
        };
        (out, slope.sum_dim(1).reshape([n]))
    })
}

fn nflows_spline(config: &Value) -> Dialect {
    Dialect::NflowsSpline {
        bins: number(&config["num_bins"]),
        tail_bound: config["tail_bound"].as_f64().expect("a tail bound"),
    }
}

fn nflows_autoregressive(case: &Case) -> Option<Model> {
    let residual = case.config["use_residual_blocks"].as_bool().expect("a flag");
    if residual && case.context.is_some() {
        return None;
    }
    let features = case.x[0].len();
    let mut names = vec!["autoregressive_net.initial_layer".to_string()];
    for block in 0..number(&case.config["num_blocks"]) {
        let block = format!("autoregressive_net.blocks.{block}");
        match residual {
            true => names.extend([format!("{block}.linear_layers.0"), format!("{block}.linear_layers.1")]),
            false => names.push(format!("{block}.linear")),
        }
    }
    names.push("autoregressive_net.final_layer".to_string());
    let degrees = hidden_degrees(case, &names, features);
    let layers = Layers { names, residual, activation: activation(&case.config) };
    let dialect = match case.kind.as_str() {
        "masked_rqs_autoregressive" => nflows_spline(&case.config),
        _ => Dialect::NflowsMaf,
    };
    let rank: Vec<usize> = (0..features).collect();
    Some(Box::new(move |w, way, x, context| {
        // The library adds act(context layer) to the first layer, so that is our context, entering with weight one.
        let context = context.map(|context| {
            let (weight, bias) = w.linear("autoregressive_net.context_layer");
            activate(layers.activation, context.matmul(weight) + bias)
        });
        let units = degrees[0].len();
        let identity = || super::import::placement(&(0..units).collect::<Vec<_>>(), units);
        let net = made(w, &layers, &degrees, &rank, context.as_ref().map(|_| identity()), dialect);
        match dialect {
            Dialect::NflowsSpline { bins, .. } => {
                let config = MaskedAutoregressiveConfig {
                    channels: rank.len(),
                    transform: dialect.univariate(),
                    made: net.config().clone(),
                    context: if context.is_some() { units } else { 0 },
                };
                let layer = own_layer(&BijectorConfig::MaskedAutoregressive(config), &net, bins, rank.len(), 1.0);
                apply(layer.as_ref(), way, x, context)
            }
            _ => autoregressive(&net, dialect, way, x, context),
        }
    }))
}

/// One of our own layers with the weights of `net`, its last layer turned from nflows' spline convention into ours.
fn own_layer(
    config: &BijectorConfig,
    net: &dyn Parameters,
    bins: usize,
    features: usize,
    factor: f64,
) -> Box<dyn Bijector> {
    let mut layer = build(config);
    let (scale, offset) = nflows_last_layer(bins, features, factor);
    let params = net.params();
    let last = params.iter().filter(|(name, _)| name.starts_with("layers.") && name.ends_with(".bias")).count() - 1;
    let weight = format!("layers.{last}.weight");
    for (name, param) in params.iter().filter(|(_, param)| param.is_trainable()) {
        let value = match name {
            name if *name == weight => flatten(param.tensor::<2>() * scale.clone()),
            name if *name == format!("layers.{last}.bias") => {
                flatten(param.flat().clone().unsqueeze::<2>() * scale.clone() - offset.clone())
            }
            _ => param.flat().clone(),
        };
        set(layer.as_mut(), &format!("net.{name}"), value);
    }
    layer
}

/// The mask of ours under which the library's `mask[i]` > 0, or 0 for zuko, means "transformed".
fn our_mask(conditioning: &[usize], features: usize) -> Mask {
    let masks = [Mask::FirstHalf, Mask::SecondHalf, Mask::Even, Mask::Odd];
    masks.into_iter().find(|mask| mask.halves(features).0 == conditioning).expect("a mask that we have")
}

fn nflows_coupling(case: &Case) -> Option<Model> {
    let config = &case.config;
    let resnet = config["conditioner"] == "resnet";
    if (resnet && case.context.is_some()) || config.get("unconditional_transform") == Some(&Value::Bool(true)) {
        return None;
    }
    let features = case.x[0].len();
    let moved = indices(&config["mask"]);
    let kept: Vec<usize> = (0..features).filter(|&i| moved[i] == 0).collect();
    let mask = our_mask(&kept, features);
    let mut names = Vec::new();
    if resnet {
        names.push("transform_net.initial_layer".to_string());
        for block in 0..number(&config["num_blocks"]) {
            names.extend([0, 1].map(|k| format!("transform_net.blocks.{block}.linear_layers.{k}")));
        }
        names.push("transform_net.final_layer".to_string());
    } else {
        names.push("transform_net.net._input_layer".to_string());
        let hidden = |k: &usize| case.weights.contains_key(&format!("transform_net.net._hidden_layers.{k}.weight"));
        names.extend((0..).take_while(hidden).map(|k| format!("transform_net.net._hidden_layers.{k}")));
        names.push("transform_net.net._output_layer".to_string());
    }
    let layers = Layers { names, residual: resnet, activation: activation(config) };
    let dialect = match case.kind.as_str() {
        "affine_coupling" => Dialect::NflowsCoupling,
        "additive_coupling" => Dialect::Additive,
        _ => nflows_spline(config),
    };
    let divided = config.get("sqrt_hidden_division") == Some(&Value::Bool(true));
    let factor = if divided { 1.0 / (number(&config["hidden_features"]) as f64).sqrt() } else { 1.0 };
    let width = case.context.as_ref().map_or(0, |context| context[0].len());
    Some(Box::new(move |w, way, x, context| {
        let net = conditioner(w, &layers, kept.len(), width);
        let own = |transform: Univariate| {
            BijectorConfig::Coupling(CouplingConfig {
                channels: features,
                mask: mask.clone(),
                transform,
                conditioner: net.config().clone(),
                context: width,
            })
        };
        match dialect {
            Dialect::NflowsSpline { bins, .. } => {
                let layer = own_layer(&own(dialect.univariate()), &net, bins, features - kept.len(), factor);
                apply(layer.as_ref(), way, x, context)
            }
            Dialect::Additive => {
                let mut layer = build(&own(Univariate::Additive));
                for (name, param) in net.params() {
                    set(layer.as_mut(), &format!("net.{name}"), param.flat().clone());
                }
                apply(layer.as_ref(), way, x, context)
            }
            _ => coupling(&net, &mask, dialect, way, x, context),
        }
    }))
}

/// zuko's networks: `hyper.0`, `hyper.2`, ... of one step.
fn zuko_layers(case: &Case, step: usize) -> Layers {
    let name = |k: usize| format!("transform.transforms.{step}.hyper.{k}");
    let known = |k: &usize| case.weights.contains_key(&format!("{}.weight", name(*k)));
    let names = (0..).step_by(2).take_while(known).map(name).collect();
    Layers { names, residual: false, activation: activation(&case.config) }
}

/// Steps in order forward, in the opposite order backward; log-dets add up.
fn chain(
    way: Way,
    count: usize,
    x: Tensor<2>,
    step: impl Fn(usize, Tensor<2>) -> (Tensor<2>, Tensor<1>),
) -> (Tensor<2>, Tensor<1>) {
    let start = (x.clone(), x.sum_dim(1).reshape([-1]) * 0.0);
    let order: Vec<usize> = if way == Way::Forward { (0..count).collect() } else { (0..count).rev().collect() };
    order.into_iter().fold(start, |(x, total), index| {
        let (out, log_det) = step(index, x);
        (out, total + log_det)
    })
}

fn zuko_autoregressive(case: &Case) -> Option<Model> {
    let config = &case.config;
    let features = case.x[0].len();
    let orders: Vec<Vec<usize>> = config["order"].as_array().expect("orders").iter().map(indices).collect();
    let is_total = |order: &Vec<usize>| (0..features).all(|rank| order.contains(&rank));
    if !orders.iter().all(is_total) {
        return None;
    }
    let dialect = match config["univariate"] == "rqs" {
        true => {
            Dialect::ZukoSpline { bins: number(&config["bins"]), bound: config["bound"].as_f64().expect("a bound") }
        }
        false => Dialect::ZukoAffine,
    };
    let steps: Vec<_> = (0..orders.len())
        .map(|step| {
            let layers = zuko_layers(case, step);
            let degrees = hidden_degrees(case, &layers.names, features);
            (layers, degrees)
        })
        .collect();
    Some(Box::new(move |w, way, x, context| {
        chain(way, orders.len(), x, |step, x| {
            let ((layers, degrees), rank) = (&steps[step], &orders[step]);
            let shift = context.as_ref().map(|context| {
                let (weight, _) = w.linear(&layers.names[0]);
                weight.narrow(0, features, context.dims()[1])
            });
            let net = made(w, layers, degrees, rank, shift, dialect);
            let mut sorted = vec![0; features];
            rank.iter().enumerate().for_each(|(feature, &place)| sorted[place] = feature);
            let (out, log_det) = autoregressive(&net, dialect, way, take(x, &sorted), context.clone());
            (take(out, rank), log_det)
        })
    }))
}

fn zuko_coupling(case: &Case) -> Model {
    let features = case.x[0].len();
    let width = case.context.as_ref().map_or(0, |context| context[0].len());
    let masks = case.config["mask"].as_array().expect("masks").iter().map(indices);
    let steps: Vec<(Layers, Vec<usize>)> = masks
        .enumerate()
        .map(|(step, mask)| (zuko_layers(case, step), (0..features).filter(|&i| mask[i] == 1).collect()))
        .collect();
    Box::new(move |w, way, x, context| {
        chain(way, steps.len(), x, |step, x| {
            let (layers, kept) = &steps[step];
            let net = conditioner(w, layers, kept.len(), width);
            coupling(&net, &our_mask(kept, features), Dialect::ZukoAffine, way, x, context.clone())
        })
    })
}

#[test]
fn the_slope_offset_is_that_of_slope_one() {
    assert!((SLOPE_OFFSET.exp().ln_1p() - (1.0 - 1e-3)).abs() < 1e-15);
}
