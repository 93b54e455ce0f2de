//! Run a whole flow as one compiled program, and put it on the tape as one node.
//!
//! The plain twin of everything here is the composition of the bijectors; where a flow, a device or a number type has no program, that is what runs.

use super::programs::Programs;
use super::{Flow, Memory};
use crate::ops::custom::{supports, with_pullback};
use crate::ops::host::{Host, from_host};
use crate::param::{Param, Parameters};
use burn::tensor::Tensor;
use flowstill_runtime::{Encoded, Gradients, InverseGradients, Program, Purpose, Source};
use rayon::prelude::*;
use std::sync::Mutex;

/// Latents of every level, log-det and tapped states, as the flow's forward pass gives them; `None` where there is no program.
pub(crate) fn forward(
    flow: &Flow,
    programs: &Programs,
    x: &Tensor<4>,
    context: Option<&Tensor<2>>,
    taps: &[usize],
) -> Option<(Vec<Tensor<4>>, Tensor<1>, Vec<Tensor<4>>)> {
    let batch = x.dims()[0];
    if batch == 0 {
        return None;
    }
    let data = Host::read(x.clone())?;
    let conditions = Conditions::read(context)?;
    let (context, of_context) = (conditions.values, conditions.tracked.is_some());
    let params = flow.params();
    let taped = x.is_autodiff() || conditions.taped || params.iter().any(|(_, param)| param.flat().is_autodiff());
    let of_weights = params.iter().any(|(_, param)| param.is_trainable() && param.flat().is_tracked());
    let tracked = x.is_tracked() || of_weights || of_context;
    let purpose = Purpose { forward: true, backward: tracked, inverse: tracked && flow.memory() == Memory::Invert };
    if !tracked {
        let lease = flow.loaded().get(flow, programs, purpose)?;
        let encoded = lease.program().forward(data.values(), &context, taps);
        let (levels, log_det, tapped) = tensors(lease.program(), encoded, taps, batch);
        let on = |tensor: Tensor<4>| if taped { tensor.autodiff() } else { tensor };
        let log_det = if taped { log_det.autodiff() } else { log_det };
        return Some((levels.into_iter().map(on).collect(), log_det, tapped.into_iter().map(on).collect()));
    }
    let inputs = [on_tape(flat(x)), weights(flow, &params)];
    let inputs = beside(inputs, conditions.tracked);
    if !inputs.iter().all(supports) {
        return None;
    }
    let lease = programs.lease(flow, purpose)?;
    let trainable = programs.trainable()?;
    let program = lease.program();
    let (encoded, kept) = match flow.memory() {
        Memory::Store => {
            let (encoded, kept) = program.forward_keeping(data.values(), &context, taps);
            (encoded, Some(kept))
        }
        Memory::Recompute | Memory::Invert => (program.forward(data.values(), &context, taps), None),
    };
    let sizes: Vec<usize> = encoded.latents.iter().chain(&encoded.tapped).map(Vec::len).collect();
    let events: Vec<[usize; 3]> =
        program.latents().iter().copied().chain(taps.iter().map(|tap| program.steps()[tap - 1])).collect();
    let ends = encoded.latents.len();
    // A node has one output: latents, tapped states, log-dets.
    let output = [encoded.latents.concat(), encoded.tapped.concat(), encoded.log_det].concat();
    // Of the three ways to go back, one needs the activations, one the data, one the latents.
    let kept = Mutex::new(kept);
    let start = match flow.memory() {
        Memory::Store => Vec::new(),
        Memory::Recompute => data.values().to_vec(),
        Memory::Invert => encoded.latents.concat(),
    };
    let memory = flow.memory();
    let lengths = sizes.clone();
    let taps = taps.to_vec();
    let pullback = move |gradient: Tensor<1>| {
        let gradient = Host::read(gradient).expect("a gradient has the type and the device of its value");
        let mut rest = gradient.values();
        let mut parts = lengths.iter().map(|length| {
            let (own, tail) = rest.split_at(*length);
            rest = tail;
            own.to_vec()
        });
        let latents: Vec<Vec<f32>> = parts.by_ref().take(ends).collect();
        let tapped = parts.collect();
        let of_output = Encoded { latents, tapped, log_det: rest.to_vec() };
        let program = lease.program();
        let taken = kept.lock().ok().and_then(|mut kept| kept.take());
        let mut levels = Vec::new();
        let mut left = start.as_slice();
        let gradients = {
            let source = match (taken, memory) {
                (Some(kept), _) => Source::Kept(kept),
                (None, Memory::Recompute) => Source::Data(&start),
                (None, Memory::Invert) => {
                    for length in &lengths[..ends] {
                        let (own, tail) = left.split_at(*length);
                        left = tail;
                        levels.push(own);
                    }
                    Source::Latents(&levels)
                }
                // A second way back over the same node: the data are still there.
                (None, Memory::Store) => Source::Data(data.values()),
            };
            program.backward(&lease.values, &context, &taps, source, &of_output, of_context)
        };
        let Gradients { mut x, mut values, context } = gradients;
        x.extend_from_slice(&context);
        values.truncate(trainable);
        let count = x.len();
        [from_host(x, [count]), from_host(values, [trainable])]
    };
    let length = output.len();
    let output = with_pullback(inputs, from_host(output, [length]), pullback);
    let mut at = 0;
    let mut parts: Vec<Tensor<4>> = Vec::with_capacity(sizes.len());
    for (size, [h, w, c]) in sizes.iter().zip(events) {
        parts.push(output.clone().narrow(0, at, *size).reshape([batch, h, w, c]));
        at += size;
    }
    let tapped = parts.split_off(ends);
    Some((parts, output.narrow(0, at, batch), tapped))
}

