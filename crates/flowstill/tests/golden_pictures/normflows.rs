//! The pieces of normflows' GLOW, and its whole of two levels, with their weights in our layers.

use super::{Comparison, Stored, gradient, set};
use crate::common::{device, tensor};
use burn::tensor::{DType, Tensor};
use flowstill::bijectors::{Bijector, BijectorConfig, Build, CouplingConfig, Mask, ScaleMap, Univariate};
use flowstill::conditioners::{Activation, ConditionerConfig};
use flowstill::flows::{Flow, FlowConfig, Latents};
use flowstill::random::stream;
use flowstill::{Parameters, to_f64};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TOLERANCE: f64 = 1e-9;

/// One recorded case: tensors in torch's order of axes, batch, channels, height, width.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    kind: String,
    config: Value,
    weights: BTreeMap<String, Stored>,
    buffers: BTreeMap<String, Stored>,
    x: Stored,
    z: Vec<Stored>,
    log_det: Stored,
    log_prob: Option<Stored>,
    u: Vec<Stored>,
    x_of_u: Stored,
    log_det_inverse: Stored,
    w_z: Stored,
    w_l: Stored,
    dx: Stored,
    dweights: BTreeMap<String, Stored>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("normflows.json")).expect("the fixture parses")
}

/// Batch, channels, height, width to our order and back.
fn ours(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}

fn theirs(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

fn flatten<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let count = x.shape().num_elements();
    x.reshape([count])
}

/// Why a coupling of theirs is none of ours.
fn coupling(config: &Value) -> Result<BijectorConfig, &'static str> {
    let channels = number(&config["channels"]);
    if config["leaky"] != 0.0 {
        return Err("our networks have no leaky relu");
    }
    let mask = match config["split_mode"].as_str() {
        Some("channel") if channels % 2 == 1 => return Err("the larger half conditions; with us it is transformed"),
        Some("channel") => Mask::FirstHalf,
        Some("channel_inv") => Mask::SecondHalf,
        _ => return Err("the board alternates over channels too, and each colour is packed into half the width"),
    };
    let transform = match (config["scale"] == true, config["scale_map"].as_str()) {
        (false, _) => Univariate::Additive,
        (true, Some("exp")) => Univariate::Affine { scale: ScaleMap::Exp },
        (true, Some("sigmoid")) => Univariate::Affine { scale: ScaleMap::Sigmoid { floor: 0.0 } },
        _ => return Err("data are divided by the sigmoid; our scales multiply them"),
    };
    let conditioner = ConditionerConfig::Conv { hidden: number(&config["hidden"]), activation: Activation::Relu };
    Ok(BijectorConfig::Coupling(CouplingConfig { channels, mask, transform, conditioner, context: 0 }))
}

fn mixing(config: &Value) -> BijectorConfig {
    let channels = number(&config["channels"]);
    if config["use_lu"] == true { BijectorConfig::LuLinear { channels } } else { BijectorConfig::Linear { channels } }
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

/// Our layer for a case, or why there is none.
fn counterpart(case: &Case) -> Result<BijectorConfig, &'static str> {
    let config = &case.config;
    let act_norm = || BijectorConfig::ActNorm { channels: number(&config["channels"]) };
    match case.kind.as_str() {
        "squeeze" => Ok(BijectorConfig::Squeeze),
        "act_norm" => Ok(act_norm()),
        "conv_1x1" => Ok(mixing(config)),
        "coupling" => coupling(config),
        "block" => Ok(BijectorConfig::Chain { steps: vec![act_norm(), mixing(config), coupling(config)?] }),
        "act_norm_start" => Err("the start divides by the unbiased deviation and 1e-6; ours by that of the batch"),
        other => panic!("{}: unknown kind {other}", case.name),
    }
}

/// Their weights as leaves of the tape, to be turned into ours on it.
struct Weights<'a> {
    case: &'a Case,
    leaves: BTreeMap<&'a str, Tensor<1>>,
}

impl<'a> Weights<'a> {
    fn new(case: &'a Case) -> Self {
        let leaves = case.weights.iter().map(|(name, stored)| (name.as_str(), stored.flat().autodiff().require_grad()));
        Self { case, leaves: leaves.collect() }
    }

    fn has(&self, name: &str) -> bool {
        self.leaves.contains_key(name)
    }

