//! Hold gradients in the data's units, of densities and of what is decoded, to central differences of the composition in f64, and the two models to each other.

mod families;

use families::{FLOWS, batch, flow};
use flowstill::burn::tensor::{DType, Device, Tensor, TensorData};
use flowstill::file::save;
use flowstill::flows::{Flow, Latents};
use flowstill::model::{Model, Standardization, TrainingFacts};
use flowstill::{random, to_f64};
use flowstill_runtime::Model as Runtime;

const ROWS: usize = 9;
const STEP: f64 = 1e-6;

fn model(flow: Flow) -> Model {
    let (columns, context) = (flow.architecture().event[2], flow.architecture().context);
    let standardization = Standardization {
        mean: (0..columns).map(|i| 3.0 * i as f64 - 4.0).collect(),
        std: (0..columns).map(|i| 0.25 + i as f64).collect(),
        context_mean: vec![5.0; context],
        context_std: vec![2.0; context],
        columns: Vec::new(),
    };
    Model { flow, standardization, pictures: None, dequantizer: None, facts: TrainingFacts::default() }
}

fn runtime(model: &Model) -> Runtime {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.safetensors");
    save(model, &path).expect("writes");
    Runtime::load(&path).expect("loads")
}

fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&Device::default(), DType::F64))
}

fn normals(count: usize, seed: u64) -> Vec<f64> {
    random::normals(count, &mut random::stream(seed, "direction", 0)).into_iter().map(f64::from).collect()
}

/// Standardised values moved along a direction, and what is per unit of the data as it is per standardised value.
fn moved(values: &[f64], direction: &[f64], by: f64) -> Vec<f64> {
    values.iter().zip(direction).map(|(value, direction)| value + by * direction).collect()
}

fn scaled(values: &[f64], std: &[f64]) -> Vec<f64> {
    values.iter().zip(std.iter().cycle()).map(|(value, std)| value * std).collect()
}

fn dots(a: &[f64], b: &[f64], rows: usize) -> Vec<f64> {
    let width = a.len() / rows;
    let row = |row: usize| (row * width..(row + 1) * width).map(|at| a[at] * b[at]).sum();
    (0..rows).map(row).collect()
}

