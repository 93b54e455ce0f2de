//! Hold models with transformed columns to their laws: densities, gradients, draws and files in the data's own units, with and without the framework.

use flowstill::burn::tensor::Device;
use flowstill::file::{load, save};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::model::{ColumnTransform, Model, Standardization, Step, TrainingFacts};
use flowstill::{Parameters, random};
use flowstill_runtime::Model as Alone;

fn moved(columns: usize) -> Flow {
    let config: FlowConfig = serde_json::from_str(r#"{"kind":"maf","blocks":2,"hidden":[8]}"#).expect("valid");
    let architecture = config.assemble(columns, 0, 1).expect("valid");
    let mut flow = Flow::new(&architecture, 1, &Device::default()).expect("valid");
    let mut rng = random::stream(2, "move", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.2 * noise).collect());
    }
    flow
}

fn steps(steps: Vec<Step>) -> ColumnTransform {
    ColumnTransform { steps }
}

/// Smooth, smooth in two steps, a grid, a shared value.
fn model() -> Model {
    let columns = vec![
        steps(vec![Step::Logit { low: -1.0, high: 4.0 }]),
        steps(vec![Step::Log { offset: 1.0 }, Step::YeoJohnson { lambda: 0.7, center: 0.2, scale: 1.5 }]),
        steps(vec![Step::Dequantise { step: 2.0, origin: -1.0 }]),
        steps(vec![Step::Spread { atoms: vec![0.0], widths: vec![0.8] }]),
    ];
    let standardization = Standardization {
        mean: vec![0.1, -0.4, 3.0, 0.5],
        std: vec![1.5, 0.7, 4.0, 0.9],
        columns,
        ..Standardization::default()
    };
    let facts = TrainingFacts::default();
    Model { flow: moved(4), standardization, pictures: None, dequantizer: None, facts }
}

const ROWS: [f64; 12] = [0.5, 2.0, 3.0, 0.0, 3.9, -0.5, -1.0, 0.7, -0.9, 9.0, 7.0, -1.3];

#[test]
fn gradients_are_slopes_of_the_density() {
    let model = model();
    let (densities, [d_rows, _]) = model.log_prob_with_gradients(&ROWS, &[]).unwrap();
    assert_eq!(densities.len(), 3);
    for at in (0..ROWS.len()).filter(|at| at % 4 < 2) {
        let h = 2e-3;
        // Noise follows from the row, so it is held fast by the transforms' own formulas.
        let [low, high] = [-h, h].map(|by| {
            let row = ROWS[at / 4 * 4..at / 4 * 4 + 4].to_vec();
            let mut smooth = model.clone();
            smooth.standardization.columns[2] = ColumnTransform::default();
            smooth.standardization.columns[3] = ColumnTransform::default();
            let mut moved = row;
            moved[at % 4] += by;
            smooth.log_prob(&moved, &[]).unwrap()[0]
        });
        let mut smooth = model.clone();
        smooth.standardization.columns[2] = ColumnTransform::default();
        smooth.standardization.columns[3] = ColumnTransform::default();
        let own = smooth.log_prob_with_gradients(&ROWS, &[]).unwrap().1[0][at];
        let slope = (high - low) / (2.0 * h);
        assert!((slope - own).abs() < 2e-2 * (1.0 + own.abs()), "{at}: {slope} {own}");
        assert!(d_rows[at].is_finite());
    }
}

#[test]
fn what_is_decoded_moves_with_its_latents() {
    let model = model();
    let latents: Vec<f64> = model.encode(&ROWS, &[]).unwrap();
    // Columns that noise has no part in.
    let pull: Vec<f64> = (0..ROWS.len()).map(|at| if at % 4 < 2 { 1.0 + at as f64 / 7.0 } else { 0.0 }).collect();
    let [d_latents, _] = model.decode_pullback(&latents, &[], &pull).unwrap();
    for at in 0..latents.len() {
        let h = 2e-3;
        let loss = |by: f64| {
            let mut moved = latents.clone();
            moved[at] += by;
            let rows = model.decode(&moved, &[]).unwrap();
            rows.iter().zip(&pull).map(|(x, g)| x * g).sum::<f64>()
        };
        let slope = (loss(h) - loss(-h)) / (2.0 * h);
        assert!((slope - d_latents[at]).abs() < 2e-2 * (1.0 + slope.abs()), "{at}: {slope} {}", d_latents[at]);
    }
}