    fn flat(&self, name: &str) -> Tensor<1> {
        self.leaves.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.case.name)).clone()
    }

    /// Outputs, inputs and window of a convolution.
    fn conv(&self, name: &str) -> (Tensor<4>, [usize; 3]) {
        let shape: [usize; 4] = self.case.weights[name].shape.clone().try_into().expect("four axes");
        (self.flat(name).reshape(shape), [shape[0], shape[1], shape[2] * shape[3]])
    }

    /// Theirs goes from latents to data, `x = z exp(s) + t`; ours is `z = (x + shift) exp(log_scale)`.
    fn put_act_norm<P: Parameters + ?Sized>(&self, from: &str, layer: &mut P, to: &str) {
        set(layer, &format!("{to}shift"), -self.flat(&format!("{from}t")));
        set(layer, &format!("{to}log_scale"), -self.flat(&format!("{from}s")));
    }

    fn put_conv_1x1<P: Parameters + ?Sized>(&self, from: &str, layer: &mut P, to: &str) {
        if self.has(&format!("{from}W")) {
            return set(layer, &format!("{to}weight"), self.flat(&format!("{from}W")));
        }
        for (their, our) in [("P", "permutation"), ("sign_S", "sign")] {
            set(layer, &format!("{to}{our}"), self.case.buffers[&format!("{from}{their}")].flat());
        }
        for (their, our) in [("L", "lower"), ("U", "upper"), ("log_S", "log_s")] {
            set(layer, &format!("{to}{our}"), self.flat(&format!("{from}{their}")));
        }
    }

    /// The network and the order and the signs of what it says.
    fn put_coupling<P: Parameters + ?Sized>(&self, config: &Value, from: &str, layer: &mut P, to: &str) {
        let actnorm = config["net_actnorm"] == true;
        let places = if actnorm { [0, 3, 6] } else { [0, 2, 4] };
        let name = |place: usize, what: &str| format!("{from}flows.1.param_map.net.{place}.{what}");
        let target = |what: &str| format!("{to}net.conv.{what}");
        for (index, &place) in places[..2].iter().enumerate() {
            let (weight, [out, inputs, window]) = self.conv(&name(place, "weight"));
            let weight = weight.reshape([out, inputs, window]).permute([2, 1, 0]);
            set(layer, &target(&format!("hidden.{index}.weight")), flatten(weight));
            // With a normalisation `conv * exp(s) + t`, without `conv + bias`; ours is `(conv + shift) * exp(log_scale)`.
            let (shift, log_scale) = match actnorm {
                true => {
                    let s = self.flat(&name(place + 1, "actNorm.s"));
                    (self.flat(&name(place + 1, "actNorm.t")) * (-s.clone()).exp(), s)
                }
                false => (self.flat(&name(place, "bias")), tensor(&vec![0.0; out], [out])),
            };
            set(layer, &target(&format!("hidden.{index}.shift")), shift);
            set(layer, &target(&format!("hidden.{index}.log_scale")), log_scale);
        }
        let (weight, [out, inputs, window]) = self.conv(&name(places[2], "weight"));
        let order = spoken(config, out);
        // Ours has the window turned round, and a scale that torch's convolution lacks.
        let weight = weight.flip([2, 3]).reshape([out, inputs, window]).permute([1, 2, 0]);
        let weight = weight.reshape([inputs * window, out]).matmul(order.clone());
        let bias = self.flat(&name(places[2], "bias")).reshape([1, out]).matmul(order);
        set(layer, &target("last.weight"), flatten(weight));
        set(layer, &target("last.bias"), flatten(bias));
        set(layer, &target("last.log_scale"), tensor(&vec![0.0; out], [out]));
    }

    fn put_block<P: Parameters + ?Sized>(&self, config: &Value, from: &str, layer: &mut P, to: [String; 3]) {
        self.put_act_norm(&format!("{from}flows.2."), layer, &to[0]);
        self.put_conv_1x1(&format!("{from}flows.1."), layer, &to[1]);
        self.put_coupling(config, &format!("{from}flows.0."), layer, &to[2]);
    }

    fn compare_gradients(&self, compared: &mut Comparison, sum: Tensor<1>, x: &Tensor<4>) {
        let grads = sum.backward();
        compared.close_as_a_whole(&gradient(x, &grads), &self.case.dx.values, TOLERANCE, "dS/dx");
        assert_eq!(self.leaves.len(), self.case.dweights.len(), "{}", self.case.name);
        for (name, expected) in &self.case.dweights {
            let found = gradient(&self.leaves[name.as_str()], &grads);
            compared.close_as_a_whole(&found, &expected.values, TOLERANCE, &format!("dS/d{name}"));
        }
    }
}

/// What carries their outputs to ours, `[out, out]`: theirs are shift, scale, shift, scale, ..., of `(x - shift) / scale`.
fn spoken(config: &Value, out: usize) -> Tensor<2> {
    let affine = config["scale"] != false;
    let sign_of_scale = if config["scale_map"] == "exp" { -1.0 } else { 1.0 };
    let mut values = vec![0.0; out * out];
    for their in 0..out {
        let (our, sign) = match (affine, their % 2) {
            (false, _) => (their, -1.0),
            (true, 0) => (their / 2, -1.0),
            (true, _) => (out / 2 + their / 2, sign_of_scale),
        };
        values[their * out + our] = sign;
    }
    tensor(&values, [out, out])
}

