//! Train a small two-layer perceptron to tell two classes apart, with its backward pass written out.

use rand::Rng;

use crate::product::{View, multiply_f32};

/// `logit(x) = w3 . relu(relu(x W1 + b1) W2 + b2) + b3`, all parameters in one vector for the optimiser's sake.
#[derive(Clone, Debug)]
pub(crate) struct Perceptron {
    inputs: usize,
    hidden: usize,
    /// `W1 | b1 | W2 | b2 | w3 | b3`, matrices row-major.
    pub parameters: Vec<f32>,
}

/// Activations of one batch, kept to be read backwards and to spare allocations.
#[derive(Default)]
pub(crate) struct Activations {
    first: Vec<f32>,
    second: Vec<f32>,
    pub logits: Vec<f32>,
    back: Vec<f32>,
}

/// The six parts of a parameter vector.
struct Parts<T> {
    w1: T,
    b1: T,
    w2: T,
    b2: T,
    w3: T,
    b3: T,
}

macro_rules! parts {
    ($name:ident, $slice:ty, $split:ident) => {
        fn $name(all: $slice, inputs: usize, hidden: usize) -> Parts<$slice> {
            let (w1, rest) = all.$split(inputs * hidden);
            let (b1, rest) = rest.$split(hidden);
            let (w2, rest) = rest.$split(hidden * hidden);
            let (b2, rest) = rest.$split(hidden);
            let (w3, b3) = rest.$split(hidden);
            Parts { w1, b1, w2, b2, w3, b3 }
        }
    };
}
parts!(parts, &[f32], split_at);
parts!(parts_mut, &mut [f32], split_at_mut);

impl Perceptron {
    /// Draws weights uniform in `+-sqrt(6 / fan_in)` (He et al. 2015), biases 0.
    pub fn new(inputs: usize, hidden: usize, rng: &mut impl Rng) -> Self {
        let mut parameters = vec![0.0; inputs * hidden + hidden * hidden + 3 * hidden + 1];
        let part = parts_mut(&mut parameters, inputs, hidden);
        for (weights, fan_in) in [(part.w1, inputs), (part.w2, hidden), (part.w3, hidden)] {
            let bound = (6.0 / fan_in as f32).sqrt();
            weights.iter_mut().for_each(|w| *w = rng.random_range(-bound..bound));
        }
        Self { inputs, hidden, parameters }
    }

    /// Fills `to.logits`, one per row of `x`.
    pub fn forward(&self, x: &[f32], to: &mut Activations) {
        let (c, h, rows) = (self.inputs, self.hidden, x.len() / self.inputs);
        let part = parts(&self.parameters, c, h);
        dense(View::new(x, rows, c), View::new(part.w1, c, h), part.b1, &mut to.first);
        to.first.iter_mut().for_each(|v| *v = v.max(0.0));
        dense(View::new(&to.first, rows, h), View::new(part.w2, h, h), part.b2, &mut to.second);
        to.second.iter_mut().for_each(|v| *v = v.max(0.0));
        dense(View::new(&to.second, rows, h), View::new(part.w3, h, 1), part.b3, &mut to.logits);
    }

    /// Writes the gradient of the mean cross-entropy `softplus(logit) - y logit` of the batch last sent forward.
    pub fn backward(&self, x: &[f32], y: &[f32], from: &mut Activations, gradient: &mut [f32]) {
        let (c, h, rows) = (self.inputs, self.hidden, y.len());
        let part = parts(&self.parameters, c, h);
        let to = parts_mut(gradient, c, h);
        // d loss / d logit, in place of the logit.
        from.logits.iter_mut().zip(y).for_each(|(l, y)| *l = (sigmoid(*l) - y) / rows as f32);
        let d3 = View::new(&from.logits, rows, 1);
        multiply_f32(1.0, View::new(&from.second, rows, h).t(), d3, 0.0, to.w3);
        column_sums(&from.logits, to.b3);
        from.back.resize(rows * h, 0.0);
        multiply_f32(1.0, d3, View::new(part.w3, h, 1).t(), 0.0, &mut from.back);
        gate(&mut from.back, &from.second);
        let d2 = View::new(&from.back, rows, h);
        multiply_f32(1.0, View::new(&from.first, rows, h).t(), d2, 0.0, to.w2);
        column_sums(&from.back, to.b2);
        // The second activations are spent; their room takes the next layer's back signal.
        multiply_f32(1.0, d2, View::new(part.w2, h, h).t(), 0.0, &mut from.second);
        gate(&mut from.second, &from.first);
        multiply_f32(1.0, View::new(x, rows, c).t(), View::new(&from.second, rows, h), 0.0, to.w1);
        column_sums(&from.second, to.b1);
    }
}

