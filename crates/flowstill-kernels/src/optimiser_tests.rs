//! Hold optimiser steps to their formulas in f64.

use super::*;
use crate::planes::reference::Numbers;

const RULE: Rule = Rule {
    kind: Kind::Adam,
    rate: 0.05,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.1,
    correction1: 1.0,
    correction2: 1.0,
    gradient_scale: 1.0,
};

/// The recursions of Kingma and Ba written out for one scalar.
fn plain(rule: &Rule, start: f64, gradients: &[f64]) -> f64 {
    let (mut w, mut m, mut v) = (start, 0.0, 0.0_f64);
    for (t, g) in gradients.iter().enumerate() {
        let t = t as i32 + 1;
        let mut g = g * rule.gradient_scale;
        match rule.kind {
            Kind::AdamW => w -= rule.rate * rule.weight_decay * w,
            _ => g += rule.weight_decay * w,
        }
        m = rule.beta1 * m + (1.0 - rule.beta1) * g;
        let m_hat = m / (1.0 - rule.beta1.powi(t));
        if rule.kind == Kind::Adamax {
            v = (rule.beta2 * v).max(g.abs() + rule.epsilon);
            w -= rule.rate * m_hat / v;
        } else {
            v = rule.beta2 * v + (1.0 - rule.beta2) * g * g;
            w -= rule.rate * m_hat / ((v / (1.0 - rule.beta2.powi(t))).sqrt() + rule.epsilon);
        }
    }
    w
}

/// Some steps of `n` weights; all vectors at the end.
fn steps(kind: Kind, n: usize, gradient_scale: f64, gradients: &[f32]) -> [Vec<f32>; 4] {
    let mut weights = Numbers::new(1).many(n, 2.0);
    let (mut first, mut second, mut ema) = (vec![0.0; n], vec![0.0; n], weights.clone());
    for (t, gradient) in gradients.iter().enumerate() {
        let t = t as i32 + 1;
        let gradient: Vec<f32> = (0..n).map(|i| gradient * (1.0 + i as f32 / n as f32)).collect();
        let (correction1, correction2) = (1.0 - RULE.beta1.powi(t), 1.0 - RULE.beta2.powi(t));
        let rule = Rule { kind, correction1, correction2, gradient_scale, ..RULE };
        let before = std::mem::replace(&mut weights, gradient);
        update(&rule, &before, &mut weights, &mut first, &mut second, Some((&mut ema, 0.75)));
    }
    [weights, first, second, ema]
}

const GRADIENTS: [f32; 6] = [0.5, -0.25, 3.0, 1e-3, -2.0, 0.7];

#[test]
fn every_rule_follows_its_scalar_recursion() {
    for kind in [Kind::Adam, Kind::AdamW, Kind::Adamax] {
        for (n, scale) in [(1, 1.0), (37, 0.5), (CHUNK + 19, 1.0)] {
            let start = Numbers::new(1).many(n, 2.0);
            let [weights, ..] = steps(kind, n, scale, &GRADIENTS);
            for i in (0..n).step_by(n.div_ceil(50)) {
                let gradients = GRADIENTS.map(|g| f64::from(g * (1.0 + i as f32 / n as f32)));
                let want = plain(&Rule { kind, gradient_scale: scale, ..RULE }, f64::from(start[i]), &gradients);
                assert!((f64::from(weights[i]) - want).abs() < 1e-5, "{kind:?}: {} is not {want}", weights[i]);
            }
        }
    }
}

#[test]
fn averages_follow_the_new_weights() {
    let n = 37;
    let start = Numbers::new(1).many(n, 2.0);
    let [weights, _, _, ema] = steps(Kind::Adam, n, 1.0, &GRADIENTS[..1]);
    for i in 0..n {
        assert_eq!(ema[i], start[i] * 0.75 + weights[i] * 0.25);
    }
}

#[test]
fn averages_do_not_change_the_weights() {
    let n = 100;
    let gradient = Numbers::new(2).many(n, 1.0);
    let run = |averaged: bool| {
        let (mut w, mut m, mut v) = (gradient.clone(), vec![0.0; n], vec![0.0; n]);
        let mut ema = vec![0.0; n];
        update(&RULE, &[1.0; 100], &mut w, &mut m, &mut v, averaged.then_some((&mut ema[..], 0.9)));
        w
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn results_do_not_depend_on_threads_or_on_the_place_of_a_value() {
    let n = 5 * CHUNK + 333;
    let values = Numbers::new(4).many(n, 3.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (square_norm(&values).to_bits(), steps(Kind::Adam, n, 1.0, &GRADIENTS)))
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
    // The last value of a vector of 17 is computed alone, the same value before it sixteen at a time.
    let (mut w, mut m, mut v) = (vec![0.1; 17], vec![0.3; 17], vec![0.2; 17]);
    update(&RULE, &[0.7; 17], &mut w, &mut m, &mut v, None);
    assert!(w.iter().chain(&m).chain(&v).all(|value| [w[0], m[0], v[0]].contains(value)));
    assert_eq!((w[16], m[16], v[16]), (w[0], m[0], v[0]));
}

#[test]
fn the_norm_is_that_of_f64() {
    for n in [0, 1, 63, 64, 65, 4096, 4097, 100_003] {
        let values = Numbers::new(n as u64).many(n, 3.0);
        let want: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!((square_norm(&values) - want).abs() <= 1e-6 * want, "{n}");
    }
    assert!(square_norm(&[1.0, f32::NAN]).is_nan() && square_norm(&[1e30; 3]).is_infinite());
}

#[test]
fn a_nan_gradient_shows() {
    for kind in [Kind::Adam, Kind::AdamW, Kind::Adamax] {
        let (mut w, mut m, mut v) = (vec![0.5; 17], vec![0.0; 17], vec![0.0; 17]);
        (w[3], w[16]) = (f32::NAN, f32::NAN);
        update(&Rule { kind, ..RULE }, &[1.0; 17], &mut w, &mut m, &mut v, None);
        for values in [&w, &m, &v] {
            assert!((0..17).all(|i| values[i].is_nan() == (i == 3 || i == 16)), "{kind:?}: {values:?}");
        }
    }
}