fn norm(values: &[f64], row: usize, rows: usize) -> f64 {
    let width = values.len() / rows;
    values[row * width..(row + 1) * width].iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// A model and its rows, standardised and raw.
struct Case {
    model: Model,
    exact: Flow,
    x: Vec<f64>,
    c: Vec<f64>,
    raw: Vec<f64>,
    raw_context: Vec<f64>,
}

impl Case {
    fn new(text: &str, event: [usize; 3], context: usize) -> Self {
        let model = model(flow(text, event, context));
        let (x, c) = batch(&model.flow, ROWS, 3);
        let (x, c) = (to_f64(x), c.map(to_f64).unwrap_or_default());
        let s = &model.standardization;
        let raw = |values: &[f64], mean: &[f64], std: &[f64]| -> Vec<f64> {
            values.iter().enumerate().map(|(i, v)| v * std[i % std.len()] + mean[i % mean.len()]).collect()
        };
        let (raw_x, raw_c) = (raw(&x, &s.mean, &s.std), raw(&c, &s.context_mean, &s.context_std));
        let exact = model.flow.clone().composed().cast(DType::F64);
        Self { exact, x, c, raw: raw_x, raw_context: raw_c, model }
    }

    fn conditions(&self, values: &[f64]) -> Option<Tensor<2>> {
        let width = self.model.context_columns();
        (width > 0).then(|| tensor(values, [ROWS, width]))
    }

    /// Exact log-densities at standardised values.
    fn log_prob(&self, x: &[f64], c: &[f64]) -> Vec<f64> {
        let [h, w, channels] = self.exact.architecture().event;
        let conditions = self.conditions(c);
        to_f64(self.exact.log_prob(tensor(x, [ROWS, h, w, channels]), conditions.as_ref()).expect("scores"))
    }

    /// Exact standardised rows of latents.
    fn decode(&self, latents: &[f64], c: &[f64]) -> Vec<f64> {
        let d = self.model.columns();
        let mut start = 0;
        let level = |[h, w, channels]: &[usize; 3]| {
            let own = start..start + h * w * channels;
            start = own.end;
            let values: Vec<f64> = latents.chunks_exact(d).flat_map(|row| row[own.clone()].to_vec()).collect();
            tensor(&values, [ROWS, *h, *w, *channels])
        };
        let levels = self.exact.latent_events().iter().map(level).collect();
        to_f64(self.exact.inverse(&Latents { levels }, self.conditions(c).as_ref()).expect("decodes").0)
    }
}

/// The slope of each row against what a gradient says; `most` is the gradient's length times the direction's.
fn assert_slopes(what: &str, slopes: [Vec<f64>; 2], said: &[f64], most: impl Fn(usize) -> f64) {
    for (row, said) in said.iter().enumerate() {
        let slope = (slopes[0][row] - slopes[1][row]) / (2.0 * STEP);
        assert!((slope - said).abs() < 1e-3 * (1.0 + most(row)), "{what}, row {row}: {slope} is not {said}");
    }
}

#[test]
fn gradients_of_densities_are_slopes_in_both_models() {
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let case = Case::new(text, *event, context);
            let what = format!("{text} {context}");
            let (log_prob, [d_rows, d_context]) =
                case.model.log_prob_with_gradients(&case.raw, &case.raw_context).expect("scores");
            assert_eq!(log_prob, case.model.log_prob(&case.raw, &case.raw_context).expect("scores"), "{what}");
            let s = &case.model.standardization;
            let (g_x, g_c) = (scaled(&d_rows, &s.std), scaled(&d_context, &s.context_std));
            let (along, by) = (normals(case.x.len(), 1), STEP);
            let slopes = [by, -by].map(|by| case.log_prob(&moved(&case.x, &along, by), &case.c));
            let most = |row| norm(&g_x, row, ROWS) * norm(&along, row, ROWS);
            assert_slopes(&what, slopes, &dots(&g_x, &along, ROWS), most);
            if context > 0 {
                let along = normals(case.c.len(), 2);
                let slopes = [by, -by].map(|by| case.log_prob(&case.x, &moved(&case.c, &along, by)));
                let most = |row| norm(&g_c, row, ROWS) * norm(&along, row, ROWS);
                assert_slopes(&format!("context of {what}"), slopes, &dots(&g_c, &along, ROWS), most);
            }
            // The file without the framework, whole and row by row.
            let runtime = runtime(&case.model);
            let (d, width) = (case.model.columns(), context);
            for each in [ROWS, 1] {
                let (mut own, mut of_rows) = (vec![0.0; ROWS], vec![0.0; d_rows.len()]);
                let mut of_context = vec![0.0; d_context.len()];
                for at in (0..ROWS).step_by(each) {
                    let (rows, given) = (at * d..(at + each) * d, at * width..(at + each) * width);
                    runtime
                        .log_prob_with_gradients(
                            &case.raw[rows.clone()],
                            &case.raw_context[given.clone()],
                            &mut own[at..at + each],
                            &mut of_rows[rows],
                            &mut of_context[given],
                        )
                        .expect("scores");
                }
                assert_eq!((&own, &of_rows, &of_context), (&log_prob, &d_rows, &d_context), "{what} {each}");
            }
        }
    }
}

#[test]
fn pullbacks_of_decoding_are_slopes_in_both_models() {
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let case = Case::new(text, *event, context);
            let what = format!("{text} {context}");
            let latents = case.model.encode(&case.raw, &case.raw_context).expect("encodes");
            let s = &case.model.standardization;
            let weights = normals(case.x.len(), 7);
            let d_rows: Vec<f64> = weights.iter().zip(s.std.iter().cycle()).map(|(w, std)| w / std).collect();
            let [d_latents, d_context] =
                case.model.decode_pullback(&latents, &case.raw_context, &d_rows).expect("decodes");
            let loss = |latents: &[f64], c: &[f64]| dots(&case.decode(latents, c), &weights, ROWS);
            let along = normals(latents.len(), 4);
            let slopes = [STEP, -STEP].map(|by| loss(&moved(&latents, &along, by), &case.c));
            let most = |row| norm(&d_latents, row, ROWS) * norm(&along, row, ROWS);
            assert_slopes(&what, slopes, &dots(&d_latents, &along, ROWS), most);
            if context > 0 {
                let (along, g_c) = (normals(case.c.len(), 5), scaled(&d_context, &s.context_std));
                let slopes = [STEP, -STEP].map(|by| loss(&latents, &moved(&case.c, &along, by)));
                let most = |row| norm(&g_c, row, ROWS) * norm(&along, row, ROWS);
                assert_slopes(&format!("context of {what}"), slopes, &dots(&g_c, &along, ROWS), most);
            }
            let (mut of_latents, mut of_context) = (vec![0.0; latents.len()], vec![0.0; d_context.len()]);
            runtime(&case.model)
                .decode_pullback(&latents, &case.raw_context, &d_rows, &mut of_latents, &mut of_context)
                .expect("decodes");
            assert_eq!((of_latents, of_context), (d_latents, d_context), "{what}");
        }
    }
}

