//! Run a whole flow as one compiled program, and put it on the tape as one node.
//!
//! The plain twin of everything here is the composition of the bijectors; where a flow, a device or a number type has no program, that is what runs.

use super::{Architecture, Flow, Memory};
use crate::ops::custom::{supports, with_pullback};
use crate::ops::host::{Host, from_host};
use crate::param::{Param, Parameters, Role};
use burn::tensor::Tensor;
use flowstill_runtime::{Encoded, Gradients, InverseGradients, Offsets, Program, Purpose, Refused, Source};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, OnceLock};

/// A flow's programs, or why it has none. Clones of a flow share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs(Arc<OnceLock<Result<Plan, Refused>>>);

#[derive(Debug)]
struct Plan {
    architecture: Architecture,
    offsets: Offsets,
    /// Values that an optimiser moves; they come first in the joined vector, then the saved rest.
    trainable: usize,
    /// Programs that wait, each with the vector that it was loaded from last.
    spare: Mutex<Vec<(Program, Vec<f32>)>>,
}

/// A program that goes back to its plan.
pub(crate) struct Lease {
    programs: Programs,
    program: Option<Program>,
    values: Vec<f32>,
    purpose: Purpose,
}

/// The program of a flow whose weights have not changed since it was loaded. Clones share it until one of them is changed.
#[derive(Clone, Default)]
pub(crate) struct Loaded(Arc<Mutex<Option<Arc<Lease>>>>);

impl std::fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Loaded")
    }
}

impl Loaded {
    /// The program, loaded anew only for what it was not loaded for.
    pub(crate) fn get(&self, flow: &Flow, programs: &Programs, purpose: Purpose) -> Option<Arc<Lease>> {
        let mut slot = self.0.lock().ok()?;
        let before = slot.as_ref().map_or(purpose, |lease| lease.purpose);
        let purpose = Purpose {
            forward: before.forward || purpose.forward,
            backward: before.backward || purpose.backward,
            inverse: before.inverse || purpose.inverse,
        };
        if slot.as_ref().is_none_or(|lease| lease.purpose != purpose) {
            *slot = Some(Arc::new(programs.lease(flow, purpose)?));
        }
        slot.clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(program), Some(plan)) = (self.program.take(), self.programs.plan())
            && let Ok(mut spare) = plan.spare.lock()
        {
            spare.push((program, std::mem::take(&mut self.values)));
        }
    }
}

impl Lease {
    pub(crate) fn program(&self) -> &Program {
        self.program.as_ref().expect("taken back on drop alone")
    }
}

/// Names and tensors in the order of the joined vector.
fn joined(flow: &Flow) -> impl Iterator<Item = (String, &Param)> {
    let params = flow.params();
    let (first, rest): (Vec<_>, Vec<_>) = params.into_iter().partition(|(_, param)| param.is_trainable());
    first.into_iter().chain(rest.into_iter().filter(|(_, param)| param.role() == Role::Buffer))
}

/// Why there is no program where none is wanted.
const COMPOSED: &str = "run as a composition by request";

impl Programs {
    /// What never compiles.
    pub(crate) fn none() -> Self {
        let why = Refused { layer: String::new(), kind: COMPOSED.into() };
        Self(Arc::new(OnceLock::from(Err(why))))
    }

    /// Whether these are what [`Programs::none`] makes.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.0.get(), Some(Err(refused)) if refused.kind == COMPOSED)
    }

    /// Why there is no program for this flow, if there is none.
    pub(crate) fn refused(&self, flow: &Flow) -> Option<&Refused> {
        self.compile(flow).as_ref().err()
    }

    fn plan(&self) -> Option<&Plan> {
        self.0.get()?.as_ref().ok()
    }

    fn compile(&self, flow: &Flow) -> &Result<Plan, Refused> {
        let make = || {
            let architecture = flow.architecture().clone();
            let names: Vec<(String, usize)> = joined(flow).map(|(name, param)| (name, param.len())).collect();
            let offsets = Offsets::new(names.iter().map(|(name, length)| (name.as_str(), *length)));
            let first = Program::new(&architecture, &offsets)?;
            let trainable = flow.parameter_count();
            Ok(Plan { architecture, offsets, trainable, spare: Mutex::new(vec![(first, Vec::new())]) })
        };
        self.0.get_or_init(make)
    }

    /// A program with the flow's present weights; `None` unless they are f32 on the CPU.
    fn lease(&self, flow: &Flow, purpose: Purpose) -> Option<Lease> {
        let plan = self.compile(flow).as_ref().ok()?;
        let spare = plan.spare.lock().ok()?.pop();
        let fresh = || Some((Program::new(&plan.architecture, &plan.offsets).ok()?, Vec::new()));
        let (mut program, mut values) = spare.or_else(fresh)?;
        values.clear();
        values.reserve_exact(plan.offsets.len());
        if let Some(leaf) = flow.joined() {
            values.extend_from_slice(Host::read(leaf.clone())?.values());
        }
        let here = |param: &Param| flow.joined().is_none() || !param.is_trainable();
        for (_, param) in joined(flow).filter(|(_, param)| here(param)) {
            values.extend_from_slice(Host::read(param.flat().clone())?.values());
        }
        program.load(&values, purpose);
        Some(Lease { programs: self.clone(), program: Some(program), values, purpose })
    }
}

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
    let trainable = programs.plan()?.trainable;
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
    let trainable = programs.plan()?.trainable;
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
    let trainable = programs.plan()?.trainable;
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
