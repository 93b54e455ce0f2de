//! Whole flows of two levels against their formulas in NumPy.

use super::{Comparison, Stored, gradient};
use burn::tensor::{DType, Device, Tensor};
use flowstill::flows::{Flow, FlowConfig, Latents};
use flowstill::{Parameters, Role, to_f64};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    config: FlowConfig,
    event: [usize; 3],
    context: Option<Stored>,
    weights: BTreeMap<String, Stored>,
    x: Stored,
    latents: Vec<Stored>,
    log_det: Stored,
    log_prob: Stored,
    u: Vec<Stored>,
    x_of_u: Stored,
    log_det_of_u: Stored,
    weight_of_log_prob: Vec<f64>,
    derivatives: Vec<Derivative>,
}

/// Of the weighted sum of log-densities, by one entry of a weight, or of `x`.
#[derive(Debug, Deserialize)]
struct Derivative {
    name: String,
    index: usize,
    value: f64,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("glow.json")).expect("the fixture parses")
}

impl Case {
    /// The flow with the recorded weights: all of them, and no other.
    fn flow(&self, dtype: DType) -> Flow {
        let context = self.context.as_ref().map_or(0, |context| context.shape[1]);
        let architecture = self.config.assemble_picture(self.event, context).expect("a valid flow");
        let mut flow = Flow::new(&architecture, 1, &Device::flex()).expect("a valid flow");
        let mut used = 0;
        for (name, param) in flow.params_mut() {
            if param.role() == Role::Constant || name.ends_with(".initialized") {
                continue;
            }
            let stored = self.weights.get(&name).unwrap_or_else(|| panic!("{}: no weight {name}", self.name));
            assert_eq!(param.shape(), stored.shape, "{} {name}", self.name);
            param.set_values(stored.values.iter().map(|&v| v as f32).collect());
            used += 1;
        }
        assert_eq!(used, self.weights.len(), "{}: weights that we have no place for", self.name);
        flow.cast(dtype)
    }

    fn context(&self, dtype: DType) -> Option<Tensor<2>> {
        self.context.as_ref().map(|context| context.tensor_as(dtype))
    }

    /// Latents of every level, log-det, log-density and the way back.
    fn check_values(&self, dtype: DType, tolerance: f64) {
        let (flow, context) = (self.flow(dtype), self.context(dtype));
        let mut compared = Comparison::of(&format!("{} {dtype:?}", self.name));
        let mut close = |ours: Vec<f64>, expected: &Stored, what: &str| {
            compared.close(&ours, &expected.values, tolerance, what);
        };
        let x = self.x.tensor_as::<4>(dtype);
        let (latents, log_det) = flow.forward(x.clone(), context.as_ref()).expect("the pictures fit");
        assert_eq!(latents.levels.len(), self.latents.len());
        for (level, (ours, expected)) in latents.levels.into_iter().zip(&self.latents).enumerate() {
            assert_eq!(ours.dims().to_vec(), expected.shape, "{} level {level}", self.name);
            close(to_f64(ours), expected, &format!("latents of level {level}"));
        }
        close(to_f64(log_det), &self.log_det, "log_det");
        close(to_f64(flow.log_prob(x, context.as_ref()).expect("the pictures fit")), &self.log_prob, "log_prob");
        let u = Latents { levels: self.u.iter().map(|level| level.tensor_as(dtype)).collect() };
        let (x, log_det) = flow.inverse(&u, context.as_ref()).expect("the latents fit");
        close(to_f64(x), &self.x_of_u, "inverse");
        close(to_f64(log_det), &self.log_det_of_u, "log_det of the inverse");
        compared.report();
    }

    fn check_derivatives(&self, dtype: DType, tolerance: f64) {
        let (mut flow, context) = (self.flow(dtype), self.context(dtype));
        let mut leaves = BTreeMap::new();
        for (name, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
            let leaf = param.flat().clone().autodiff().require_grad();
            param.set(leaf.clone());
            leaves.insert(name, leaf);
        }
        let x = self.x.tensor_as::<4>(dtype).autodiff().require_grad();
        let log_prob = flow.log_prob(x.clone(), context.as_ref()).expect("the pictures fit");
        let weight = super::common::tensor_as(&self.weight_of_log_prob, [self.weight_of_log_prob.len()], dtype);
        let grads = (log_prob * weight).sum().backward();
        let mut compared = Comparison::of(&format!("{} {dtype:?} derivatives", self.name));
        let mut left: Vec<&str> = leaves.keys().map(String::as_str).collect();
        for Derivative { name, index, value } in &self.derivatives {
            let all = if name == "x" { gradient(&x, &grads) } else { gradient(&leaves[name], &grads) };
            compared.close(&[all[*index]], &[*value], tolerance, &format!("{name}[{index}]"));
            left.retain(|other| other != name);
        }
        assert!(left.is_empty(), "{}: no derivative by {left:?}", self.name);
        compared.report();
    }
}

#[test]
fn whole_flows_agree_with_their_formulas() {
    cases().iter().for_each(|case| case.check_values(DType::F64, 1e-9));
}

#[test]
fn derivatives_agree_with_central_differences() {
    cases().iter().for_each(|case| case.check_derivatives(DType::F64, 1e-6));
}

/// The kernels that serve training run in f32 alone.
#[test]
fn single_precision_agrees_as_far_as_it_goes() {
    for case in cases() {
        case.check_values(DType::F32, 1e-4);
        case.check_derivatives(DType::F32, 1e-4);
    }
}
