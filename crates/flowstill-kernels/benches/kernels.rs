//! Time the kernels on one thread, in floating-point operations or values per second, beside the plain matrix product that is the machine's measure.
//!
//! `cargo bench -p flowstill-kernels`; "items" are floating-point operations (a product and a sum are two) or, for maps, values.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use flowstill_kernels::dense::{End, Packed, Start, add_weight_gradient};
use flowstill_kernels::made::{Activation, Inverse, Layer};
use flowstill_kernels::optimiser::{Kind, Rule, update};
use flowstill_kernels::planes::map::widest;
use flowstill_kernels::univariate::{LogScale, Map};
use flowstill_kernels::windows;

/// Inputs, outputs and lanes of products that flows make.
const SHAPES: [[usize; 3]; 8] = [
    [6, 100, 256],
    [100, 100, 64],
    [100, 100, 256],
    [100, 12, 256],
    [54, 128, 256],
    [128, 128, 256],
    [512, 512, 16],
    [512, 512, 256],
];

fn main() {
    divan::main();
}

fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37) % 199) as f32 / 100.0 - 1.0).collect()
}

fn operations([inputs, outputs, lanes]: [usize; 3]) -> ItemsCount {
    ItemsCount::new(2 * inputs * outputs * lanes)
}

/// The measure: a matrix product of the `gemm` crate.
#[divan::bench(args = SHAPES)]
fn product(bencher: Bencher, shape: [usize; 3]) {
    let [inputs, outputs, lanes] = shape;
    let (w, x, mut out) = (noise(inputs * outputs), noise(inputs * lanes), noise(outputs * lanes));
    bencher.counter(operations(shape)).bench_local(|| {
        let (m, n, k) = (outputs, lanes, inputs);
        let (out, w, x) = (out.as_mut_ptr(), w.as_ptr(), black_box(&x).as_ptr());
        // SAFETY: row-major matrices of the lengths above.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                out,
                1,
                n as isize,
                false,
                w,
                1,
                k as isize,
                x,
                1,
                n as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    });
}

#[divan::bench(args = SHAPES)]
fn packed(bencher: Bencher, shape: [usize; 3]) {
    let [inputs, outputs, lanes] = shape;
    let (x, bias, mut out) = (noise(inputs * lanes), noise(outputs), noise(outputs * lanes));
    let mut packed = Packed::new(outputs, inputs, |_| 0..inputs);
    packed.fill(|n, k| (n + k) as f32 * 1e-4);
    bencher.counter(operations(shape)).bench_local(|| {
        packed.apply(black_box(&x), lanes, Start::Bias(&bias), End::Relu, &mut out);
    });
}

/// Of a masked net: only what is done counts.
#[divan::bench(args = SHAPES)]
fn packed_staircase(bencher: Bencher, shape: [usize; 3]) {
    let [inputs, outputs, lanes] = shape;
    let (x, mut out) = (noise(inputs * lanes), noise(outputs * lanes));
    let limit = |n: usize| (n + 1) * inputs / outputs;
    let mut packed = Packed::new(outputs, inputs, |n| 0..limit(n));
    packed.fill(|n, k| if k < limit(n) { (n + k) as f32 * 1e-4 } else { 0.0 });
    bencher.counter(ItemsCount::new(2 * packed.products() * lanes)).bench_local(|| {
        packed.apply(black_box(&x), lanes, Start::Zero, End::Relu, &mut out);
    });
}

#[divan::bench(args = SHAPES)]
fn weight_gradient(bencher: Bencher, shape: [usize; 3]) {
    let [inputs, outputs, lanes] = shape;
    let (g, x, mut sums) = (noise(outputs * lanes), noise(inputs * lanes), vec![0.0; inputs * outputs]);
    bencher.counter(operations(shape)).bench_local(|| {
        add_weight_gradient(black_box(&g), &x, lanes, |_| inputs, &mut sums);
    });
}

const MAPS: [Map; 3] = [
    Map::Affine(LogScale::Tanh(2.0)),
    Map::Spline { bins: 8, tail_bound: 3.0 },
    Map::Spline { bins: 16, tail_bound: 3.0 },
];
const LANES: usize = 256;

#[divan::bench(args = MAPS)]
fn map_forward(bencher: Bencher, map: &Map) {
    let (x, raw, mut z, mut slope) = (noise(LANES), noise(LANES * map.params()), noise(LANES), noise(LANES));
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| widest::forward(*map, black_box(&x), &raw, &mut z, &mut slope));
}

#[divan::bench(args = MAPS)]
fn map_inverse(bencher: Bencher, map: &Map) {
    let (x, raw, mut z, mut slope) = (noise(LANES), noise(LANES * map.params()), noise(LANES), noise(LANES));
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| widest::inverse(*map, black_box(&x), &raw, &mut z, &mut slope));
}

#[divan::bench(args = MAPS)]
fn map_backward(bencher: Bencher, map: &Map) {
    let (x, raw, g, mut g_x, mut g_raw) =
        (noise(LANES), noise(LANES * map.params()), noise(LANES), noise(LANES), noise(LANES * map.params()));
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| widest::backward(*map, black_box(&x), &raw, &g, &g, &mut g_x, &mut g_raw));
}

/// Rows of a MAF block inverted in one pass.
#[divan::bench(args = [[6, 100], [63, 100], [63, 512]])]
fn autoregressive_inverse(bencher: Bencher, [features, width]: [usize; 2]) {
    let degrees: Vec<usize> = (0..width).map(|unit| 1 + unit * (features - 1) / width).collect();
    let last: Vec<usize> = (0..2 * features).map(|output| output % features + 1).collect();
    let weights = [features * width, width * width, width * 2 * features]
        .map(|n| noise(n).into_iter().map(|w| w / width as f32).collect::<Vec<f32>>());
    let bias = noise(width.max(2 * features));
    let layers = [
        Layer { weight: &weights[0], bias: &bias[..width], degrees: &degrees },
        Layer { weight: &weights[1], bias: &bias[..width], degrees: &degrees },
        Layer { weight: &weights[2], bias: &bias[..2 * features], degrees: &last },
    ];
    let inverse = Inverse::new(features, &layers, false, Activation::Relu, MAPS[0]);
    let (lanes, z) = (64, noise(64 * features));
    let (mut x, mut slope) = (noise(64 * features), noise(64));
    bencher
        .counter(ItemsCount::new(lanes))
        .bench_local(|| inverse.run_planes(black_box(&z), None, lanes, &mut x, &mut slope));
}

/// Values of the windows of 32 planes of 16x16 positions.
#[divan::bench]
fn windows_gather(bencher: Bencher) {
    let (x, mut out) = (noise(32 * 256), noise(9 * 32 * 256));
    bencher
        .counter(ItemsCount::new(out.len()))
        .bench_local(|| windows::gather(black_box(&x), 256, [1, 16, 16], 256, &mut out));
}

/// Weights moved by Adam, with a running average; by all threads.
#[divan::bench(args = [10_000, 1_000_000])]
fn adam(bencher: Bencher, count: usize) {
    let rule = Rule {
        kind: Kind::Adam,
        rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        correction1: 0.1,
        correction2: 0.001,
        gradient_scale: 1.0,
    };
    let [before, mut w, mut first, mut second, mut ema] = [count; 5].map(noise);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| update(&rule, black_box(&before), &mut w, &mut first, &mut second, Some((&mut ema, 0.999))));
}
