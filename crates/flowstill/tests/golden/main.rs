//! Reproduce values and gradients that nflows and zuko computed, and of Sylvester layers a formula in decimal numbers, with their weights in our layers.
//!
//! `README.md` gives the libraries' conventions. Weights are converted on the tape, so that gradients come back in the libraries' own terms.

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod import;
mod nets;

use burn::tensor::{Gradients, Tensor};
use common::{Way, assert_close, tensor};
use flowstill::to_f64;
use import::Weights;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A tensor of a fixture.
#[derive(Clone, Debug, Deserialize)]
struct Stored {
    shape: Vec<usize>,
    values: Vec<f64>,
}

type Table = Vec<Vec<f64>>;

/// One recorded case.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    kind: String,
    config: Value,
    weights: BTreeMap<String, Stored>,
    buffers: BTreeMap<String, Stored>,
    x: Table,
    context: Option<Table>,
    z: Table,
    log_det: Vec<f64>,
    gradients: Option<Recorded>,
    gradients_z_only: Option<Recorded>,
    inverse_of: Option<Table>,
    x_of_u: Option<Table>,
    log_det_inverse: Option<Vec<f64>>,
    inverse_gradients: Option<Recorded>,
}

/// Gradients of `S` or of `S'`.
#[derive(Debug, Deserialize)]
struct Recorded {
    #[serde(alias = "w_x")]
    w_z: Option<Table>,
    w_l: Option<Vec<f64>>,
    s: Option<f64>,
    #[serde(alias = "u")]
    x: Table,
    context: Option<Table>,
    weights: Option<BTreeMap<String, Stored>>,
}

/// A bijector made of the weights of a case: rows and context to rows and `log |det dz/dx|`.
type Model = Box<dyn Fn(&Weights, Way, Tensor<2>, Option<Tensor<2>>) -> (Tensor<2>, Tensor<1>)>;

fn rows(table: &Table) -> Tensor<2> {
    tensor(&table.concat(), [table.len(), table[0].len()])
}

fn gradient<const D: usize>(leaf: &Tensor<D>, grads: &Gradients) -> Vec<f64> {
    leaf.grad(grads).map_or_else(|| vec![0.0; leaf.shape().num_elements()], to_f64)
}

impl Case {
    /// Take one row out of a case whose weights belong to rows.
    fn remove_row(&mut self, row: usize) {
        let from_stored = |stored: &mut Stored| {
            let width = stored.values.len() / stored.shape[0];
            stored.values.drain(row * width..(row + 1) * width);
            stored.shape[0] -= 1;
        };
        self.weights.values_mut().for_each(from_stored);
        for table in [Some(&mut self.x), Some(&mut self.z), self.inverse_of.as_mut(), self.x_of_u.as_mut()] {
            table.into_iter().for_each(|table| drop(table.remove(row)));
        }
        self.log_det.remove(row);
        if let Some(log_det) = &mut self.log_det_inverse {
            log_det.remove(row);
        }
        let recorded = [&mut self.gradients, &mut self.gradients_z_only, &mut self.inverse_gradients];
        for recorded in recorded.into_iter().flatten() {
            recorded.s = None;
            recorded.x.remove(row);
            recorded.w_z.iter_mut().for_each(|table| drop(table.remove(row)));
            if let Some(w_l) = &mut recorded.w_l {
                w_l.remove(row);
            }
            recorded.weights.iter_mut().flat_map(BTreeMap::values_mut).for_each(from_stored);
        }
    }

    fn check(&self, model: &Model) {
        let recorded = self.gradients_z_only.as_ref().or(self.gradients.as_ref());
        self.check_way(model, Way::Forward, &self.x, &self.z, &self.log_det, recorded);
        if let (Some(u), Some(x), Some(log_det)) = (&self.inverse_of, &self.x_of_u, &self.log_det_inverse) {
            // Ours is log |det dz/dx| in both directions, theirs log |det dx/du| in the inverse.
            let log_det: Vec<f64> = log_det.iter().map(|v| -v).collect();
            self.check_way(model, Way::Inverse, u, x, &log_det, self.inverse_gradients.as_ref());
        }
    }

