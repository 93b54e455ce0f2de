//! Add to every lane a bounded function of a few orthogonal directions, and solve for it on the way back.

use super::affine::add;
use super::dense::add_plane_sums;
use super::orthonormal::Orthonormal;
use super::sylvester_weights::Weights;
use super::{Layer, Purpose};
use crate::architecture::SylvesterLayerConfig as Config;
use crate::offsets::{Offsets, Slots, hull};
use crate::work::{Tape, Work};
use flowstill_kernels::activations::tanh_of;
use flowstill_kernels::dense::{End, Packed, Start, add_weight_gradient};
use flowstill_kernels::elementwise::{sum, widest};
use flowstill_kernels::planes::root::{add_log_slopes, tanh_of_root};
use std::ops::Range;

/// `z = x + Q R h`, `h = tanh(R~ Q^T x + bias + C^T context)`, of which the program keeps `A = R~ Q^T` and `B = Q R`.
///
/// All that the inverse has to solve lies in the directions of Q: `Q^T z = y + R tanh(R~ y + ...)`, an equation of one unknown after the other from the last to the
/// first. The Jacobian is `1 + B diag(1 - h^2) A`, and its transpose is undone by a triangular pass over M values.
#[derive(Debug)]
pub(crate) struct Sylvester {
    config: Config,
    at: Places,
    weights: Weights,
    /// From context and state to what goes into the tanh.
    inner: Packed,
    inner_back: Packed,
    still: Packed,
    still_back: Packed,
    outer: Packed,
    outer_back: Packed,
    /// `Q^T`, and `-B`.
    project: Packed,
    undo: Packed,
}

/// Where the stored tensors lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub vectors: usize,
    pub outer: usize,
    pub outer_diagonal: usize,
    pub inner: usize,
    pub inner_diagonal: usize,
    pub bias: usize,
    pub context: usize,
}

impl Sylvester {
    pub(crate) fn new(path: &str, config: &Config, offsets: &Offsets) -> Option<Self> {
        let find = |name: &str, length: usize| offsets.find(&format!("{path}.{name}"), length);
        let (channels, rank, context) = (config.channels, config.rank(), config.context);
        let at = Places {
            vectors: find("vectors", config.vectors() * channels)?,
            outer: find("outer", rank * rank)?,
            outer_diagonal: find("outer_diagonal", rank)?,
            inner: find("inner", rank * rank)?,
            inner_diagonal: find("inner_diagonal", rank)?,
            bias: find("bias", rank)?,
            context: if context > 0 { find("context", context * rank)? } else { 0 },
        };
        let packed = |outputs: usize, inputs: usize| Packed::new(outputs, inputs, |_| 0..inputs);
        Some(Self {
            at,
            weights: Weights::default(),
            inner: packed(rank, context + channels),
            inner_back: packed(channels, rank),
            still: packed(rank, context),
            still_back: packed(context, rank),
            outer: packed(channels, rank),
            outer_back: packed(rank, channels),
            project: packed(rank, channels),
            undo: packed(channels, rank),
            config: config.clone(),
        })
    }

    fn sizes(&self) -> [usize; 3] {
        [self.config.channels, self.config.rank(), self.config.context]
    }

    /// Planes of the block on the tape: context, state, h.
    fn block(&self) -> usize {
        self.config.context + self.config.channels + self.config.rank()
    }

    /// From `h` and the gradient of the log-determinants to that of what went into the tanh, and of the products of the diagonals.
    fn slopes_back(&self, h: &[f32], g_slopes: &[f32], to: &mut [f32], of_products: &mut [f32]) {
        let lanes = g_slopes.len();
        for (i, (h, to)) in h.chunks_exact(lanes).zip(to.chunks_exact_mut(lanes)).enumerate() {
            let d = self.weights.products[i];
            widest(|| {
                for ((h, g), to) in h.iter().zip(g_slopes).zip(to.iter_mut()) {
                    let rise = 1.0 - h * h;
                    *to = g * rise / (1.0 + d * rise);
                }
            });
            if let Some(of_product) = of_products.get_mut(i) {
                *of_product += sum(to);
            }
            widest(|| to.iter_mut().zip(h).for_each(|(to, h)| *to *= -2.0 * d * h));
        }
    }