impl Case {
    fn layer(&self, config: &BijectorConfig, weights: &Weights) -> Box<dyn Bijector> {
        let mut layer = config.build(&mut stream(0, "init", 0), &device()).expect("valid settings");
        layer.params_mut().into_iter().for_each(|(_, param)| param.cast(DType::F64));
        let to = layer.as_mut();
        match self.kind.as_str() {
            "act_norm" => weights.put_act_norm("", to, ""),
            "conv_1x1" => weights.put_conv_1x1("", to, ""),
            "coupling" => weights.put_coupling(&self.config, "", to, ""),
            "block" => weights.put_block(&self.config, "", to, [0, 1, 2].map(|k| format!("steps.{k}."))),
            _ => {}
        }
        layer
    }

    fn check(&self, config: &BijectorConfig) {
        let weights = Weights::new(self);
        let layer = self.layer(config, &weights);
        let mut compared = Comparison::of(&self.name);
        let x = self.x.tensor::<4>().autodiff().require_grad();
        let (z, log_det) = layer.forward(ours(x.clone()), None);
        let z = theirs(z);
        compared.close(&to_f64(z.clone()), &self.z[0].values, TOLERANCE, "values");
        compared.close(&to_f64(log_det.clone()), &self.log_det.values, TOLERANCE, "log_det");
        let sum = (z * self.w_z.tensor::<4>()).sum() + (log_det * self.w_l.tensor::<1>()).sum();
        weights.compare_gradients(&mut compared, sum, &x);
        let (x, log_det) = layer.inverse(ours(self.u[0].tensor()), None);
        compared.close(&to_f64(theirs(x)), &self.x_of_u.values, TOLERANCE, "inverse");
        // Ours is log |det dz/dx| in both directions.
        compared.close(&to_f64(-log_det), &self.log_det_inverse.values, TOLERANCE, "log_det of the inverse");
        compared.report();
    }

    /// Their normal per channel, `loc exp(3 loc_logs)` and `log_scale exp(3 log_scale_logs)`, of latents number `level`.
    fn normal(&self, weights: &Weights, level: usize) -> [Tensor<1>; 2] {
        let value = |name: &str| {
            let logs = weights.flat(&format!("q0.{level}.{name}_logs"));
            weights.flat(&format!("q0.{level}.{name}")) * (logs * 3.0).exp()
        };
        [value("loc"), value("log_scale")]
    }

    /// The whole: their levels are numbered from the top, and their blocks from the latents.
    fn check_whole(&self) {
        let config = &self.config;
        let event: [usize; 3] = serde_json::from_value(config["event"].clone()).expect("three lengths");
        let [levels, steps] = ["levels", "steps"].map(|name| number(&config[name]));
        let settings: FlowConfig = serde_json::from_value(json!({
            "kind": "glow", "levels": levels, "steps": steps, "hidden": config["hidden"],
            "transform": {"kind": "affine", "scale": {"kind": "sigmoid", "floor": 0.0}},
            "split": {"kind": "learned", "scale": {"kind": "exp"}}, "base": {"kind": "diagonal_normal"},
        }))
        .expect("a valid flow");
        let architecture = settings.assemble_picture(event, 0).expect("a valid flow");
        let mut flow = Flow::new(&architecture, 1, &device()).expect("a valid flow").cast(DType::F64);
        let weights = Weights::new(self);
        for level in 0..levels {
            for step in 0..steps {
                let from = format!("flows.{}.{}.", levels - 1 - level, steps - 1 - step);
                let before = usize::from(step == 0);
                let to = [0, 1, 2].map(|k| format!("levels.{level}.steps.{step}.steps.{}.", before + k));
                weights.put_block(config, &from, &mut flow, to);
            }
        }
        // Their normal of the lower latents is our learned prior without its window; its bias has the same scale exp(3 logs).
        let joined = |a: &str, b: &str, sign: f64| {
            Tensor::cat(vec![weights.flat(&format!("q0.1.{a}")), weights.flat(&format!("q0.1.{b}"))], 0) * sign
        };
        set(&mut flow, "levels.0.split.prior.conv.last.bias", joined("loc", "log_scale", -1.0));
        set(&mut flow, "levels.0.split.prior.conv.last.log_scale", joined("loc_logs", "log_scale_logs", 1.0));
        let [mean, log_std] = self.normal(&weights, 0);
        let [h, w, _] = *flow.latent_events().last().expect("a level");
        let everywhere = |value: Tensor<1>| flatten(value.unsqueeze::<2>().repeat_dim(0, h * w));
        set(&mut flow, "base.mean", everywhere(mean));
        set(&mut flow, "base.log_std", everywhere(log_std));

        // Our latents of the lower level meet the standard normal: theirs, standardised.
        let lower = self.normal(&weights, 1).map(|value| {
            let channels = value.dims()[0];
            value.without_autodiff().reshape([1, 1, 1, channels])
        });
        let standard = |z: &Stored| (ours(z.tensor()) - lower[0].clone()) * (-lower[1].clone()).exp();
        let [h, w, _] = flow.latent_events()[0];
        let of_standard = to_f64(lower[1].clone().sum())[0] * (h * w) as f64;

        let mut compared = Comparison::of(&self.name);
        let x = self.x.tensor::<4>().autodiff().require_grad();
        let (latents, log_det) = flow.forward(ours(x.clone()), None).expect("the pictures fit");
        let expected = [to_f64(standard(&self.z[1])), to_f64(ours(self.z[0].tensor()))];
        assert_eq!(latents.levels.len(), expected.len());
        for (level, (found, expected)) in latents.levels.iter().zip(&expected).enumerate() {
            compared.close(&to_f64(found.clone()), expected, TOLERANCE, &format!("latents of level {level}"));
        }
        let expected: Vec<f64> = self.log_det.values.iter().map(|v| v - of_standard).collect();
        compared.close(&to_f64(log_det), &expected, TOLERANCE, "log_det");
        let log_prob = flow.log_prob(ours(x.clone()), None).expect("the pictures fit");
        let expected = self.log_prob.as_ref().expect("a log-density");
        compared.close(&to_f64(log_prob.clone()), &expected.values, TOLERANCE, "log_prob");
        weights.compare_gradients(&mut compared, (log_prob * self.w_l.tensor::<1>()).sum(), &x);
        let u = Latents { levels: vec![standard(&self.u[1]), ours(self.u[0].tensor())] };
        let (x, log_det) = flow.inverse(&u, None).expect("the latents fit");
        compared.close(&to_f64(theirs(x)), &self.x_of_u.values, TOLERANCE, "inverse");
        let expected: Vec<f64> = self.log_det_inverse.values.iter().map(|v| -v - of_standard).collect();
        compared.close(&to_f64(log_det), &expected, TOLERANCE, "log_det of the inverse");
        compared.report();
    }
}