    fn check_way(&self, model: &Model, way: Way, x: &Table, out: &Table, log_det: &[f64], recorded: Option<&Recorded>) {
        // In the edge cases slopes near 3e-6 magnify rounding.
        let tolerance = if self.gradients_z_only.is_some() { 1e-7 } else { 1e-9 };
        let weights = Weights::new(self);
        let x = rows(x).autodiff().require_grad();
        let context = self.context.as_ref().map(|context| rows(context).autodiff().require_grad());
        let (ours, ours_log_det) = model(&weights, way, x.clone(), context.clone());
        let about = |what: &str| format!("{} {way:?} {what}", self.name);
        assert_close(&to_f64(ours.clone()), &out.concat(), tolerance, &about("values"));
        assert_close(&to_f64(ours_log_det.clone()), log_det, tolerance, &about("log_det"));
        let Some(recorded) = recorded else { return };
        let weight_of_z = recorded.w_z.as_ref().or_else(|| self.gradients.as_ref()?.w_z.as_ref()).expect("w_z");
        let mut sum = (ours * rows(weight_of_z)).sum();
        if let Some(w_l) = &recorded.w_l {
            let sign = if way == Way::Forward { 1.0 } else { -1.0 };
            sum = sum + (ours_log_det * tensor(w_l, [w_l.len()])).sum() * sign;
        }
        if let Some(s) = recorded.s {
            assert_close(&to_f64(sum.clone()), &[s], tolerance, &about("S"));
        }
        let grads = sum.backward();
        let close = |ours: Vec<f64>, theirs: &[f64], what: &str| {
            let scale = theirs.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
            let over = |values: &[f64]| values.iter().map(|v| v / scale).collect::<Vec<_>>();
            assert_close(&over(&ours), &over(theirs), tolerance, &about(what));
        };
        close(gradient(&x, &grads), &recorded.x.concat(), "dS/dx");
        if let (Some(leaf), Some(theirs)) = (&context, &recorded.context) {
            close(gradient(leaf, &grads), &theirs.concat(), "dS/dcontext");
        }
        for (name, theirs) in recorded.weights.iter().flatten() {
            close(gradient(&weights.flat(name), &grads), &theirs.values, &format!("dS/d{name}"));
        }
    }
}

fn check_all(file: &str, skipped: &[&str]) {
    let mut cases: Vec<Case> = serde_json::from_str(file).expect("the fixture parses");
    // One row of zuko's has bins narrower than our least width.
    for case in cases.iter_mut().filter(|case| case.name == "monotonic_rqs_edges") {
        let labels = case.config["where"].as_array().expect("labels");
        let row = labels.iter().position(|label| label == "extreme_raw").expect("such a row");
        case.remove_row(row);
    }
    let left_out: Vec<&str> =
        cases.iter().filter(|case| cases::model(case).is_none()).map(|c| c.name.as_str()).collect();
    assert_eq!(left_out, skipped, "exactly these cases have no counterpart");
    cases.iter().filter_map(|case| Some((case, cases::model(case)?))).for_each(|(case, model)| case.check(&model));
}

#[test]
fn nflows_agrees() {
    // Splines on a box without tails, context gates inside blocks, a spline on the conditioning half, and batch
    // normalisation by the minibatch are things that our layers do not have.
    let skipped = [
        "rqs_no_tails_box",
        "maf_residual_context",
        "masked_rqs_residual_context",
        "rqs_coupling_resnet_context",
        "rqs_coupling_resnet_unconditional",
        "batch_norm_train",
        "composite_cdf_sigmoid_rqs",
        "flow_composite_context",
    ];
    check_all(include_str!("nflows.json"), &skipped);
}

#[test]
fn zuko_agrees() {
    // Two passes for three features: an order with ties.
    check_all(include_str!("zuko.json"), &["nsf_passes2_context"]);
}

#[test]
fn the_formula_of_sylvester_flows_agrees() {
    check_all(include_str!("sylvester.json"), &[]);
}
