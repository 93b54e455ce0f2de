//! Say what a model needs of a flow, whatever runs it: tiles of a batch from data to latents and back, with gradients.

use crate::architecture::Architecture;
use crate::{Offsets, Program, Purpose, Result};
use std::sync::OnceLock;

/// A flow as a [`Model`](crate::Model) runs it, over standardised f32 values; whoever calls it sees to it that lengths fit.
///
/// A tile is some samples of a batch, as many as `log_det` is long. Its data are `[samples, height, width, channels]`, its context `[samples, context]`, and its
/// latents those of level after level, `[samples, height, width, channels]` each. `alone` says that no other tile is under way, so that threads are free.
pub trait Engine: Sync {
    /// Height, width and channels of a sample.
    fn event(&self) -> [usize; 3];

    /// Conditioning values of a sample.
    fn context(&self) -> usize;

    /// The shape of the latents of every level.
    fn latents(&self) -> &[[usize; 3]];

    /// Samples of a tile, at least 1, in a call of so many; of one that wants `gradients`.
    fn tile(&self, samples: usize, gradients: bool) -> usize;

    /// Whether tiles may run side by side; else one after the other.
    fn side_by_side(&self) -> bool {
        true
    }

    /// Data to latents, with `log |det dz/dx|` in nats.
    ///
    /// # Errors
    /// What the flow reports.
    fn encode(&self, x: &[f32], context: &[f32], alone: bool, latents: &mut [f32], log_det: &mut [f32]) -> Result<()>;

    /// Latents to data, with the same log-determinants; `latents` gives those of one level.
    ///
    /// # Errors
    /// What the flow reports: also that it has no inverse.
    fn decode<'a>(
        &'a self,
        latents: impl Fn(usize) -> &'a [f32] + Send,
        context: &[f32],
        alone: bool,
        x: &mut [f32],
        log_det: &mut [f32],
    ) -> Result<()>;

    /// [`Engine::encode`] with the gradients, with respect to data and context, of a function of the latents plus the log-determinant: `slope` is shown the
    /// latents and puts the gradient of that function in their place.
    ///
    /// # Errors
    /// What the flow reports.
    fn encode_with_gradients(
        &self,
        x: &[f32],
        context: &[f32],
        latents: &mut [f32],
        log_det: &mut [f32],
        slope: impl FnOnce(&mut [f32]),
        of_data: [&mut [f32]; 2],
    ) -> Result<()>;

    /// From the gradient of what [`Engine::decode`] gives, `g_x`, to those of the latents, level after level, and of the context.
    ///
    /// # Errors
    /// As [`Engine::decode`].
    fn decode_pullback<'a>(
        &'a self,
        samples: usize,
        latents: impl Fn(usize) -> &'a [f32],
        context: &[f32],
        g_x: &[f32],
        of_latents: [&mut [f32]; 2],
    ) -> Result<()>;
}

/// A flow's program with its weights, and once gradients are asked for, a second one that is loaded for them.
#[derive(Debug)]
pub struct Compiled {
    program: Program,
    architecture: Architecture,
    offsets: Offsets,
    values: Vec<f32>,
    with_gradients: OnceLock<Program>,
}

impl Compiled {
    /// Compile; `values` lie as `offsets` say.
    ///
    /// # Errors
    /// [`Refused`](crate::Refused) names the first layer that has no program.
    pub(crate) fn new(
        architecture: Architecture,
        offsets: Offsets,
        values: Vec<f32>,
    ) -> std::result::Result<Self, crate::Refused> {
        let mut program = Program::new(&architecture, &offsets)?;
        program.load(&values, Purpose { forward: true, backward: false, inverse: true });
        Ok(Self { program, architecture, offsets, values, with_gradients: OnceLock::new() })
    }

    fn with_gradients(&self) -> &Program {
        self.with_gradients.get_or_init(|| {
            let mut program = Program::new(&self.architecture, &self.offsets).expect("it was compiled before");
            program.load(&self.values, Purpose { forward: true, backward: true, inverse: true });
            program
        })
    }
}

impl Engine for Compiled {
    fn event(&self) -> [usize; 3] {
        self.program.event()
    }

    fn context(&self) -> usize {
        self.program.context()
    }

    fn latents(&self) -> &[[usize; 3]] {
        self.program.latents()
    }

    fn tile(&self, samples: usize, gradients: bool) -> usize {
        Engine::tile(&self.program, samples, gradients)
    }

    fn encode(&self, x: &[f32], context: &[f32], alone: bool, latents: &mut [f32], log_det: &mut [f32]) -> Result<()> {
        Engine::encode(&self.program, x, context, alone, latents, log_det)
    }

    fn decode<'a>(
        &'a self,
        latents: impl Fn(usize) -> &'a [f32] + Send,
        context: &[f32],
        alone: bool,
        x: &mut [f32],
        log_det: &mut [f32],
    ) -> Result<()> {
        Engine::decode(&self.program, latents, context, alone, x, log_det)
    }

    fn encode_with_gradients(
        &self,
        x: &[f32],
        context: &[f32],
        latents: &mut [f32],
        log_det: &mut [f32],
        slope: impl FnOnce(&mut [f32]),
        of_data: [&mut [f32]; 2],
    ) -> Result<()> {
        self.with_gradients().encode_with_gradients(x, context, latents, log_det, slope, of_data)
    }

    fn decode_pullback<'a>(
        &'a self,
        samples: usize,
        latents: impl Fn(usize) -> &'a [f32],
        context: &[f32],
        g_x: &[f32],
        of_latents: [&mut [f32]; 2],
    ) -> Result<()> {
        self.with_gradients().decode_pullback(samples, latents, context, g_x, of_latents)
    }
}