/// `log p(x)` under standard normal latents, `[batch]`, with the gradients computed along with it; `None` where there is no program, or nothing is tracked.
///
/// A training step pulls back the mean of these: then the gradients are ready, but for a factor. With unequal weights the data are carried through again.
pub(crate) fn log_prob(
    flow: &Flow,
    programs: &Programs,
    x: &Tensor<4>,
    context: Option<&Tensor<2>>,
) -> Option<Tensor<1>> {
    let batch = x.dims()[0];
    let params = flow.params();
    let of_weights = params.iter().any(|(_, param)| param.is_trainable() && param.flat().is_tracked());
    if batch == 0 || !of_weights {
        return None;
    }
    let data = Host::read(x.clone())?;
    let conditions = Conditions::read(context)?;
    let (context, of_context) = (conditions.values, conditions.tracked.is_some());
    let inputs = [on_tape(flat(x)), weights(flow, &params)];
    let inputs = beside(inputs, conditions.tracked);
    if !inputs.iter().all(supports) {
        return None;
    }
    let lease = programs.lease(flow, Purpose { forward: true, backward: true, inverse: false })?;
    let trainable = programs.trainable()?;
    let (log_prob, gradients) =
        lease.program().log_prob_with_gradients(&lease.values, data.values(), &context, of_context);
    // For the first way back, which scales them where they lie.
    let ready = Mutex::new(Some(gradients));
    let pullback = move |gradient: Tensor<1>| {
        let gradient = Host::read(gradient).expect("a gradient has the type and the device of its value");
        let of_each = gradient.values();
        let first = of_each[0];
        let ready = ready.lock().ok().and_then(|mut ready| ready.take());
        let Gradients { x: mut of_x, values: mut of_values, context: of_rows } =
            if let Some(mut ready) = ready.filter(|_| of_each.iter().all(|g| *g == first)) {
                ready.values.truncate(trainable);
                for part in [&mut ready.x, &mut ready.values, &mut ready.context] {
                    part.par_chunks_mut(1 << 16).for_each(|part| part.iter_mut().for_each(|value| *value *= first));
                }
                ready
            } else {
                let program = lease.program();
                let mut of_output = program.forward(data.values(), &context, &[]);
                for latents in &mut of_output.latents {
                    let own = latents.len() / of_each.len();
                    for (row, g) in latents.chunks_exact_mut(own).zip(of_each) {
                        row.iter_mut().for_each(|z| *z = if z.abs() > 1e15 { 0.0 } else { -*z * g });
                    }
                }
                of_output.log_det.copy_from_slice(of_each);
                let source = Source::Data(data.values());
                program.backward(&lease.values, &context, &[], source, &of_output, of_context)
            };
        of_x.extend_from_slice(&of_rows);
        of_values.truncate(trainable);
        let count = of_x.len();
        [from_host(of_x, [count]), from_host(of_values, [trainable])]
    };
    Some(with_pullback(inputs, from_host(log_prob, [batch]), pullback))
}

/// The conditioning values of a batch, and the tensor if its gradient is asked for.
struct Conditions {
    values: Vec<f32>,
    tracked: Option<Tensor<1>>,
    taped: bool,
}

impl Conditions {
    fn read(context: Option<&Tensor<2>>) -> Option<Self> {
        let Some(context) = context else {
            return Some(Self { values: Vec::new(), tracked: None, taped: false });
        };
        let [rows, width] = context.dims();
        let tracked = context.is_tracked().then(|| context.clone().reshape([rows * width]));
        Some(Self { values: Host::read(context.clone())?.values().to_vec(), tracked, taped: context.is_autodiff() })
    }
}

