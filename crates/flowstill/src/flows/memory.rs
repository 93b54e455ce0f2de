//! Trade arithmetic for memory in training: keep every activation, the states between steps, or the latents alone.
//!
//! Under [`Memory::Recompute`] a step, under [`Memory::Invert`] a whole flow is one node of the tape. Its backward pass rebuilds what it needs,
//! one step at a time, and differentiates that step by a small tape of its own; so the gradients are those of [`Memory::Store`], up to the
//! rounding of the inverse.

use super::flow::{Flow, Level};
use crate::bijectors::{Bijector, Context, Split};
use crate::ops::custom::{supports, with_pullback};
use crate::param::{Param, Parameters};
use burn::tensor::{Gradients, Tensor};
use serde::{Deserialize, Serialize};

/// What a training keeps between the forward and the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// All activations: the fastest.
    #[default]
    Store,
    /// The states between the steps; the inside of each step is computed again. About a third more arithmetic.
    Recompute,
    /// The latents; states are rebuilt by inversion, so that memory does not grow with the number of steps. Gradients carry the rounding of
    /// the inverse.
    Invert,
}

/// Which way a step or a flow runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Inverse,
}

impl Way {
    pub(super) fn apply(self, step: &dyn Bijector, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        match self {
            Way::Forward => step.forward(x, context),
            Way::Inverse => step.inverse(x, context),
        }
    }

    fn back(self) -> Self {
        match self {
            Way::Forward => Way::Inverse,
            Way::Inverse => Way::Forward,
        }
    }
}

/// A step whose inside is not kept; `None` where nothing is tracked or the device has no custom nodes.
pub(super) fn recomputed(
    step: &dyn Bijector,
    way: Way,
    x: Tensor<4>,
    context: Context<'_>,
) -> Option<(Tensor<4>, Tensor<1>)> {
    let weights = trainable(step);
    if weights.is_empty() || context.is_some_and(Tensor::is_tracked) {
        return None;
    }
    let inputs = [on_tape(flat(x.clone())), on_tape(Tensor::cat(weights, 0))];
    if !inputs[1].is_tracked() || !inputs.iter().all(supports) {
        return None;
    }
    let mut still = step.boxed();
    detach(still.params_mut());
    let context = context.map(|context| context.clone().without_autodiff());
    let x = x.without_autodiff();
    let (z, log_det) = way.apply(still.as_ref(), x.clone(), context.as_ref());
    let shape = z.dims();
    let output = Tensor::cat(vec![flat(z), log_det], 0);
    let pullback = move |gradient: Tensor<1>| {
        let count = gradient.dims()[0] - shape[0];
        let (g_z, g_log_det) =
            (gradient.clone().narrow(0, 0, count).reshape(shape), gradient.narrow(0, count, shape[0]));
        let (g_x, g_weights) = step_gradient(still.as_ref(), way, x.clone(), context.as_ref(), g_z, g_log_det);
        [flat(g_x), Tensor::cat(g_weights, 0)]
    };
    let output = with_pullback(inputs, output, pullback);
    let count = output.dims()[0] - shape[0];
    Some((output.clone().narrow(0, 0, count).reshape(shape), output.narrow(0, count, shape[0])))
}

/// What a whole flow gives: its end (latents, or data as one level), the log-det, and the marked states.
pub(super) type Run = (Vec<Tensor<4>>, Tensor<1>, Vec<Tensor<4>>);

