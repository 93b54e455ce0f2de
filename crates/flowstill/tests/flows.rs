//! Hold whole flows to probability itself: densities integrate to one, samples follow them, shapes that do not fit are refused.

use flowstill::base::{Base, BaseConfig, Noise, OUTSIDE};
use flowstill::burn::tensor::{DType, Device, Tensor, TensorData};
use flowstill::flows::{Architecture, Flow, FlowConfig, Latents};
use flowstill::{Error, Parameters, random, to_f64};

/// Named flows whose densities were moved well away from their start.
fn moved(json: &str, columns: usize, context: usize) -> Flow {
    let config: FlowConfig = serde_json::from_str(json).expect("valid");
    let mut flow =
        Flow::new(&config.assemble(columns, context, 1).expect("valid"), 1, &Device::default()).expect("valid");
    let mut rng = random::stream(2, "move", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.2 * noise).collect());
    }
    flow
}

const FLOWS: [&str; 9] = [
    r#"{"kind":"glow","steps":3,"hidden":8,"layers":3}"#,
    r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"lu":false,"transform":{"kind":"rational_quadratic","bins":5}}"#,
    r#"{"kind":"realnvp","steps":4,"hidden":[8],"base":{"kind":"diagonal_normal"}}"#,
    r#"{"kind":"realnvp","steps":2,"hidden":[8],"transform":{"kind":"affine","scale":{"kind":"softsign","bound":2.0}}}"#,
    r#"{"kind":"maf","blocks":3,"hidden":[8,8],"norm":"batch","base":{"kind":"mixture","components":3}}"#,
    r#"{"kind":"maf","blocks":2,"hidden":[8],"transform":{"kind":"affine","scale":{"kind":"sigmoid","floor":0.001}}}"#,
    r#"{"kind":"iaf","blocks":2,"hidden":[8]}"#,
    r#"{"kind":"nsf","steps":2,"hidden":8,"bins":5}"#,
    r#"{"kind":"nsf","form":"autoregressive","steps":2,"hidden":8,"bins":5}"#,
];

fn rows(values: Vec<f32>, columns: usize) -> Tensor<4> {
    let count = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [count, 1, 1, columns]), &Device::default())
}

/// The integral of a density over a square, by the midpoint rule.
fn integral_2d(density: impl Fn(Tensor<4>) -> Vec<f64>, half: f64, cells: usize) -> f64 {
    let step = 2.0 * half / cells as f64;
    let at = |i: usize| (-half + (i as f64 + 0.5) * step) as f32;
    let grid = (0..cells * cells).flat_map(|k| [at(k / cells), at(k % cells)]).collect();
    density(rows(grid, 2)).iter().map(|log| log.exp()).sum::<f64>() * step * step
}

#[test]
fn every_density_integrates_to_one() {
    for json in FLOWS {
        let flow = moved(json, 2, 0);
        let total = integral_2d(|x| to_f64(flow.log_prob(x, None).expect("fits")), 16.0, 400);
        assert!((total - 1.0).abs() < 0.01, "{json}: {total}");
    }
}

#[test]
fn a_conditional_density_integrates_to_one_for_every_context() {
    for json in FLOWS {
        let flow = moved(json, 2, 3);
        for value in [-1.0_f32, 0.5] {
            let density = |x: Tensor<4>| {
                let context = Tensor::<2>::full([x.dims()[0], 3], value, &Device::default());
                to_f64(flow.log_prob(x, Some(&context)).expect("fits"))
            };
            let total = integral_2d(density, 32.0, 480);
            assert!((total - 1.0).abs() < 0.01, "{json} at {value}: {total}");
        }
    }
}