#[test]
fn pieces_of_glow_agree_and_the_others_are_known() {
    let cases = cases();
    let pieces: Vec<&Case> = cases.iter().filter(|case| case.kind != "multiscale").collect();
    let without: Vec<(&str, &str)> =
        pieces.iter().filter_map(|case| Some((case.name.as_str(), counterpart(case).err()?))).collect();
    let expected = [
        ("coupling_sigmoid_inv", "data are divided by the sigmoid; our scales multiply them"),
        ("coupling_channel_odd", "the larger half conditions; with us it is transformed"),
        (
            "coupling_checkerboard",
            "the board alternates over channels too, and each colour is packed into half the width",
        ),
        ("coupling_leaky", "our networks have no leaky relu"),
        ("act_norm_start", "the start divides by the unbiased deviation and 1e-6; ours by that of the batch"),
    ];
    assert_eq!(without, expected, "exactly these cases have no counterpart");
    let compared = pieces.iter().filter_map(|case| Some((case, counterpart(case).ok()?)));
    let compared: Vec<_> = compared.map(|(case, config)| case.check(&config)).collect();
    assert_eq!(compared.len(), 13);
}

#[test]
fn a_whole_glow_agrees() {
    let cases = cases();
    let wholes: Vec<&Case> = cases.iter().filter(|case| case.kind == "multiscale").collect();
    assert_eq!(wholes.len(), 1);
    wholes[0].check_whole();
}

/// The two starts of a normalisation differ by how the deviation is counted, and by nothing else.
#[test]
fn starts_of_normalisations_differ_by_the_count_alone() {
    let cases = cases();
    let case = cases.iter().find(|case| case.kind == "act_norm_start").expect("such a case");
    let x = ours(case.x.tensor::<4>());
    let [b, h, w, channels] = x.dims();
    let config = BijectorConfig::ActNorm { channels };
    let mut layer = config.build(&mut stream(0, "init", 0), &device()).expect("valid settings");
    layer.initialize(&x.cast(DType::F32), None);
    let found: BTreeMap<String, Vec<f64>> =
        layer.params().into_iter().map(|(name, param)| (name, param.values_f64())).collect();
    let count = (b * h * w) as f64;
    let mut compared = Comparison::of(&case.name);
    let expected: Vec<f64> = case.weights["t"].values.iter().map(|t| -t).collect();
    compared.close(&found["shift"], &expected, 1e-6, "shift");
    let of_batch = |s: &f64| -((s.exp() - 1e-6) * ((count - 1.0) / count).sqrt()).ln();
    let expected: Vec<f64> = case.weights["s"].values.iter().map(of_batch).collect();
    compared.close(&found["log_scale"], &expected, 1e-6, "log_scale");
    compared.report();
}
