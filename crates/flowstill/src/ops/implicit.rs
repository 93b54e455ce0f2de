//! Differentiate the inverse of an autoregressive map without a tape through its iterations.
//!
//! With `(z, l) = f(x; p)` (`l` the log-slopes, `p` the weights and the context) the inverse `x(z; p)` satisfies `f(x; p) = z`. Given the
//! gradients `g_x` and `g_l` of a loss with respect to `x` and `l`:
//!
//! ```text
//! g = g_x + (dl/dx)^T g_l      J^T v = g with J = dz/dx      grad z = v      grad p = -(dz/dp)^T v + (dl/dp)^T g_l
//! ```
//!
//! `J` is triangular with the slopes `exp(l)` on its diagonal, so `v <- v + (g - J^T v) / exp(l)` is exact after as many rounds as there
//! are channels, and stops once nothing changes.

use super::custom::{supports, with_pullback};
use crate::bijectors::MaskedAutoregressive;
use crate::param::Parameters;
use burn::tensor::Tensor;

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
    let (x, log_slope) = problem.layer.fixed_point_rows(z.without_autodiff(), problem.context.as_ref());
    let output =
        Tensor::cat(vec![x.clone().reshape([rows * channels]), log_slope.clone().reshape([rows * channels])], 0);
    let pullback = move |gradient: Tensor<1>| problem.pullback(x.clone(), log_slope.clone(), gradient);
    let output = with_pullback(inputs, weights, output, pullback);
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
        let g = g_x + self.transposed(&x, None, Some(&g_l));
        let step = (-log_slope).exp();
        let mut v = g.clone() * step.clone();
        // The first guess settles the last channel, every round one more.
        for _ in 1..channels {
            let residual = g.clone() - self.transposed(&x, Some(&v), None);
            let next = v.clone() + residual * step.clone();
            let settled = next.clone().equal(v).all().into_scalar::<bool>();
            v = next;
            if settled {
                break;
            }
        }
        let mut layer = self.layer.clone();
        for (_, param) in layer.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
            param.set(param.flat().clone().autodiff().require_grad());
        }
        let context = self.context.clone().map(|context| context.autodiff().require_grad());
        let (z, l) = layer.forward_rows(x, context.as_ref());
        let grads = (l * g_l - z * v.clone()).sum().backward();
        let weights = trainable(&layer)
            .into_iter()
            .map(|leaf| leaf.grad(&grads).unwrap_or_else(|| leaf.without_autodiff().zeros_like()));
        let weights = Tensor::cat(weights.collect(), 0);
        let context = context.map(|leaf| leaf.grad(&grads).unwrap_or_else(|| leaf.without_autodiff().zeros_like()));
        (flat(v, context.as_ref()), weights)
    }

    /// `(dz/dx)^T v + (dl/dx)^T w`.
    fn transposed(&self, x: &Tensor<2>, v: Option<&Tensor<2>>, w: Option<&Tensor<2>>) -> Tensor<2> {
        let x = x.clone().autodiff().require_grad();
        let (z, l) = self.layer.forward_rows(x.clone(), self.context.as_ref());
        let terms = [v.map(|v| z * v.clone()), w.map(|w| l * w.clone())].into_iter().flatten();
        let sum = terms.reduce(|a, b| a + b);
        let gradient = sum.filter(|sum| sum.is_tracked()).and_then(|sum| x.grad(&sum.sum().backward()));
        gradient.unwrap_or_else(|| x.without_autodiff().zeros_like())
    }
}
