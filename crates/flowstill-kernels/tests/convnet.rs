//! Hold the convolutional network and its gradients to three nested loops.

use flowstill_kernels::convnet::{Shape, Wanted, Weights, backward, forward, forward_keeping};
use flowstill_kernels::patches::{gather, scatter};
use proptest::prelude::*;

/// Numbers between -1 and 1 that follow from the seed.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A convolution of one sample at one position by its definition; `weight(k, l, input, output)`.
fn convolve(
    x: &[f32],
    [b, h, w, c]: [usize; 4],
    out: usize,
    weight: impl Fn(usize, usize, usize, usize) -> f64,
) -> Vec<f64> {
    let mut y = vec![0.0; b * h * w * out];
    for (at, y) in y.iter_mut().enumerate() {
        let (o, column, line, sample) = (at % out, at / out % w, at / out / w % h, at / out / w / h);
        for (k, l) in (0..9).map(|i| (i / 3, i % 3)) {
            let (Some(i), Some(j)) = ((line + k).checked_sub(1), (column + l).checked_sub(1)) else { continue };
            if i < h && j < w {
                let from = ((sample * h + i) * w + j) * c;
                *y += (0..c).map(|c| f64::from(x[from + c]) * weight(k, l, c, o)).sum::<f64>();
            }
        }
    }
    y
}

struct Case {
    shape: Shape,
    x: Vec<f32>,
    weights: [Vec<f32>; 6],
}

impl Case {
    fn new([batch, height, width, inputs, hidden, outputs]: [usize; 6], seed: u64) -> Self {
        let shape = Shape { batch, height, width, inputs, hidden, outputs };
        let lengths = [9 * inputs * hidden, hidden, hidden * hidden, hidden, hidden * 9 * outputs, outputs];
        let mut weights = [0, 1, 2, 3, 4, 5].map(|i| noise(lengths[i], seed + 2 + i as u64));
        for (weights, fan) in weights.iter_mut().zip([9 * inputs, 1, hidden, 1, 9 * hidden, 1]) {
            weights.iter_mut().for_each(|w| *w /= (fan as f32).sqrt());
        }
        Self { shape, x: noise(shape.positions() * inputs, seed), weights }
    }