    /// Add what the weights get of the gradients behind B and before the tanh, and what the context gets.
    fn add_up(&self, work: &mut Work, [g_z, g_pre]: [&[f32]; 2], block: &[f32], accumulators: &mut [f32]) {
        let ([channels, rank, context], lanes) = (self.sizes(), work.lanes());
        let (input, h) = block.split_at((context + channels) * lanes);
        if !accumulators.is_empty() {
            let (inner, rest) = accumulators.split_at_mut((context + channels) * rank);
            let (outer, rest) = rest.split_at_mut(rank * channels);
            add_weight_gradient(g_pre, input, lanes, |_| context + channels, inner);
            add_weight_gradient(g_z, h, lanes, |_| rank, outer);
            add_plane_sums(g_pre, lanes, &mut rest[..rank]);
        }
        if context > 0 && work.wants_context {
            let mut planes = work.take(context * lanes);
            self.still_back.apply(g_pre, lanes, Start::Zero, End::Plain, &mut planes);
            work.add_g_context(&planes);
            work.give(planes);
        }
    }

    /// The part of the accumulators for the products of the diagonals; nothing of nothing.
    fn of_products<'a>(&self, accumulators: &'a mut [f32]) -> &'a mut [f32] {
        let first = accumulators.len().saturating_sub(self.config.rank());
        &mut accumulators[first..]
    }
}

/// `to += factor * from`.
fn add_scaled(to: &mut [f32], factor: f32, from: &[f32]) {
    widest(|| to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from));
}

impl Layer for Sylvester {
    fn load(&mut self, values: &[f32], purpose: Purpose) {
        let [channels, rank, context] = self.sizes();
        self.weights = Weights::read(&self.config, self.at, values);
        let Weights { rows, a, b, .. } = &self.weights;
        let of_context = |i: usize, k: usize| values[self.at.context + k * rank + i];
        if purpose.forward {
            self.inner.fill(|i, k| match k.checked_sub(context) {
                None => of_context(i, k),
                Some(k) => a[i * channels + k],
            });
            self.outer.fill(|k, i| b[k * rank + i]);
        }
        if purpose.backward {
            self.inner_back.fill(|k, i| a[i * channels + k]);
            self.outer_back.fill(|i, k| b[k * rank + i]);
            self.still_back.fill(|k, i| of_context(i, k));
        }
        if purpose.inverse {
            self.project.fill(|i, k| rows[i * channels + k]);
            self.undo.fill(|k, i| -b[k * rank + i]);
            self.still.fill(of_context);
        }
    }

    fn forward(&self, work: &mut Work, tape: &mut Tape) {
        let ([channels, _, context], lanes) = (self.sizes(), work.lanes());
        let (input, h) = tape.push(self.block() * lanes).split_at_mut((context + channels) * lanes);
        let (still, state) = input.split_at_mut(context * lanes);
        work.spread_context(still);
        state.copy_from_slice(&work.state[..channels * lanes]);
        self.inner.apply(input, lanes, Start::Bias(&self.weights.bias), End::Plain, h);
        tanh_of(h);
        self.outer.apply(h, lanes, Start::Output, End::Plain, &mut work.state[..channels * lanes]);
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        let planes = h.chunks_exact(lanes).zip(&self.weights.products);
        planes.for_each(|(h, product)| add_log_slopes(*product, h, &mut slopes));
        work.add_log_det(&slopes);
        work.give(slopes);
    }

    fn inverse(&self, work: &mut Work, _tape: &mut Tape) {
        let ([channels, rank, context], lanes) = (self.sizes(), work.lanes());
        let [mut y, mut h] = [0, 1].map(|_| work.take(rank * lanes));
        self.project.apply(&work.state[..channels * lanes], lanes, Start::Zero, End::Plain, &mut y);
        h.chunks_exact_mut(lanes).zip(&self.weights.bias).for_each(|(h, bias)| h.fill(*bias));
        if context > 0 {
            let mut still = work.take(context * lanes);
            work.spread_context(&mut still);
            self.still.apply(&still, lanes, Start::Output, End::Plain, &mut h);
            work.give(still);
        }
        let mut slopes = work.take(lanes);
        slopes.fill(0.0);
        let Weights { outer, inner, products, .. } = &self.weights;
        for i in (0..rank).rev() {
            let (y, later_y) = y[i * lanes..].split_at_mut(lanes);
            let (h, later_h) = h[i * lanes..].split_at_mut(lanes);
            for (later, (y_of, h_of)) in later_y.chunks_exact(lanes).zip(later_h.chunks_exact(lanes)).enumerate() {
                let at = i * rank + i + 1 + later;
                add_scaled(y, -outer[at], h_of);
                add_scaled(h, inner[at], y_of);
            }
            // y_i + r tanh(u) is known, with u = r~ y_i + what is in h: so u + r r~ tanh(u) is known, and u gives y_i.
            add_scaled(h, inner[i * rank + i], y);
            tanh_of_root(products[i], h);
            add_scaled(y, -outer[i * rank + i], h);
            add_log_slopes(products[i], h, &mut slopes);
        }
        self.undo.apply(&h, lanes, Start::Output, End::Plain, &mut work.state[..channels * lanes]);
        work.add_log_det(&slopes);
        [y, h, slopes].into_iter().for_each(|values| work.give(values));
    }

