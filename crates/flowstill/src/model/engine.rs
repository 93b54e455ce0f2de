//! Run a flow for a model: by its compiled program in f32 on the CPU, by the composition of its layers everywhere else.

use crate::flows::programs::Lease;
use crate::flows::{Flow, Latents};
use crate::param::Parameters;
use crate::{Result, to_f32};
use burn::tensor::{DType, Tensor, TensorData};
use flowstill_runtime::pictures::chunk_of;
use flowstill_runtime::{CHUNK, Engine, Program, Purpose};
use std::sync::Arc;

/// A flow with what runs it.
#[derive(Clone)]
pub struct FlowEngine<'a> {
    flow: &'a Flow,
    /// The program with the present weights, where there is one.
    lease: Option<Arc<Lease>>,
}

impl<'a> FlowEngine<'a> {
    /// For densities, and for more if it is said.
    pub(super) fn new(flow: &'a Flow, inverse: bool, gradients: bool) -> Self {
        let lease = flow.lease(Purpose { forward: true, backward: gradients, inverse: inverse || gradients });
        Self { flow, lease }
    }

    fn program(&self) -> Option<&Program> {
        self.lease.as_deref().map(Lease::program)
    }

    /// Rows on the flow's device, in its number type.
    fn tensor<const D: usize>(&self, values: &[f32], shape: [usize; D]) -> Tensor<D> {
        let tensor = Tensor::from_data(TensorData::new(values.to_vec(), shape), &self.flow.device());
        let dtype = self.flow.params().first().map_or(DType::F32, |(_, param)| param.flat().dtype());
        if tensor.dtype() == dtype { tensor } else { tensor.cast(dtype) }
    }

    fn data(&self, values: &[f32], samples: usize) -> Tensor<4> {
        let [h, w, c] = self.event();
        self.tensor(values, [samples, h, w, c])
    }

    fn conditions(&self, context: &[f32], samples: usize) -> Option<Tensor<2>> {
        let width = self.context();
        (width > 0).then(|| self.tensor(context, [samples, width]))
    }

    fn levels<'b>(&self, samples: usize, latents: impl Fn(usize) -> &'b [f32]) -> Vec<Tensor<4>> {
        let level = |(level, [h, w, c]): (usize, &[usize; 3])| self.tensor(latents(level), [samples, *h, *w, *c]);
        self.latents().iter().enumerate().map(level).collect()
    }
}

/// A tensor as a leaf of a tape, whose gradient is asked for.
fn leaf<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.autodiff().require_grad()
}

/// Levels one after the other.
fn join(levels: impl IntoIterator<Item = Tensor<4>>, out: &mut [f32]) {
    let mut rest = out;
    for level in levels {
        let values = to_f32(level);
        let (own, tail) = rest.split_at_mut(values.len());
        own.copy_from_slice(&values);
        rest = tail;
    }
}

impl Engine for FlowEngine<'_> {
    fn event(&self) -> [usize; 3] {
        self.flow.architecture().event
    }

    fn context(&self) -> usize {
        self.flow.architecture().context
    }

    fn latents(&self) -> &[[usize; 3]] {
        self.flow.latent_events()
    }

    fn tile(&self, samples: usize, gradients: bool) -> usize {
        match self.program() {
            Some(program) => Engine::tile(program, samples, gradients),
            None if self.flow.architecture().is_picture() => chunk_of(self.flow.architecture().dimensions()),
            None => CHUNK,
        }
    }

    fn side_by_side(&self) -> bool {
        // A tensor operation has all threads, or a device, to itself.
        self.lease.is_some()
    }

    fn encode(&self, x: &[f32], context: &[f32], alone: bool, latents: &mut [f32], log_det: &mut [f32]) -> Result<()> {
        if let Some(program) = self.program() {
            return Engine::encode(program, x, context, alone, latents, log_det);
        }
        let samples = log_det.len();
        let conditions = self.conditions(context, samples);
        let (levels, slopes) = self.flow.forward(self.data(x, samples), conditions.as_ref())?;
        join(levels.levels, latents);
        log_det.copy_from_slice(&to_f32(slopes));
        Ok(())
    }

    fn decode<'a>(
        &'a self,
        latents: impl Fn(usize) -> &'a [f32] + Send,
        context: &[f32],
        alone: bool,
        x: &mut [f32],
        log_det: &mut [f32],
    ) -> Result<()> {
        if let Some(program) = self.program() {
            return Engine::decode(program, latents, context, alone, x, log_det);
        }
        let samples = log_det.len();
        let latents = Latents { levels: self.levels(samples, latents) };
        let (made, slopes) = self.flow.inverse(&latents, self.conditions(context, samples).as_ref())?;
        x.copy_from_slice(&to_f32(made));
        log_det.copy_from_slice(&to_f32(slopes));
        Ok(())
    }

    fn encode_with_gradients(
        &self,
        x: &[f32],
        context: &[f32],
        latents: &mut [f32],
        log_det: &mut [f32],
        slope: impl FnOnce(&mut [f32]),
        [g_x, g_context]: [&mut [f32]; 2],
    ) -> Result<()> {
        if let Some(program) = self.program() {
            return program.encode_with_gradients(x, context, latents, log_det, slope, [g_x, g_context]);
        }
        let samples = log_det.len();
        let flow = self.flow.clone().constant();
        let (x, conditions) = (leaf(self.data(x, samples)), self.conditions(context, samples).map(leaf));
        let (levels, slopes) = flow.forward(x.clone(), conditions.as_ref())?;
        join(levels.levels.clone(), latents);
        log_det.copy_from_slice(&to_f32(slopes.clone()));
        slope(latents);
        let mut rest = &*latents;
        let pulled = levels.levels.into_iter().map(|level| {
            let (own, tail) = rest.split_at(level.dims().iter().product());
            rest = tail;
            (level.clone() * self.tensor(own, level.dims()).autodiff()).sum()
        });
        let gradients = pulled.fold(slopes.sum(), |sum, level| sum + level).backward();
        if let Some(gradient) = x.grad(&gradients) {
            g_x.copy_from_slice(&to_f32(gradient));
        }
        if let Some(gradient) = conditions.and_then(|conditions| conditions.grad(&gradients)) {
            g_context.copy_from_slice(&to_f32(gradient));
        }
        Ok(())
    }

    fn decode_pullback<'a>(
        &'a self,
        samples: usize,
        latents: impl Fn(usize) -> &'a [f32],
        context: &[f32],
        g_x: &[f32],
        [g_latents, g_context]: [&mut [f32]; 2],
    ) -> Result<()> {
        if let Some(program) = self.program() {
            return program.decode_pullback(samples, latents, context, g_x, [g_latents, g_context]);
        }
        let flow = self.flow.clone().constant();
        let levels: Vec<_> = self.levels(samples, latents).into_iter().map(leaf).collect();
        let conditions = self.conditions(context, samples).map(leaf);
        let (x, _) = flow.inverse(&Latents { levels: levels.clone() }, conditions.as_ref())?;
        let gradients = (x * self.data(g_x, samples).autodiff()).sum().backward();
        let of = |level: &Tensor<4>| level.grad(&gradients).unwrap_or_else(|| level.clone().inner().zeros_like());
        join(levels.iter().map(of), g_latents);
        if let Some(gradient) = conditions.and_then(|conditions| conditions.grad(&gradients)) {
            g_context.copy_from_slice(&to_f32(gradient));
        }
        Ok(())
    }
}