/// A whole flow of which only the end is kept. `marks` are steps from 1, in rising order, whose states are wanted (forward only).
pub(super) fn inverted(
    flow: &Flow,
    way: Way,
    start: Vec<Tensor<4>>,
    context: Context<'_>,
    marks: &[usize],
) -> Option<Run> {
    let mut weights = Vec::new();
    flow.levels().iter().for_each(|level| weights.extend(trainable(level)));
    if weights.is_empty() || context.is_some_and(Tensor::is_tracked) {
        return None;
    }
    let joined = |parts: &[Tensor<4>]| Tensor::cat(parts.iter().cloned().map(flat).collect(), 0);
    let inputs = [on_tape(joined(&start)), on_tape(Tensor::cat(weights, 0))];
    if !inputs[1].is_tracked() || !inputs.iter().all(supports) {
        return None;
    }
    let still = flow.clone().frozen();
    let context = context.map(|context| context.clone().without_autodiff());
    let start: Vec<Tensor<4>> = start.into_iter().map(Tensor::without_autodiff).collect();
    let (end, log_det, marked) = match way {
        Way::Forward => still.run_plain(start.into_iter().next()?, context.as_ref(), marks),
        Way::Inverse => {
            let (x, log_det) = still.undo_plain(&start, context.as_ref());
            (vec![x], log_det, Vec::new())
        }
    };
    let shapes: Vec<[usize; 4]> = end.iter().chain(&marked).map(Tensor::dims).collect();
    let (ends, batch) = (end.len(), log_det.dims()[0]);
    let output: Vec<Tensor<1>> = end.iter().chain(&marked).cloned().map(flat).chain([log_det]).collect();
    let output = Tensor::cat(output, 0);
    let marks = marks.to_vec();
    let cut = move |whole: Tensor<1>| -> (Vec<Tensor<4>>, Tensor<1>) {
        let mut at = 0;
        let mut parts = Vec::new();
        for &shape in &shapes {
            let count: usize = shape.iter().product();
            parts.push(whole.clone().narrow(0, at, count).reshape(shape));
            at += count;
        }
        (parts, whole.narrow(0, at, batch))
    };
    let cut_gradient = cut.clone();
    let pullback = move |gradient: Tensor<1>| {
        let (mut parts, g_log_det) = cut_gradient(gradient);
        let g_marked = parts.split_off(ends);
        let walk = Walk { flow: &still, context: context.as_ref(), g_log_det };
        let (g_start, g_weights) = match way {
            Way::Forward => walk.back_from_latents(&end, parts, &marks, g_marked),
            Way::Inverse => walk.back_from_data(&end, parts),
        };
        [Tensor::cat(g_start.into_iter().map(flat).collect(), 0), g_weights]
    };
    let (mut parts, log_det) = cut(with_pullback(inputs, output, pullback));
    let marked = parts.split_off(ends);
    Some((parts, log_det, marked))
}

/// A backward pass that carries one state at a time.
struct Walk<'a> {
    flow: &'a Flow,
    context: Context<'a>,
    g_log_det: Tensor<1>,
}

impl Walk<'_> {
    /// From the latents to the data, undoing each step on the way.
    fn back_from_latents(
        &self,
        latents: &[Tensor<4>],
        g_latents: Vec<Tensor<4>>,
        marks: &[usize],
        g_marked: Vec<Tensor<4>>,
    ) -> (Vec<Tensor<4>>, Tensor<1>) {
        let levels = self.flow.levels();
        let mut number: usize = levels.iter().map(|level| level.steps().len()).sum();
        let (mut state, mut g) = (latents[levels.len() - 1].clone(), g_latents[levels.len() - 1].clone());
        let mut weights = Vec::new();
        for (index, level) in levels.iter().enumerate().rev() {
            let mut own = Vec::new();
            if let Some(split) = level.split() {
                let (joined, _) = split.inverse(state, latents[index].clone(), self.context);
                let (g_joined, g_split) = self.through_split(split, &joined, g, g_latents[index].clone());
                (state, g) = (joined, g_joined);
                own.push(g_split);
            }
            for step in level.steps().iter().rev() {
                if let Some(at) = marks.iter().position(|mark| *mark == number) {
                    g = g + g_marked[at].clone();
                }
                let (before, _) = Way::Inverse.apply(step.as_ref(), state, self.context);
                let log_det = self.g_log_det.clone();
                let (g_before, g_step) =
                    step_gradient(step.as_ref(), Way::Forward, before.clone(), self.context, g, log_det);
                (state, g) = (before, g_before);
                own.push(g_step);
                number -= 1;
            }
            weights.push(in_order(level, own));
        }
        weights.reverse();
        (vec![g], Tensor::cat(weights.concat(), 0))
    }

    /// From the data to the latents, going through each step on the way: the gradient of the inverse.
    fn back_from_data(&self, data: &[Tensor<4>], g_data: Vec<Tensor<4>>) -> (Vec<Tensor<4>>, Tensor<1>) {
        let (mut state, mut g) = (data[0].clone(), g_data[0].clone());
        let (mut weights, mut g_latents) = (Vec::new(), Vec::new());
        for level in self.flow.levels() {
            let mut own = Vec::new();
            for step in level.steps() {
                let (after, _) = Way::Inverse.back().apply(step.as_ref(), state, self.context);
                let log_det = self.g_log_det.clone();
                let (g_after, g_step) =
                    step_gradient(step.as_ref(), Way::Inverse, after.clone(), self.context, g, log_det);
                (state, g) = (after, g_after);
                own.push(g_step);
            }
            if let Some(split) = level.split() {
                let (kept, eps, _) = split.forward(state, self.context);
                let (g_kept, g_eps, g_split) = self.through_join(split, &kept, &eps, g);
                g_latents.push(g_eps);
                (state, g) = (kept, g_kept);
                own.push(g_split);
            }
            weights.push(own.concat());
        }
        g_latents.push(g);
        (g_latents, Tensor::cat(weights.concat(), 0))
    }

    fn through_split(
        &self,
        split: &Split,
        x: &Tensor<4>,
        g_kept: Tensor<4>,
        g_eps: Tensor<4>,
    ) -> (Tensor<4>, Vec<Tensor<1>>) {
        let mut split = split.clone();
        let leaves = track(split.params_mut());
        let x = x.clone().autodiff().require_grad();
        let (kept, eps, log_det) = split.forward(x.clone(), self.context);
        let loss = (kept * g_kept).sum() + (eps * g_eps).sum();
        let grads = with_log_det(loss, log_det, &self.g_log_det).backward();
        (gradient_of(&x, &grads), gradients_of(&leaves, &grads))
    }

    fn through_join(
        &self,
        split: &Split,
        kept: &Tensor<4>,
        eps: &Tensor<4>,
        g: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>, Vec<Tensor<1>>) {
        let mut split = split.clone();
        let leaves = track(split.params_mut());
        let (kept, eps) = (kept.clone().autodiff().require_grad(), eps.clone().autodiff().require_grad());
        let (x, log_det) = split.inverse(kept.clone(), eps.clone(), self.context);
        let grads = with_log_det((x * g).sum(), log_det, &self.g_log_det).backward();
        (gradient_of(&kept, &grads), gradient_of(&eps, &grads), gradients_of(&leaves, &grads))
    }
}