    fn view(&self) -> Weights<'_> {
        let [first, first_bias, second, second_bias, last, last_bias] = &self.weights;
        Weights { first, first_bias, second, second_bias, last, last_bias }
    }

    /// By the definitions, in f64: both hidden layers and the output.
    fn plain(&self) -> [Vec<f64>; 3] {
        let Shape { batch, height, width, inputs, hidden, outputs } = self.shape;
        let [w1, b1, w2, b2, w3, b3] = &self.weights;
        let dims = |c| [batch, height, width, c];
        let relu = |v: f64| v.max(0.0);
        let h1 = convolve(&self.x, dims(inputs), hidden, |k, l, i, o| {
            f64::from(w1[((k * 3 + l) * inputs + i) * hidden + o])
        });
        let h1: Vec<f64> = h1.iter().enumerate().map(|(at, v)| relu(v + f64::from(b1[at % hidden]))).collect();
        let second = |at: usize| {
            let row = &h1[at / hidden * hidden..][..hidden];
            let sum = row.iter().enumerate().map(|(i, v)| v * f64::from(w2[i * hidden + at % hidden])).sum::<f64>();
            relu(sum + f64::from(b2[at % hidden]))
        };
        let h2: Vec<f64> = (0..h1.len()).map(second).collect();
        // The last window is turned round.
        let turned = |k: usize, l: usize, i: usize, o: usize| {
            f64::from(w3[i * 9 * outputs + ((2 - k) * 3 + 2 - l) * outputs + o])
        };
        let narrow: Vec<f32> = h2.iter().map(|v| *v as f32).collect();
        let y = convolve(&narrow, dims(hidden), outputs, turned);
        let y = y.iter().enumerate().map(|(at, v)| v + f64::from(b3[at % outputs])).collect();
        [h1, h2, y]
    }

    /// The gradients by the chain rule, layer by layer, with sums over everything: of `x`, then of the weights.
    fn plain_gradients(&self, gradient: &[f32]) -> Vec<Vec<f64>> {
        let Shape { height, width, inputs, hidden, outputs, .. } = self.shape;
        let positions = self.shape.positions();
        let [w1, _, w2, _, w3, _] = &self.weights;
        let [h1, h2, _] = self.plain();
        let (n1, n3) = (9 * inputs, 9 * outputs);
        let wide = gather(gradient, [height, width, outputs]);
        let patches = gather(&self.x, [height, width, inputs]);
        let product = |rows: usize, columns: usize, inner: usize, entry: &dyn Fn(usize, usize, usize) -> f64| {
            let entry = |at: usize| (0..inner).map(|l| entry(at / columns, at % columns, l)).sum::<f64>();
            (0..rows * columns).map(entry).collect::<Vec<f64>>()
        };
        let mask =
            |g: Vec<f64>, h: &[f64]| g.iter().zip(h).map(|(g, h)| if *h > 0.0 { *g } else { 0.0 }).collect::<Vec<_>>();
        let g2 = product(positions, hidden, n3, &|p, i, o| f64::from(wide[p * n3 + o]) * f64::from(w3[i * n3 + o]));
        let g2 = mask(g2, &h2);
        let g1 = mask(
            product(positions, hidden, hidden, &|p, i, o| g2[p * hidden + o] * f64::from(w2[i * hidden + o])),
            &h1,
        );
        let narrow = product(positions, n1, hidden, &|p, i, o| g1[p * hidden + o] * f64::from(w1[i * hidden + o]));
        let narrow: Vec<f32> = narrow.iter().map(|v| *v as f32).collect();
        let sums = |g: &dyn Fn(usize, usize) -> f64, width: usize| product(1, width, positions, &|_, c, p| g(p, c));
        vec![
            scatter(&narrow, [height, width, inputs]).iter().map(|v| f64::from(*v)).collect(),
            product(n1, hidden, positions, &|i, o, p| f64::from(patches[p * n1 + i]) * g1[p * hidden + o]),
            sums(&|p, c| g1[p * hidden + c], hidden),
            product(hidden, hidden, positions, &|i, o, p| h1[p * hidden + i] * g2[p * hidden + o]),
            sums(&|p, c| g2[p * hidden + c], hidden),
            product(hidden, n3, positions, &|i, o, p| h2[p * hidden + i] * f64::from(wide[p * n3 + o])),
            sums(&|p, c| f64::from(gradient[p * outputs + c]), outputs),
        ]
    }

    fn check(&self, seed: u64) {
        let (shape, weights) = (self.shape, self.view());
        let [_, _, expect] = self.plain();
        let (y, kept) = forward_keeping(&self.x, shape, &weights);
        close("output", &y, &expect, shape);
        assert_eq!(bits(&y), bits(&forward(&self.x, shape, &weights)), "keeping changes bits at {shape:?}");

        let gradient = noise(y.len(), seed + 50);
        let both = backward(&self.x, shape, &weights, &kept, &gradient, Wanted { x: true, weights: true });
        let expect = self.plain_gradients(&gradient);
        close("x", &both.x, &expect[0], shape);
        for (i, (ours, expect)) in both.weights.iter().zip(&expect[1..]).enumerate() {
            close(&format!("weights {i}"), ours, expect, shape);
        }
        let again = backward(&self.x, shape, &weights, &kept, &gradient, Wanted { x: true, weights: true });
        assert_eq!(both, again, "not deterministic at {shape:?}");
        let x = backward(&self.x, shape, &weights, &kept, &gradient, Wanted { x: true, weights: false });
        assert_eq!(x.x, both.x);
        assert!(x.weights.iter().all(Vec::is_empty));
        let weights = backward(&self.x, shape, &weights, &kept, &gradient, Wanted { x: false, weights: true });
        assert_eq!(weights.weights, both.weights);
        assert!(weights.x.is_empty());
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn close(what: &str, ours: &[f32], expect: &[f64], shape: Shape) {
    assert_eq!(ours.len(), expect.len(), "{what} of {shape:?}");
    let scale = expect.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    for (at, (a, b)) in ours.iter().zip(expect).enumerate() {
        assert!((f64::from(*a) - b).abs() < 1e-5 * scale, "{what} of {shape:?} at {at}: {a} and {b}");
    }
}

/// Run with a pool of a given size, so that both ways of cutting a batch are met on any machine.
fn with_threads(count: usize, run: impl FnOnce() + Send) {
    rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("a small pool").install(run);
}

#[test]
fn kernels_agree_with_loops_on_chosen_shapes() {
    let shapes = [
        [1, 1, 1, 1, 1, 1],
        [0, 4, 4, 3, 8, 2],
        [3, 1, 1, 1, 1, 1],
        [1, 16, 16, 6, 32, 12],
        [5, 8, 8, 2, 17, 3],
        [7, 4, 4, 24, 33, 5],
        [2, 3, 5, 1, 7, 2],
        [9, 1, 6, 4, 64, 1],
        [1, 7, 1, 5, 3, 9],
        // Wider than the cache: a sample is cut into bands.
        [2, 40, 20, 1, 130, 2],
        [33, 2, 2, 3, 16, 6],
    ];
    for threads in [1, 2, 5] {
        with_threads(threads, || {
            for (seed, shape) in shapes.into_iter().enumerate() {
                Case::new(shape, seed as u64 * 100).check(seed as u64);
            }
        });
    }
}

#[test]
fn nan_is_not_hidden_by_the_activation() {
    let mut case = Case::new([2, 3, 3, 2, 8, 2], 4);
    case.x[5] = f32::NAN;
    assert!(forward(&case.x, case.shape, &case.view()).iter().any(|v| v.is_nan()));
}

#[test]
fn a_sample_does_not_depend_on_its_neighbours_in_the_batch() {
    let case = Case::new([12, 8, 8, 3, 32, 6], 9);
    let whole = forward(&case.x, case.shape, &case.view());
    let event = case.x.len() / 12;
    let mut other = case.x.clone();
    other[event..].iter_mut().for_each(|v| *v = -*v);
    let changed = forward(&other, case.shape, &case.view());
    assert_eq!(bits(&whole[..whole.len() / 12]), bits(&changed[..whole.len() / 12]));
}

#[test]
#[should_panic(expected = "input of")]
fn a_wrong_length_is_refused() {
    let case = Case::new([2, 3, 3, 2, 8, 2], 4);
    forward(&case.x[1..], case.shape, &case.view());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn kernels_agree_with_loops(
        shape in [0usize..7, 1..9, 1..9, 1..6, 1..40, 1..6],
        threads in 1usize..5,
        seed in 0u64..1000,
    ) {
        with_threads(threads, || Case::new(shape, seed).check(seed));
    }
}