#[test]
fn every_base_integrates_to_one_and_its_samples_have_its_mean() {
    for config in [
        BaseConfig::StandardNormal,
        BaseConfig::DiagonalNormal,
        BaseConfig::Mixture { components: 4 },
        BaseConfig::Uniform { low: -1.5, high: 2.0 },
    ] {
        let mut rng = random::stream(3, "base", 0);
        let mut base = Base::new(&config, [1, 1, 2], &mut rng, &Device::default()).expect("valid");
        for (_, param) in base.params_mut() {
            let values = random::normals(param.len(), &mut rng).iter().map(|v| 0.5 * v).collect();
            param.set_values(values);
        }
        // 7 x 160 cells, so that the ends of the uniform base fall on cell borders.
        let density = |x: Tensor<4>| to_f64(base.log_prob(&x));
        assert!((integral_2d(density, 7.0, 560) - 1.0).abs() < 0.005, "{config:?}");
        let noise = Noise::draw(20_000, &[[1, 1, 2]], &mut rng, &Device::default());
        let drawn = base.shape_noise(&noise.normal[0], &noise.uniform, 1.0);
        let cells = 560;
        let step = 14.0 / f64::from(cells);
        let at = |i: i32| (-7.0 + (f64::from(i) + 0.5) * step) as f32;
        let grid: Vec<f32> = (0..cells * cells).flat_map(|k| [at(k / cells), at(k % cells)]).collect();
        let weights = to_f64(base.log_prob(&rows(grid.clone(), 2)));
        let drawn = to_f64(drawn);
        for column in 0..2 {
            let want: f64 =
                weights.iter().zip(grid.chunks(2)).map(|(w, x)| w.exp() * f64::from(x[column]) * step * step).sum();
            let got = drawn.iter().skip(column).step_by(2).sum::<f64>() / 20_000.0;
            assert!((got - want).abs() < 0.05, "{config:?} column {column}: {got} is not {want}");
        }
    }
}

#[test]
fn samples_weighed_by_their_density_measure_the_volume_of_a_ball() {
    for json in FLOWS {
        let flow = moved(json, 3, 0);
        let mut rng = random::stream(4, "ball", 0);
        let (x, log_prob) = flow.sample_and_log_prob(60_000, 1.0, None, &mut rng).expect("samples");
        let again = to_f64(flow.log_prob(x.clone(), None).expect("fits"));
        let (x, log_prob) = (to_f64(x), to_f64(log_prob));
        for (a, b) in log_prob.iter().zip(&again) {
            assert!((a - b).abs() < 2e-2 * (1.0 + b.abs()), "{json}: {a} when drawn, {b} when scored");
        }
        // A ball about the median sample, so that every flow fills it well.
        let mut centre = [0.0; 3];
        for (column, centre) in centre.iter_mut().enumerate() {
            let mut values: Vec<f64> = x.iter().skip(column).step_by(3).copied().collect();
            values.sort_by(f64::total_cmp);
            *centre = values[values.len() / 2];
        }
        let radius = 0.7;
        let weights: Vec<f64> = x
            .chunks(3)
            .zip(&log_prob)
            .map(|(x, log)| {
                let inside = x.iter().zip(centre).map(|(a, b)| (a - b).powi(2)).sum::<f64>() < radius * radius;
                if inside { (-log).exp() } else { 0.0 }
            })
            .collect();
        let n = weights.len() as f64;
        let mean = weights.iter().sum::<f64>() / n;
        let error = (weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / n / n).sqrt();
        let want = 4.0 / 3.0 * std::f64::consts::PI * f64::powi(radius, 3);
        assert!(error < 0.1 * want, "{json}: too few samples in the ball, {error}");
        assert!((mean - want).abs() < 5.0 * error, "{json}: {mean} ± {error} is not {want}");
    }
}

#[test]
fn a_trace_ends_where_the_latents_begin() {
    for json in FLOWS {
        let flow = moved(json, 4, 0);
        let x = random::normal_tensor([16, 1, 1, 4], &mut random::stream(5, "trace", 0), &Device::default());
        let (latents, log_det, trace) = flow.forward_traced(x.clone(), None).expect("fits");
        let (plain, same) = flow.forward(x.clone(), None).expect("fits");
        assert_eq!(trace.flat().len(), flow.architecture().steps());
        let last = trace.flat().pop().cloned().expect("steps");
        assert_eq!(to_f64(last), to_f64(latents.levels[0].clone()));
        assert_eq!(to_f64(plain.levels[0].clone()), to_f64(latents.levels[0].clone()));
        assert_eq!(to_f64(same), to_f64(log_det.clone()));
        let (back, inverse_log_det) = flow.inverse(&latents, None).expect("fits");
        let close = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 2e-3 * (1.0 + b.abs()));
        assert!(close(to_f64(back), to_f64(x)), "{json}");
        assert!(close(to_f64(inverse_log_det), to_f64(log_det)), "{json}");
    }
}