/// `out = x w + b`.
fn dense(x: View<'_, f32>, w: View<'_, f32>, bias: &[f32], out: &mut Vec<f32>) {
    out.clear();
    (0..x.rows()).for_each(|_| out.extend_from_slice(bias));
    multiply_f32(1.0, x, w, 1.0, out);
}

/// Lets a back signal pass only where the unit was on.
fn gate(back: &mut [f32], activation: &[f32]) {
    back.iter_mut().zip(activation).for_each(|(d, &a)| *d = if a > 0.0 { *d } else { 0.0 });
}

/// Sums the rows of a matrix as wide as `out`.
fn column_sums(matrix: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for row in matrix.chunks_exact(out.len()) {
        out.iter_mut().zip(row).for_each(|(s, v)| *s += v);
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Adam with bias correction (Kingma & Ba 2015, algorithm 1), decay decoupled (Loshchilov & Hutter 2019).
pub(crate) struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    step: i32,
}

impl Adam {
    pub fn new(count: usize) -> Self {
        Self { first: vec![0.0; count], second: vec![0.0; count], step: 0 }
    }

    pub fn update(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32, decay: f32) {
        const BETA1: f32 = 0.9;
        const BETA2: f32 = 0.999;
        self.step += 1;
        let (c1, c2) = (1.0 - BETA1.powi(self.step), 1.0 - BETA2.powi(self.step));
        let moments = self.first.iter_mut().zip(self.second.iter_mut());
        for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *m = BETA1 * *m + (1.0 - BETA1) * g;
            *v = BETA2 * *v + (1.0 - BETA2) * g * g;
            *p -= rate * (*m / c1 / ((*v / c2).sqrt() + 1e-8) + decay * *p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// The slow, obvious loss in double precision.
    fn loss(parameters: &[f64], c: usize, h: usize, x: &[f32], y: &[f32]) -> f64 {
        let (w1, rest) = parameters.split_at(c * h);
        let (b1, rest) = rest.split_at(h);
        let (w2, rest) = rest.split_at(h * h);
        let (b2, rest) = rest.split_at(h);
        let (w3, b3) = rest.split_at(h);
        let layer = |input: &[f64], w: &[f64], b: &[f64]| -> Vec<f64> {
            (0..h).map(|j| (b[j] + (0..input.len()).map(|i| input[i] * w[i * h + j]).sum::<f64>()).max(0.0)).collect()
        };
        let one = |(row, &y): (&[f32], &f32)| {
            let row: Vec<f64> = row.iter().map(|&v| v.into()).collect();
            let second = layer(&layer(&row, w1, b1), w2, b2);
            let logit = b3[0] + second.iter().zip(w3).map(|(a, w)| a * w).sum::<f64>();
            logit.exp().ln_1p() - f64::from(y) * logit
        };
        x.chunks_exact(c).zip(y).map(one).sum::<f64>() / y.len() as f64
    }

    #[test]
    fn gradient_equals_finite_differences() {
        let (c, h, rows) = (3, 7, 11);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut net = Perceptron::new(c, h, &mut rng);
        net.parameters.iter_mut().for_each(|p| *p += rng.random_range(-0.2..0.2));
        let x: Vec<f32> = (0..rows * c).map(|_| rng.random_range(-2.0..2.0)).collect();
        let y: Vec<f32> = (0..rows).map(|i| (i % 2) as f32).collect();
        let (mut activations, mut gradient) = (Activations::default(), vec![f32::NAN; net.parameters.len()]);
        net.forward(&x, &mut activations);
        net.backward(&x, &y, &mut activations, &mut gradient);
        let exact: Vec<f64> = net.parameters.iter().map(|&p| p.into()).collect();
        let mut largest = 0.0f64;
        for k in 0..exact.len() {
            let at = |step: f64| {
                let mut moved = exact.clone();
                moved[k] += step;
                loss(&moved, c, h, &x, &y)
            };
            let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
            largest = largest.max(slope.abs());
            assert!((slope - f64::from(gradient[k])).abs() < 2e-6, "parameter {k}: {slope} against {}", gradient[k]);
        }
        assert!(largest > 0.1, "a gradient of zeros would pass");
    }

    #[test]
    fn adam_walks_to_the_minimum() {
        let (mut p, mut adam) = ([3.0f32, -2.0], Adam::new(2));
        for _ in 0..2_000 {
            let gradient = [2.0 * (p[0] - 1.0), 20.0 * (p[1] - 0.5)];
            adam.update(&mut p, &gradient, 0.01, 0.0);
        }
        assert!((p[0] - 1.0).abs() < 1e-3 && (p[1] - 0.5).abs() < 1e-3, "{p:?}");
    }
}