/// Gradients of a level's weights, gathered from its end to its beginning (split first), in the order of its parameters: steps, then split.
fn in_order(level: &Level, mut from_the_end: Vec<Vec<Tensor<1>>>) -> Vec<Tensor<1>> {
    let split = level.split().map(|_| from_the_end.remove(0));
    from_the_end.reverse();
    from_the_end.extend(split);
    from_the_end.concat()
}

/// The gradients of a step's input and of its trainable weights, by a tape of its own.
fn step_gradient(
    step: &dyn Bijector,
    way: Way,
    x: Tensor<4>,
    context: Context<'_>,
    g_z: Tensor<4>,
    g_log_det: Tensor<1>,
) -> (Tensor<4>, Vec<Tensor<1>>) {
    let mut step = step.boxed();
    let leaves = track(step.params_mut());
    let x = x.autodiff().require_grad();
    let (z, log_det) = way.apply(step.as_ref(), x.clone(), context);
    let grads = with_log_det((z * g_z).sum(), log_det, &g_log_det).backward();
    (gradient_of(&x, &grads), gradients_of(&leaves, &grads))
}

/// A volume-preserving map has a log-det that no gradient goes through.
fn with_log_det(loss: Tensor<1>, log_det: Tensor<1>, g_log_det: &Tensor<1>) -> Tensor<1> {
    if log_det.is_tracked() { loss + (log_det * g_log_det.clone()).sum() } else { loss }
}

fn flat(x: Tensor<4>) -> Tensor<1> {
    let count: usize = x.dims().iter().product();
    x.reshape([count])
}

fn on_tape(x: Tensor<1>) -> Tensor<1> {
    if x.is_autodiff() { x } else { x.autodiff() }
}

fn trainable<P: Parameters + ?Sized>(part: &P) -> Vec<Tensor<1>> {
    let mut all = Vec::new();
    part.collect("", &mut all);
    all.into_iter().filter(|(_, param)| param.is_trainable()).map(|(_, param)| param.flat().clone()).collect()
}

fn detach(params: Vec<(String, &mut Param)>) {
    params.into_iter().for_each(|(_, param)| param.set(param.flat().clone().without_autodiff()));
}

/// Turn the trainable weights into leaves.
fn track(params: Vec<(String, &mut Param)>) -> Vec<Tensor<1>> {
    let leaf = |param: &mut Param| {
        param.set(param.flat().clone().without_autodiff().autodiff().require_grad());
        param.flat().clone()
    };
    params.into_iter().filter(|(_, param)| param.is_trainable()).map(|(_, param)| leaf(param)).collect()
}

fn gradient_of<const D: usize>(leaf: &Tensor<D>, grads: &Gradients) -> Tensor<D> {
    leaf.grad(grads).unwrap_or_else(|| leaf.clone().without_autodiff().zeros_like())
}

fn gradients_of(leaves: &[Tensor<1>], grads: &Gradients) -> Vec<Tensor<1>> {
    leaves.iter().map(|leaf| gradient_of(leaf, grads)).collect()
}
