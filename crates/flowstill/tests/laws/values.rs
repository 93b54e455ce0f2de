//! Round trips, log-dets against independent Jacobians, number types, saving, initialising once.

use crate::common::*;
use crate::table::{for_every_case, table};
use burn::tensor::DType;
use flowstill::bijectors::{BijectorConfig, Build, Reordering};
use flowstill::random::stream;

#[test]
fn round_trips_return_with_the_same_log_det() {
    for_every_case(|case| {
        let (layer, batch) = (case.build(), case.batch(5));
        let (z, forward) = batch.run(layer.as_ref(), Way::Forward);
        let (x, inverse) = batch.with_values(z.clone()).run(layer.as_ref(), Way::Inverse);
        assert_close(&x, &batch.values, 1e-9, &format!("{case:?} x"));
        assert_close(&inverse, &forward, 1e-9, &format!("{case:?} log_det"));
        let (again, forward) = batch.with_values(x).run(layer.as_ref(), Way::Forward);
        assert_close(&again, &z, 1e-9, &format!("{case:?} z"));
        assert_close(&inverse, &forward, 1e-9, &format!("{case:?} log_det, second time"));
    });
}

#[test]
fn log_det_is_that_of_the_jacobian_in_both_directions() {
    for_every_case(|case| {
        let (layer, batch) = (case.build(), case.batch(2));
        let n = batch.event();
        let (z, log_det) = batch.run(layer.as_ref(), Way::Forward);
        let latents = batch.with_values(z);
        for (sample, &expected) in log_det.iter().enumerate() {
            let forward = log_abs_det(&batch.jacobian(layer.as_ref(), Way::Forward, sample), n);
            let inverse = log_abs_det(&latents.jacobian(layer.as_ref(), Way::Inverse, sample), n);
            assert_close(&[forward], &[expected], 2e-6, &format!("{case:?} forward"));
            assert_close(&[-inverse], &[expected], 2e-6, &format!("{case:?} inverse"));
        }
    });
}

#[test]
fn single_precision_agrees_with_double() {
    for_every_case(|case| {
        let (double, batch) = (case.build(), case.batch(6));
        let mut single = double.clone();
        cast(single.as_mut(), DType::F32);
        let (z, log_det) = batch.run(double.as_ref(), Way::Forward);
        let latents = batch.with_values(z.clone());
        let (z_single, log_det_single) = batch.run_as(single.as_ref(), Way::Forward, DType::F32);
        assert_close(&z_single, &z, 1e-4, &format!("{case:?} z"));
        assert_close(&log_det_single, &log_det, 1e-4, &format!("{case:?} log_det"));
        let (x_single, log_det_single) = latents.run_as(single.as_ref(), Way::Inverse, DType::F32);
        assert_close(&x_single, &batch.values, 2e-4, &format!("{case:?} x"));
        assert_close(&log_det_single, &log_det, 2e-4, &format!("{case:?} inverse log_det"));
    });
}

#[test]
fn tensors_restored_by_name_give_the_same_bits() {
    for_every_case(|case| {
        let (mut layer, batch) = (case.build(), case.batch(4));
        cast(layer.as_mut(), DType::F32);
        let file = saved(layer.as_ref());
        let names: std::collections::BTreeSet<&String> = file.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), file.len(), "{case:?}: names are unique");
        let mut fresh = layer
            .config()
            .expect("of the library")
            .build(&mut stream(99, "other", 1), &device())
            .expect("its own settings");
        for (name, param) in fresh.params_mut() {
            if let Some((_, values)) = file.iter().find(|(saved, _)| *saved == name) {
                param.set_values(values.clone());
            }
        }
        assert_eq!(saved(fresh.as_ref()), file);
        for way in Way::BOTH {
            let outputs = batch.run_as(layer.as_ref(), way, DType::F32);
            assert_eq!(batch.run_as(fresh.as_ref(), way, DType::F32), outputs, "{case:?} {way:?}");
        }
    });
}

#[test]
fn initialisation_happens_once_and_survives_saving() {
    for case in table() {
        let mut layer = case.config.build(&mut stream(1, "init", 0), &device()).expect("valid settings");
        let first = case.batch(16).tensors(DType::F32);
        layer.initialize(&first.0, first.1.as_ref());
        let once = saved(layer.as_ref());
        let mut second = case.batch(16);
        second.values.iter_mut().for_each(|v| *v = 0.5 * *v + 0.1);
        let second = second.tensors(DType::F32);
        layer.initialize(&second.0, second.1.as_ref());
        assert_eq!(saved(layer.as_ref()), once, "{case:?}: the second call changes nothing");
        let mut loaded = case.config.build(&mut stream(2, "init", 0), &device()).expect("valid settings");
        loaded.params_mut().into_iter().for_each(|(name, param)| {
            if let Some((_, values)) = once.iter().find(|(saved, _)| *saved == name) {
                param.set_values(values.clone());
            }
        });
        loaded.initialize(&second.0, second.1.as_ref());
        assert_eq!(saved(loaded.as_ref()), once, "{case:?}: a loaded layer does not initialise again");
    }
}

#[test]
fn initialisation_gives_mean_zero_and_variance_one() {
    for config in [BijectorConfig::ActNorm { channels: 3 }, BijectorConfig::BatchNorm { channels: 3 }] {
        let mut layer = config.build(&mut stream(1, "init", 0), &device()).expect("valid settings");
        let values: Vec<f64> = noise(64 * 2 * 3, "data", 3).iter().map(|v| 5.0 * v - 7.0).collect();
        let batch = Batch { values, shape: [64, 2, 1, 3], context: vec![], width: 0 };
        layer.initialize(&batch.tensors(DType::F32).0, None);
        cast(layer.as_mut(), DType::F64);
        let (z, _) = batch.run(layer.as_ref(), Way::Forward);
        for channel in 0..3 {
            let column: Vec<f64> = z.iter().skip(channel).step_by(3).copied().collect();
            let mean = column.iter().sum::<f64>() / 128.0;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 128.0;
            assert_close(&[mean, variance], &[0.0, 1.0], 1e-5, "moments");
        }
    }
}

#[test]
fn what_a_layer_says_of_its_order_is_what_it_does() {
    for_every_case(|case| {
        let layer = case.build();
        if let Reordering::Permuted(indices) = layer.reordering() {
            let jacobian = case.batch(1).jacobian(layer.as_ref(), Way::Forward, 0);
            let (n, c) = (case.batch(1).event(), case.channels);
            for i in 0..n {
                let from = i / c * c + indices[i % c];
                assert!(jacobian[i * n + from] != 0.0, "{case:?}: output {i} depends on input {from}");
            }
        }
    });
}
