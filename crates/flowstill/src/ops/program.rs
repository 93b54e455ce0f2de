//! Run a whole flow as one compiled program, and put it on the tape as one node.
//!
//! The plain twin of everything here is the composition of the bijectors; where a flow, a device or a number type has no program, that is what runs.

use super::custom::{supports, with_pullback};
use super::host::{Host, from_host};
use crate::flows::{Flow, Memory};
use crate::param::{Param, Parameters, Role};
use burn::tensor::Tensor;
use flowstill_runtime::architecture::Architecture;
use flowstill_runtime::{Encoded, Places, Program, Purpose, Source};
use std::sync::{Arc, Mutex, OnceLock};

/// A flow's programs: none where it has a layer that is not compiled. Clones of a flow share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs(Arc<OnceLock<Option<Plan>>>);

#[derive(Debug)]
struct Plan {
    architecture: Architecture,
    places: Places,
    /// Values that an optimiser moves; they come first in the joined vector, then the saved rest.
    trainable: usize,
    spare: Mutex<Vec<Program>>,
}

/// A program that goes back to its plan.
struct Lease {
    programs: Programs,
    program: Option<Program>,
    values: Vec<f32>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(program), Some(plan)) = (self.program.take(), self.programs.plan())
            && let Ok(mut spare) = plan.spare.lock()
        {
            spare.push(program);
        }
    }
}

impl Lease {
    fn program(&self) -> &Program {
        self.program.as_ref().expect("taken back on drop alone")
    }
}

/// Names and tensors in the order of the joined vector.
fn joined(flow: &Flow) -> impl Iterator<Item = (String, &Param)> {
    let params = flow.params();
    let (first, rest): (Vec<_>, Vec<_>) = params.into_iter().partition(|(_, param)| param.is_trainable());
    first.into_iter().chain(rest.into_iter().filter(|(_, param)| param.role() == Role::Buffer))
}

impl Programs {
    /// What never compiles.
    pub(crate) fn none() -> Self {
        Self(Arc::new(OnceLock::from(None)))
    }

    /// Whether there is a program for this flow.
    pub(crate) fn exist(&self, flow: &Flow) -> bool {
        self.compile(flow).is_some()
    }

    fn plan(&self) -> Option<&Plan> {
        self.0.get()?.as_ref()
    }

    fn compile(&self, flow: &Flow) -> Option<&Plan> {
        let make = || {
            let json = serde_json::to_value(flow.architecture()).ok()?;
            let architecture: Architecture = serde_json::from_value(json).ok()?;
            let names: Vec<(String, usize)> = joined(flow).map(|(name, param)| (name, param.len())).collect();
            let places = Places::new(names.iter().map(|(name, length)| (name.as_str(), *length)));
            let first = Program::new(&architecture, &places).ok()?;
            let trainable = flow.parameter_count();
            Some(Plan { architecture, places, trainable, spare: Mutex::new(vec![first]) })
        };
        self.0.get_or_init(make).as_ref()
    }

    /// A program with the flow's present weights; `None` unless they are f32 on the CPU.
    fn lease(&self, flow: &Flow, purpose: Purpose) -> Option<Lease> {
        let plan = self.compile(flow)?;
        let mut values = Vec::with_capacity(plan.places.len());
        for (_, param) in joined(flow) {
            values.extend_from_slice(Host::read(param.flat().clone())?.values());
        }
        let spare = plan.spare.lock().ok()?.pop();
        let mut program = spare.or_else(|| Program::new(&plan.architecture, &plan.places).ok())?;
        program.load(&values, purpose);
        Some(Lease { programs: self.clone(), program: Some(program), values })
    }
}