/// The first input of a node with the conditioning values behind it, if they have a gradient.
fn beside([first, weights]: [Tensor<1>; 2], context: Option<Tensor<1>>) -> [Tensor<1>; 2] {
    match context {
        Some(context) => [Tensor::cat(vec![first, context], 0), weights],
        None => [first, weights],
    }
}

fn flat(tensor: &Tensor<4>) -> Tensor<1> {
    tensor.clone().reshape([tensor.dims().iter().product::<usize>()])
}

fn on_tape(tensor: Tensor<1>) -> Tensor<1> {
    if tensor.is_autodiff() { tensor } else { tensor.autodiff() }
}

/// All trainable values, joined on the tape.
fn weights(flow: &Flow, params: &[(String, &Param)]) -> Tensor<1> {
    if let Some(leaf) = flow.joined() {
        return leaf.clone();
    }
    let trainable = params.iter().filter(|(_, param)| param.is_trainable());
    Tensor::cat(trainable.map(|(_, param)| on_tape(param.flat().clone())).collect(), 0)
}

fn tensors(
    program: &Program,
    encoded: Encoded,
    taps: &[usize],
    batch: usize,
) -> (Vec<Tensor<4>>, Tensor<1>, Vec<Tensor<4>>) {
    let shaped = |values: Vec<f32>, [h, w, c]: [usize; 3]| from_host(values, [batch, h, w, c]);
    let levels = encoded.latents.into_iter().zip(program.latents()).map(|(values, event)| shaped(values, *event));
    let states = taps.iter().map(|tap| program.steps()[tap - 1]);
    let tapped = encoded.tapped.into_iter().zip(states).map(|(values, event)| shaped(values, event));
    (levels.collect(), from_host(encoded.log_det, [batch]), tapped.collect())
}

/// Data for latents, with the log-det; `None` where there is no program.
pub(crate) fn inverse(
    flow: &Flow,
    programs: &Programs,
    latents: &[Tensor<4>],
    context: Option<&Tensor<2>>,
) -> Option<(Tensor<4>, Tensor<1>)> {
    let batch = latents.first()?.dims()[0];
    if batch == 0 {
        return None;
    }
    let levels: Option<Vec<Host>> = latents.iter().map(|level| Host::read(level.clone())).collect();
    let levels = levels?;
    let conditions = Conditions::read(context)?;
    let (context, of_context) = (conditions.values, conditions.tracked.is_some());
    let params = flow.params();
    let taped = latents.iter().any(Tensor::is_autodiff) || conditions.taped;
    let taped = taped || params.iter().any(|(_, param)| param.flat().is_autodiff());
    let of_weights = params.iter().any(|(_, param)| param.is_trainable() && param.flat().is_tracked());
    let tracked = of_weights || of_context || latents.iter().any(Tensor::is_tracked);
    let purpose = Purpose { forward: true, backward: tracked, inverse: true };
    let event = |program: &Program| {
        let [h, w, c] = program.event();
        [batch, h, w, c]
    };
    if !tracked {
        let lease = flow.loaded().get(flow, programs, purpose)?;
        let levels: Vec<&[f32]> = levels.iter().map(Host::values).collect();
        let (x, log_det) = lease.program().inverse(&levels, &context);
        let (x, log_det) = (from_host(x, event(lease.program())), from_host(log_det, [batch]));
        return Some(if taped { (x.autodiff(), log_det.autodiff()) } else { (x, log_det) });
    }
    let joined = Tensor::cat(latents.iter().map(|level| on_tape(flat(level))).collect(), 0);
    let inputs = beside([joined, weights(flow, &params)], conditions.tracked);
    if !inputs.iter().all(supports) {
        return None;
    }
    let lease = programs.lease(flow, purpose)?;
    let trainable = programs.trainable()?;
    let (x, log_det) = {
        let levels: Vec<&[f32]> = levels.iter().map(Host::values).collect();
        lease.program().inverse(&levels, &context)
    };
    let (shape, count) = (event(lease.program()), x.len());
    let output = [x.as_slice(), log_det.as_slice()].concat();
    let pullback = move |gradient: Tensor<1>| {
        let gradient = Host::read(gradient).expect("a gradient has the type and the device of its value");
        let (of_x, of_log_det) = gradient.values().split_at(count);
        let program = lease.program();
        let InverseGradients { mut latents, mut values, context } =
            program.backward_inverse(&lease.values, &context, &x, of_x, of_log_det, of_context);
        latents.push(context);
        values.truncate(trainable);
        let of_inputs = latents.concat();
        let length = of_inputs.len();
        [from_host(of_inputs, [length]), from_host(values, [trainable])]
    };
    let both = with_pullback(inputs, from_host(output, [count + batch]), pullback);
    Some((both.clone().narrow(0, 0, count).reshape(shape), both.narrow(0, count, batch)))
}