#[test]
fn rows_far_out_have_finite_densities() {
    for json in FLOWS {
        let flow = moved(json, 3, 0);
        let x = rows(vec![1e30, 0.0, 0.0, -1e30, 1e30, 1e-40, 0.1, 0.2, 0.3, 3.0, -3.0, 3.0], 3);
        let densities = to_f64(flow.log_prob(x.clone(), None).expect("fits"));
        // Where squares would overflow f32 the latents stop at 1e15, in f64 as well.
        let exact = flow.clone().composed().cast(DType::F64);
        let wanted = to_f64(exact.log_prob(x.clone().cast(DType::F64), None).expect("fits"));
        for (row, (got, want)) in densities.iter().zip(&wanted).enumerate() {
            assert!((got - want).abs() <= 1e-3 * (1.0 + want.abs()), "{json}, row {row}: {got:e} is not {want:e}");
        }
        assert!(densities[..2].iter().all(|value| value.is_finite() && *value < -1e20), "{json}: {densities:?}");
        // A row's density does not depend on its neighbours.
        let alone = to_f64(flow.log_prob(x.narrow(0, 2, 1), None).expect("fits"))[0];
        assert!((alone - densities[2]).abs() < 1e-4, "{json}: {alone} alone, {} beside others", densities[2]);
    }
    let base = Base::new(
        &BaseConfig::Uniform { low: 0.0, high: 1.0 },
        [1, 1, 1],
        &mut random::stream(1, "b", 0),
        &Device::default(),
    );
    assert_eq!(to_f64(base.expect("valid").log_prob(&rows(vec![2.0], 1)))[0], f64::from(OUTSIDE as f32));
}

#[test]
fn the_same_seed_draws_the_same_samples_and_another_seed_others() {
    let flow = moved(FLOWS[0], 3, 0);
    let draw = |seed| to_f64(flow.sample(50, 1.0, None, &mut random::stream(seed, "sample", 0)).expect("samples"));
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn shapes_and_settings_that_do_not_fit_are_refused_in_one_line() {
    let flow = moved(FLOWS[0], 3, 0);
    let device = Device::default();
    let x = |columns| Tensor::<4>::zeros([2, 1, 1, columns], &device);
    let context = Tensor::<2>::zeros([2, 1], &device);
    let refused: Vec<Error> = vec![
        flow.log_prob(x(4), None).map(|_| ()).expect_err("4 columns"),
        flow.log_prob(x(3), Some(&context)).map(|_| ()).expect_err("no context wanted"),
        flow.inverse(&Latents { levels: vec![] }, None).map(|_| ()).expect_err("no latents"),
        moved(FLOWS[0], 3, 2).log_prob(x(3), None).map(|_| ()).expect_err("context wanted"),
        moved(FLOWS[0], 3, 2).log_prob(x(3), Some(&context)).map(|_| ()).expect_err("2 context columns wanted"),
    ];
    let settings = [
        r#"{"kind":"glow","steps":0}"#,
        r#"{"kind":"maf","hidden":[0]}"#,
        r#"{"kind":"nsf","bins":1}"#,
        r#"{"kind":"nsf","tail_bound":-1.0}"#,
        r#"{"kind":"maf","base":{"kind":"mixture","components":0}}"#,
        r#"{"kind":"realnvp","base":{"kind":"uniform","low":1.0,"high":1.0}}"#,
        r#"{"kind":"glow","transform":{"kind":"affine","scale":{"kind":"tanh","bound":0.0}}}"#,
    ];
    let build = |json: &str, columns| {
        let config: FlowConfig = serde_json::from_str(json).expect("parses");
        config
            .assemble(columns, 0, 1)
            .and_then(|architecture| Flow::new(&architecture, 1, &Device::default()))
            .map(|_| ())
    };
    let refused = refused.into_iter().chain(settings.iter().map(|json| build(json, 3).expect_err(json)));
    let refused = refused.chain([build(FLOWS[0], 1).expect_err("a coupling over one column")]);
    for error in refused {
        let line = error.to_string();
        assert!(!line.contains('\n') && error.is_input(), "{line}");
    }
    // One column is enough for an autoregressive flow.
    assert!(build(FLOWS[4], 1).is_ok());
    let wrong =
        Architecture::table(3, 0, moved(FLOWS[0], 4, 0).architecture().levels[0].clone(), BaseConfig::StandardNormal);
    assert!(Flow::new(&wrong, 1, &device).is_err_and(|error| error.to_string().contains("3 channels")));
}