#[test]
fn a_flow_without_a_program_has_the_same_methods() {
    for (text, event) in [FLOWS[3], FLOWS[13], FLOWS[18]] {
        let case = Case::new(text, event, 2);
        let compiled = &case.model;
        let composed = Model { flow: compiled.flow.clone().composed(), ..compiled.clone() };
        let close = |what: &str, own: &[f64], expected: &[f64]| {
            assert_eq!(own.len(), expected.len(), "{text} {what}");
            for (own, expected) in own.iter().zip(expected) {
                assert!((own - expected).abs() < 2e-3 * (1.0 + expected.abs()), "{text} {what}: {own} {expected}");
            }
        };
        let (x, c) = (&case.raw, &case.raw_context);
        let scored = |model: &Model| model.log_prob_with_gradients(x, c).expect("scores");
        let ((own, [of_rows, of_context]), (expected, [d_rows, d_context])) = (scored(&composed), scored(compiled));
        close("log_prob", &own, &expected);
        close("d_rows", &of_rows, &d_rows);
        close("d_context", &of_context, &d_context);
        let latents = compiled.encode(x, c).expect("encodes");
        close("encode", &composed.encode(x, c).expect("encodes"), &latents);
        close("decode", &composed.decode(&latents, c).expect("decodes"), x);
        let pulled = |model: &Model| model.decode_pullback(&latents, c, x).expect("decodes");
        let ([own, own_context], [expected, expected_context]) = (pulled(&composed), pulled(compiled));
        close("d_latents", &own, &expected);
        close("d_context of decode", &own_context, &expected_context);
        let drawn = |model: &Model| model.sample_and_log_prob(ROWS, 3, 0.7, c).expect("draws");
        let ((own, own_density), (expected, density)) = (drawn(&composed), drawn(compiled));
        close("rows", &own, &expected);
        close("their densities", &own_density, &density);
        assert_eq!(expected, compiled.sample(ROWS, 3, 0.7, c).expect("draws"));
        // In f64 the composition runs too.
        let exact = Model { flow: case.exact.clone(), ..compiled.clone() };
        close("f64", &exact.log_prob(x, c).expect("scores"), &compiled.log_prob(x, c).expect("scores"));
        close("f64 gradients", &scored(&exact).1[0], &d_rows);
    }
}

#[test]
fn lengths_that_do_not_fit_are_told() {
    let case = Case::new(FLOWS[3].0, [1, 1, 5], 2);
    let runtime = runtime(&case.model);
    let (x, c) = (&case.raw[..10], &case.raw_context[..4]);
    let scored = |rows: usize, context: usize, out: usize, d_rows: usize, d_context: usize| {
        let (mut out, mut of_rows, mut of_context) = (vec![0.0; out], vec![0.0; d_rows], vec![0.0; d_context]);
        runtime.log_prob_with_gradients(&x[..rows], &c[..context], &mut out, &mut of_rows, &mut of_context)
    };
    assert!(scored(10, 4, 2, 10, 4).is_ok());
    assert!(scored(0, 0, 0, 0, 0).is_ok());
    for lengths in [[9, 4, 2, 10, 4], [10, 3, 2, 10, 4], [10, 4, 1, 10, 4], [10, 4, 2, 9, 4], [10, 4, 2, 10, 0]] {
        let [rows, context, out, d_rows, d_context] = lengths;
        let error = scored(rows, context, out, d_rows, d_context).expect_err("lengths").to_string();
        assert!(error.contains("expected") && !error.contains('\n'), "{error}");
    }
    let pulled = |latents: usize, g: &[f64], d_latents: usize| {
        let (mut own, mut of_context) = (vec![0.0; d_latents], vec![0.0; 4]);
        runtime.decode_pullback(&x[..latents], c, g, &mut own, &mut of_context)
    };
    assert!(pulled(10, x, 10).is_ok());
    assert!(pulled(9, x, 10).is_err() && pulled(10, &x[1..], 10).is_err() && pulled(10, x, 5).is_err());
    assert!(pulled(10, &[f64::NAN; 10], 10).expect_err("NaN").to_string().contains("row 1 column 1 is NaN"));
    assert!(case.model.log_prob_with_gradients(&x[1..], c).is_err());
    assert!(case.model.decode_pullback(x, &c[1..], x).is_err());
    let mut unfit = case.model.clone();
    unfit.standardization.std.pop();
    assert!(unfit.log_prob(x, c).expect_err("unfit").to_string().contains("standardisation"));
}
