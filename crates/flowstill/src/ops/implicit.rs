//! Differentiate the inverse of an autoregressive map without a tape through its iterations.
//!
//! With `(z, l) = f(x; p)` (`l` the log-slopes, `p` the weights and the context) the inverse `x(z; p)` satisfies `f(x; p) = z`. Given the
//! gradients `g_x` and `g_l` of a loss with respect to `x` and `l`:
//!
//! ```text
//! g = g_x + (dl/dx)^T g_l      J^T v = g with J = dz/dx      grad z = v      grad p = -(dz/dp)^T v + (dl/dp)^T g_l
//! ```
//!
//! `J = diag(exp(l)) + A N` with `A = dz/draw`, one block per value, and `N = draw/dx` of the net, strictly triangular. So
//! `v <- (g - N^T A^T v) / exp(l)` is exact after as many rounds as there are channels, and stops once no bit changes. `A` and the linear
//! part of the net are computed once; a round is a few matrix products.

use super::custom::{supports, with_pullback};
use crate::bijectors::MaskedAutoregressive;
use crate::param::Parameters;
use burn::tensor::{Gradients, Tensor};

/// The inverse as one node of the tape: rows of `x` and of the log-slopes, as functions of `z`, the context and the weights.
///
/// `None` where custom nodes are not supported; the caller then records the iterations instead.
pub(crate) fn inverse(
    layer: &MaskedAutoregressive,
    z: Tensor<2>,
    context: Option<&Tensor<2>>,
) -> Option<(Tensor<2>, Tensor<2>)> {
    let [rows, channels] = z.dims();
    let inputs = tracked(flat(z.clone(), context));
    let weights = tracked(Tensor::cat(trainable(layer), 0));
    if !(supports(&inputs) && supports(&weights)) {
        return None;
    }
    let problem = Problem { layer: without_autodiff(layer), context: context.map(|c| c.clone().without_autodiff()) };
    let (x, log_slope) = problem.layer.solve_rows(z.without_autodiff(), problem.context.as_ref());
    let output =
        Tensor::cat(vec![x.clone().reshape([rows * channels]), log_slope.clone().reshape([rows * channels])], 0);
    let pullback =
        move |gradient: Tensor<1>| <[Tensor<1>; 2]>::from(problem.pullback(x.clone(), log_slope.clone(), gradient));
    let output = with_pullback([inputs, weights], output, pullback);
    let part =
        |index: usize| output.clone().narrow(0, index * rows * channels, rows * channels).reshape([rows, channels]);
    Some((part(0), part(1)))
}

fn flat(rows: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<1> {
    let [n, width] = rows.dims();
    let rows = rows.reshape([n * width]);
    match context {
        Some(context) => {
            let [n, width] = context.dims();
            Tensor::cat(vec![rows, context.clone().reshape([n * width])], 0)
        }
        None => rows,
    }
}

fn tracked(tensor: Tensor<1>) -> Tensor<1> {
    if tensor.is_autodiff() { tensor } else { tensor.autodiff() }
}

fn trainable(layer: &MaskedAutoregressive) -> Vec<Tensor<1>> {
    layer.params().iter().filter(|(_, param)| param.is_trainable()).map(|(_, param)| param.flat().clone()).collect()
}

fn without_autodiff(layer: &MaskedAutoregressive) -> MaskedAutoregressive {
    let mut copy = layer.clone();
    for (_, param) in copy.params_mut() {
        param.set(param.flat().clone().without_autodiff());
    }
    copy
}

struct Problem {
    layer: MaskedAutoregressive,
    context: Option<Tensor<2>>,
}

impl Problem {
    /// The gradients of the flat inputs and of the flat weights.
    fn pullback(&self, x: Tensor<2>, log_slope: Tensor<2>, gradient: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let [rows, channels] = x.dims();
        let part = |index: usize| {
            gradient.clone().narrow(0, index * rows * channels, rows * channels).reshape([rows, channels])
        };
        let (g_x, g_l) = (part(0), part(1));
        let v = self.solve(x.clone(), log_slope, g_x, g_l.clone());

        let mut layer = self.layer.clone();
        for (_, param) in layer.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
            param.set(param.flat().clone().autodiff().require_grad());
        }
        let context = self.context.clone().map(|context| context.autodiff().require_grad());
        let (z, l) = layer.forward_rows(x, context.as_ref());
        let grads = (l * g_l - z * v.clone()).sum().backward();
        let weights = trainable(&layer).into_iter().map(|leaf| gradient_of(&leaf, &grads));
        let weights = Tensor::cat(weights.collect(), 0);
        (flat(v, context.map(|leaf| gradient_of(&leaf, &grads)).as_ref()), weights)
    }

    /// The `v` of `J^T v = g_x + (dl/dx)^T g_l`.
    fn solve(&self, x: Tensor<2>, log_slope: Tensor<2>, g_x: Tensor<2>, g_l: Tensor<2>) -> Tensor<2> {
        let (net, transform) = (self.layer.net(), self.layer.transform());
        let shift = net.context_shift(self.context.as_ref());
        let (raw, linear) = net.linearize(x.clone(), shift.as_ref());
        let channels = x.dims()[1];
        let (x, raw) = (x.autodiff().require_grad(), raw.autodiff().require_grad());

        let (_, l) = transform.forward(x.clone(), raw.clone());
        let grads = tracked_sum(l * g_l).map(|sum| sum.backward());
        let through =
            |leaf: &Tensor<2>| grads.as_ref().map_or_else(|| zeros_like(leaf), |grads| gradient_of(leaf, grads));
        let g = g_x + through(&x) + linear.pull_back(through(&raw));

        // Every value has its own raw parameters, so the gradients of the plain sum are the entries of A.
        let (z, _) = transform.forward(x, raw.clone());
        let a = gradient_of(&raw, &z.sum().backward());
        let step = (-log_slope).exp();
        let mut v = g.clone() * step.clone();
        // The first guess settles the last channel, every round one more.
        for _ in 1..channels {
            let known = linear.pull_back(a.clone() * transform.spread(v.clone()));
            let next = (g.clone() - known) * step.clone();
            let settled = next.clone().equal(v).all().into_scalar::<bool>();
            v = next;
            if settled {
                break;
            }
        }
        v
    }
}

/// The sum, where it depends on anything at all: a volume-preserving map has constant slopes.
fn tracked_sum(terms: Tensor<2>) -> Option<Tensor<1>> {
    let sum = terms.sum();
    sum.is_tracked().then_some(sum)
}

fn zeros_like<const D: usize>(leaf: &Tensor<D>) -> Tensor<D> {
    leaf.clone().without_autodiff().zeros_like()
}

fn gradient_of<const D: usize>(leaf: &Tensor<D>, grads: &Gradients) -> Tensor<D> {
    leaf.grad(grads).unwrap_or_else(|| zeros_like(leaf))
}