/// Latents of every level, log-det and marked states, as the flow's forward pass gives them; `None` where there is no program.
pub(crate) fn forward(
    flow: &Flow,
    programs: &Programs,
    x: &Tensor<4>,
    context: Option<&Tensor<2>>,
    marks: &[usize],
) -> Option<(Vec<Tensor<4>>, Tensor<1>, Vec<Tensor<4>>)> {
    let batch = x.dims()[0];
    if batch == 0 || context.is_some_and(Tensor::is_tracked) {
        return None;
    }
    let data = Host::read(x.clone())?;
    let context = match context {
        Some(context) => Host::read(context.clone())?.values().to_vec(),
        None => Vec::new(),
    };
    let params = flow.params();
    let on_tape = x.is_autodiff() || params.iter().any(|(_, param)| param.flat().is_autodiff());
    let of_weights = params.iter().any(|(_, param)| param.is_trainable() && param.flat().is_tracked());
    let tracked = x.is_tracked() || of_weights;
    let purpose = Purpose { forward: true, backward: tracked, inverse: tracked && flow.memory() == Memory::Invert };
    if !tracked {
        let lease = programs.lease(flow, purpose)?;
        let encoded = lease.program().forward(data.values(), &context, marks);
        let (levels, log_det, marked) = tensors(lease.program(), encoded, marks, batch);
        let on = |tensor: Tensor<4>| if on_tape { tensor.autodiff() } else { tensor };
        let log_det = if on_tape { log_det.autodiff() } else { log_det };
        return Some((levels.into_iter().map(on).collect(), log_det, marked.into_iter().map(on).collect()));
    }
    let flat = |tensor: Tensor<1>| if tensor.is_autodiff() { tensor } else { tensor.autodiff() };
    let weights: Vec<Tensor<1>> =
        params.iter().filter(|(_, param)| param.is_trainable()).map(|(_, param)| flat(param.flat().clone())).collect();
    let inputs = [flat(x.clone().reshape([x.dims().iter().product::<usize>()])), Tensor::cat(weights, 0)];
    if !inputs.iter().all(supports) {
        return None;
    }
    let lease = programs.lease(flow, purpose)?;
    let trainable = programs.plan()?.trainable;
    let program = lease.program();
    let (encoded, kept) = match flow.memory() {
        Memory::Store => {
            let (encoded, kept) = program.forward_keeping(data.values(), &context, marks);
            (encoded, Some(kept))
        }
        Memory::Recompute | Memory::Invert => (program.forward(data.values(), &context, marks), None),
    };
    let sizes: Vec<usize> = encoded.latents.iter().chain(&encoded.marked).map(Vec::len).collect();
    let events: Vec<[usize; 3]> =
        program.latents().iter().copied().chain(marks.iter().map(|mark| program.steps()[mark - 1])).collect();
    let ends = encoded.latents.len();
    // A node has one output: latents, marked states, log-dets.
    let output = [encoded.latents.concat(), encoded.marked.concat(), encoded.log_det].concat();
    // Of the three ways to go back, one needs the activations, one the data, one the latents.
    let kept = Mutex::new(kept);
    let start = match flow.memory() {
        Memory::Store => Vec::new(),
        Memory::Recompute => data.values().to_vec(),
        Memory::Invert => encoded.latents.concat(),
    };
    let memory = flow.memory();
    let lengths = sizes.clone();
    let marks = marks.to_vec();
    let pullback = move |gradient: Tensor<1>| {
        let gradient = Host::read(gradient).expect("a gradient has the type and the device of its value");
        let mut rest = gradient.values();
        let mut parts = lengths.iter().map(|length| {
            let (own, tail) = rest.split_at(*length);
            rest = tail;
            own.to_vec()
        });
        let latents: Vec<Vec<f32>> = parts.by_ref().take(ends).collect();
        let marked = parts.collect();
        let of_output = Encoded { latents, marked, log_det: rest.to_vec() };
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
            program.backward(&lease.values, &context, &marks, source, &of_output)
        };
        let mut values = gradients.values;
        values.truncate(trainable);
        let count = gradients.x.len();
        [from_host(gradients.x, [count]), from_host(values, [trainable])]
    };
    let length = output.len();
    let output = with_pullback(inputs, from_host(output, [length]), pullback);
    let mut at = 0;
    let mut parts: Vec<Tensor<4>> = Vec::with_capacity(sizes.len());
    for (size, [h, w, c]) in sizes.iter().zip(events) {
        parts.push(output.clone().narrow(0, at, *size).reshape([batch, h, w, c]));
        at += size;
    }
    let marked = parts.split_off(ends);
    Some((parts, output.narrow(0, at, batch), marked))
}

fn tensors(
    program: &Program,
    encoded: Encoded,
    marks: &[usize],
    batch: usize,
) -> (Vec<Tensor<4>>, Tensor<1>, Vec<Tensor<4>>) {
    let shaped = |values: Vec<f32>, [h, w, c]: [usize; 3]| from_host(values, [batch, h, w, c]);
    let levels = encoded.latents.into_iter().zip(program.latents()).map(|(values, event)| shaped(values, *event));
    let states = marks.iter().map(|mark| program.steps()[mark - 1]);
    let marked = encoded.marked.into_iter().zip(states).map(|(values, event)| shaped(values, event));
    (levels.collect(), from_host(encoded.log_det, [batch]), marked.collect())
}

/// Data for latents, with the log-det, off the tape; `None` where there is no program, or anything stands on a tape.
pub(crate) fn inverse(
    flow: &Flow,
    programs: &Programs,
    latents: &[Tensor<4>],
    context: Option<&Tensor<2>>,
) -> Option<(Tensor<4>, Tensor<1>)> {
    let batch = latents.first()?.dims()[0];
    let on_tape = latents.iter().any(Tensor::is_autodiff)
        || context.is_some_and(Tensor::is_autodiff)
        || flow.params().iter().any(|(_, param)| param.flat().is_autodiff());
    if batch == 0 || on_tape {
        return None;
    }
    let levels: Option<Vec<Host>> = latents.iter().map(|level| Host::read(level.clone())).collect();
    let levels = levels?;
    let levels: Vec<&[f32]> = levels.iter().map(Host::values).collect();
    let context = match context {
        Some(context) => Some(Host::read(context.clone())?),
        None => None,
    };
    let lease = programs.lease(flow, Purpose { forward: true, backward: false, inverse: true })?;
    let (x, log_det) = lease.program().inverse(&levels, context.as_ref().map_or(&[], Host::values));
    let [h, w, c] = lease.program().event();
    Some((from_host(x, [batch, h, w, c]), from_host(log_det, [batch])))
}