    fn backward(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let ([channels, rank, context], lanes) = (self.sizes(), work.lanes());
        let block: &[f32] = tape.pop(self.block() * lanes);
        let h = &block[(context + channels) * lanes..];
        let mut gradient = std::mem::take(&mut work.gradient);
        let [mut g_pre, mut g_h] = [0, 1].map(|_| work.take(rank * lanes));
        let mut g_slopes = work.take(lanes);
        work.spread_g_log_det(&mut g_slopes);
        self.slopes_back(h, &g_slopes, &mut g_pre, self.of_products(accumulators));
        self.outer_back.apply(&gradient[..channels * lanes], lanes, Start::Zero, End::Plain, &mut g_h);
        widest(|| g_pre.iter_mut().zip(&g_h).zip(h).for_each(|((to, g), h)| *to += g * (1.0 - h * h)));
        self.add_up(work, [&gradient[..channels * lanes], &g_pre], block, accumulators);
        self.inner_back.apply(&g_pre, lanes, Start::Output, End::Plain, &mut gradient[..channels * lanes]);
        work.gradient = gradient;
        [g_pre, g_h, g_slopes].into_iter().for_each(|values| work.give(values));
    }

    fn backward_inverse(&self, work: &mut Work, tape: &mut Tape, accumulators: &mut [f32]) {
        let ([channels, rank, context], lanes) = (self.sizes(), work.lanes());
        let size = channels * lanes;
        let block: &[f32] = tape.pop(self.block() * lanes);
        let h = &block[(context + channels) * lanes..];
        let mut gradient = std::mem::take(&mut work.gradient);
        let [mut g_pre, mut p] = [0, 1].map(|_| work.take(rank * lanes));
        let mut g_slopes = work.take(lanes);
        work.spread_g_log_det(&mut g_slopes);
        self.slopes_back(h, &g_slopes, &mut g_pre, self.of_products(accumulators));
        self.inner_back.apply(&g_pre, lanes, Start::Output, End::Plain, &mut gradient[..size]);
        // v = J^-T w is w - A^T q with q = diag(1 - h^2) B^T v, and (1 + (R~ R)^T diag(1 - h^2)) B^T v = B^T w is lower triangular. The planes of p become -q.
        self.outer_back.apply(&gradient[..size], lanes, Start::Zero, End::Plain, &mut p);
        let Weights { both, products, .. } = &self.weights;
        for i in 0..rank {
            let (earlier, p) = p[..(i + 1) * lanes].split_at_mut(i * lanes);
            earlier.chunks_exact(lanes).enumerate().for_each(|(j, q)| add_scaled(p, both[j * rank + i], q));
            let (h, d) = (&h[i * lanes..][..lanes], products[i]);
            widest(|| {
                for (p, h) in p.iter_mut().zip(h) {
                    let rise = 1.0 - h * h;
                    *p *= -rise / (1.0 + d * rise);
                }
            });
        }
        self.inner_back.apply(&p, lanes, Start::Output, End::Plain, &mut gradient[..size]);
        add(&mut g_pre, &p);
        let mut negative = work.take(size);
        negative.iter_mut().zip(&gradient).for_each(|(to, from)| *to = -from);
        self.add_up(work, [&negative, &g_pre], block, accumulators);
        work.gradient = gradient;
        [g_pre, p, g_slopes, negative].into_iter().for_each(|values| work.give(values));
    }

    fn accumulators(&self) -> usize {
        let [channels, rank, context] = self.sizes();
        rank * (context + 2 * channels + 2)
    }

    fn home(&self) -> Range<usize> {
        let ([channels, rank, context], at) = (self.sizes(), self.at);
        let own = |at: usize, length: usize| at..at + length;
        let squares = [own(at.outer, rank * rank), own(at.inner, rank * rank)];
        let rows = [at.outer_diagonal, at.inner_diagonal, at.bias].map(|at| own(at, rank));
        let vectors = own(at.vectors, self.config.vectors() * channels);
        let of_context = (context > 0).then(|| own(at.context, context * rank));
        hull(squares.into_iter().chain(rows).chain([vectors]).chain(of_context))
    }

    fn finish(&self, values: &[f32], accumulators: &[f32], gradient: &mut Slots<'_>) {
        let vectors = &values[self.at.vectors..][..self.config.vectors() * self.config.channels];
        let made = Orthonormal::new(self.config.basis, vectors, self.config.channels);
        Weights::finish(&self.config, self.at, values, &made, accumulators, gradient);
    }

    fn planes(&self) -> usize {
        self.block()
    }
}
