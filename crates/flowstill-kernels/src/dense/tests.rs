//! Hold the packed product to plain sums.

use super::*;

fn noise(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + seed * 101) % 199) as f32 / 100.0 - 1.0).collect()
}

/// A staircase, a band, all, none.
fn spans(inputs: usize, outputs: usize) -> Vec<Box<dyn Fn(usize) -> std::ops::Range<usize>>> {
    vec![
        Box::new(move |_| 0..inputs),
        Box::new(move |n| 0..(n * inputs / outputs.max(1))),
        Box::new(move |n| (n * inputs / outputs.max(1))..inputs),
        Box::new(move |_| 0..0),
    ]
}

#[test]
fn products_agree_with_sums_for_every_start_end_and_span() {
    for (inputs, outputs, lanes) in [(1, 1, 16), (3, 7, 32), (20, 13, 48), (9, 6, 64), (0, 3, 16), (31, 50, 112)] {
        let (x, bias, before) = (noise(inputs * lanes, 1), noise(outputs, 2), noise(outputs * lanes, 3));
        let (weights, gate) = (noise(inputs * outputs, 4), noise(outputs * lanes, 5));
        for span in spans(inputs, outputs) {
            let weight = |n: usize, k: usize| if span(n).contains(&k) { weights[n * inputs + k] } else { 0.0 };
            let mut packed = Packed::new(outputs, inputs, &span);
            packed.fill(weight);
            let starts = [Start::Zero, Start::Bias(&bias), Start::Output, Start::OutputAndBias(&bias)];
            for start in starts {
                for end in [End::Plain, End::Relu, End::Gate(&gate)] {
                    let mut out = before.clone();
                    packed.apply(&x, lanes, start, end, &mut out);
                    for n in 0..outputs {
                        for l in 0..lanes {
                            let mut sum: f64 = match start {
                                Start::Zero => 0.0,
                                Start::Bias(_) => f64::from(bias[n]),
                                Start::Output => f64::from(before[n * lanes + l]),
                                Start::OutputAndBias(_) => f64::from(bias[n]) + f64::from(before[n * lanes + l]),
                            };
                            sum +=
                                (0..inputs).map(|k| f64::from(weight(n, k)) * f64::from(x[k * lanes + l])).sum::<f64>();
                            let expect = match end {
                                End::Plain => sum,
                                End::Relu => sum.max(0.0),
                                End::Gate(_) if gate[n * lanes + l] > 0.0 => sum,
                                End::Gate(_) => 0.0,
                            };
                            let got = f64::from(out[n * lanes + l]);
                            assert!((got - expect).abs() < 1e-5, "{inputs} {outputs} {lanes}: {got} {expect}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_lane_does_not_depend_on_how_many_there_are() {
    let (inputs, outputs) = (37, 29);
    let mut packed = Packed::new(outputs, inputs, |_| 0..inputs);
    let weights = noise(inputs * outputs, 1);
    packed.fill(|n, k| weights[n * inputs + k]);
    let value = |k: usize, l: usize| ((k * 31 + l * 17) % 97) as f32 / 50.0 - 1.0;
    let run = |lanes: usize| {
        let x: Vec<f32> = (0..inputs * lanes).map(|i| value(i / lanes, i % lanes)).collect();
        let mut out = vec![0.0; outputs * lanes];
        packed.apply(&x, lanes, Start::Zero, End::Plain, &mut out);
        out
    };
    let many = run(240);
    for lanes in [16, 32, 48, 80, 96] {
        let few = run(lanes);
        for n in 0..outputs {
            assert_eq!(few[n * lanes..][..lanes], many[n * 240..][..lanes]);
        }
    }
}

#[test]
fn nan_passes_through_relu() {
    let mut packed = Packed::new(1, 1, |_| 0..1);
    packed.fill(|_, _| 1.0);
    let mut out = vec![0.0; 16];
    packed.apply(&[f32::NAN; 16], 16, Start::Zero, End::Relu, &mut out);
    assert!(out.iter().all(|v| v.is_nan()));
}

#[test]
fn gradients_of_weights_are_sums_over_lanes_within_the_limit() {
    for (inputs, outputs, lanes) in
        [(1, 1, 16), (5, 130, 32), (100, 100, 64), (7, 3, 16), (13, 64, 48), (6, 17, 16), (2, 80, 80)]
    {
        let (g, x) = (noise(outputs * lanes, 1), noise(inputs * lanes, 2));
        let stairs = |n: usize| (n + 1) * inputs / outputs;
        for limit in [&stairs as &dyn Fn(usize) -> usize, &|_| inputs] {
            let mut sums = vec![1.0; inputs * outputs];
            add_weight_gradient(&g, &x, lanes, limit, &mut sums);
            for n in 0..outputs {
                for k in 0..limit(n) {
                    let dot = |l: usize| f64::from(g[n * lanes + l]) * f64::from(x[k * lanes + l]);
                    let expect = 1.0 + (0..lanes).map(dot).sum::<f64>();
                    assert!((f64::from(sums[k * outputs + n]) - expect).abs() < 1e-4);
                }
            }
        }
    }
}