#[test]
fn rows_come_back_and_samples_keep_to_what_the_columns_hold() {
    let model = model();
    let back = model.decode(&model.encode(&ROWS, &[]).unwrap(), &[]).unwrap();
    for (at, (a, b)) in ROWS.iter().zip(&back).enumerate() {
        assert!((a - b).abs() < 1e-3, "{at}: {a} {b}");
    }
    let (drawn, densities) = model.sample_and_log_prob(2000, 3, 1.0, &[]).unwrap();
    assert!(densities.iter().all(|density| density.is_finite()));
    let mut shared = 0;
    for row in drawn.chunks_exact(4) {
        assert!((-1.0..=4.0).contains(&row[0]) && row[1] > -1.0, "{row:?}");
        assert_eq!((row[2] + 1.0) / 2.0, ((row[2] + 1.0) / 2.0).round());
        shared += usize::from(row[3] == 0.0);
    }
    assert!((50..1900).contains(&shared), "{shared}");
    // The density beside a sample is that of scoring it, where no noise has part.
    let mut smooth = model.clone();
    smooth.standardization.columns[2] = ColumnTransform::default();
    smooth.standardization.columns[3] = ColumnTransform::default();
    let (drawn, densities) = smooth.sample_and_log_prob(200, 3, 1.0, &[]).unwrap();
    for (a, b) in smooth.log_prob(&drawn, &[]).unwrap().iter().zip(&densities) {
        assert!((a - b).abs() < 1e-2 * (1.0 + a.abs()), "{a} {b}");
    }
}

#[test]
fn the_density_of_one_column_sums_to_one() {
    let standardization = Standardization {
        mean: vec![0.4],
        std: vec![1.3],
        columns: vec![steps(vec![Step::Logit { low: 0.0, high: 2.0 }])],
        ..Standardization::default()
    };
    let facts = TrainingFacts::default();
    let model = Model { flow: moved(1), standardization, pictures: None, dequantizer: None, facts };
    let grid: Vec<f64> = (0..20_000).map(|i| (f64::from(i) + 0.5) * 1e-4).collect();
    let total: f64 = model.log_prob(&grid, &[]).unwrap().iter().map(|density| density.exp() * 1e-4).sum();
    assert!((total - 1.0).abs() < 5e-3, "{total}");
}

#[test]
fn a_file_keeps_transforms_and_runs_alike_without_the_framework() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.safetensors");
    let before = model();
    save(&before, &path).unwrap();
    let after = load(&path, &Device::default()).unwrap();
    assert_eq!(after.standardization, before.standardization);
    let alone = Alone::load(&path).unwrap();
    let mut densities = [0.0; 3];
    alone.log_prob(&ROWS, &[], &mut densities).unwrap();
    assert_eq!(after.log_prob(&ROWS, &[]).unwrap(), densities);
    let mut rows = vec![0.0; 400];
    alone.sample(5, 1.0, &[], &mut rows).unwrap();
    assert_eq!(after.sample(100, 5, 1.0, &[]).unwrap(), rows);
}

#[test]
fn a_value_that_a_transform_does_not_take_is_named() {
    let mut rows = ROWS;
    rows[5] = -1.5;
    let error = model().log_prob(&rows, &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "rows: row 2 column 2 is -1.5, not above -1, as its logarithm is modelled; drop such rows, or mend them"
    );
    rows[5] = 0.0;
    rows[10] = 2.0;
    let error = model().log_prob(&rows, &[]).unwrap_err().to_string();
    assert!(error.starts_with("rows: row 3 column 3 is 2, not on its grid of step 2 from -1"), "{error}");
}
