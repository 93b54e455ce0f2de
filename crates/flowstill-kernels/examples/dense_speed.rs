//! Report the rate of the packed product and of the gradient of its weights, on one thread, beside a plain matrix product.

use flowstill_kernels::dense::{End, Packed, Start, add_weight_gradient};
use flowstill_kernels::product::{Matrix, multiply};
use std::time::Instant;

/// The best of some runs, in GFLOP/s.
fn rate(flops: f64, mut run: impl FnMut()) -> f64 {
    let repeat = (2e8 / flops).ceil() as usize;
    let mut best = 0.0f64;
    for _ in 0..20 {
        let begun = Instant::now();
        (0..repeat).for_each(|_| run());
        best = best.max(flops * repeat as f64 / begun.elapsed().as_secs_f64() / 1e9);
    }
    best
}

fn main() {
    println!("inputs outputs lanes | packed  staircase(counted)  gradient | plain");
    for (inputs, outputs, lanes) in [
        (6, 100, 256),
        (100, 100, 64),
        (100, 100, 256),
        (100, 12, 256),
        (128, 128, 256),
        (54, 128, 256),
        (512, 512, 256),
        (512, 512, 64),
        (512, 512, 16),
    ] {
        let x = vec![0.5; inputs * lanes];
        let mut out = vec![0.0; outputs * lanes];
        let flops = 2.0 * (inputs * outputs * lanes) as f64;
        let mut full = Packed::new(outputs, inputs, |_| 0..inputs);
        full.fill(|n, k| (n + k) as f32 * 1e-4);
        let packed = rate(flops, || full.apply(&x, lanes, Start::Zero, End::Relu, &mut out));
        let stairs = |n: usize| (n + 1) * inputs / outputs;
        let mut half = Packed::new(outputs, inputs, |n| 0..stairs(n));
        half.fill(|n, k| if k < stairs(n) { (n + k) as f32 * 1e-4 } else { 0.0 });
        let staircase =
            rate(2.0 * (half.products() * lanes) as f64, || half.apply(&x, lanes, Start::Zero, End::Relu, &mut out));
        let mut sums = vec![0.0; inputs * outputs];
        let gradient = rate(flops, || add_weight_gradient(&out, &x, lanes, |_| inputs, &mut sums));
        let weights = vec![0.1; inputs * outputs];
        let plain =
            rate(flops, || multiply(Matrix::new(&weights, outputs, inputs), Matrix::new(&x, inputs, lanes), &mut out));
        println!("{inputs:6} {outputs:7} {lanes:5} | {packed:6.1} {staircase:6.1} {gradient:6.1} | {plain:6.1}");
    }
}
