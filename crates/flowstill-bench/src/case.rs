//! Describe one case as `bench/cases.json` does, and build its flows and its input.

use flowstill::distill::DistillConfig;
use flowstill::flows::{Flow, FlowConfig};
use flowstill::pictures::{PictureScaling, Pictures};
use flowstill::random::{normals, stream, uniforms};
use flowstill::train::{Dataset as _, Examples, Rows};
use flowstill::{Parameters, device};
use serde::Deserialize;

/// What is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Optimiser steps on the mean negative log-likelihood.
    Train,
    /// Log-densities of a batch.
    LogProb,
    /// Samples, a batch at a time.
    Sample,
    /// Log-density of one row or picture.
    Latency,
    /// Optimiser steps of a distillation.
    Distill,
}

/// One case; fields that only peers read are not here.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// What is repeated.
    pub what: What,
    /// The flow, as in recipes; in a distillation the student.
    pub flow: FlowConfig,
    /// The teacher of a distillation.
    pub teacher: Option<FlowConfig>,
    /// How it is distilled.
    pub distill: Option<DistillConfig>,
    /// Height, width and channels; 1, 1 and the columns for tables.
    pub event: [usize; 3],
    /// Rows or pictures per step or call.
    pub batch: usize,
    /// Rows or pictures of the input.
    pub rows: usize,
}

impl Case {
    /// The flow (and its teacher) with weights that make no layer the identity, normalisations set by the input.
    pub fn flow(&self, config: &FlowConfig, examples: &Examples, seed: u64) -> Result<Flow, String> {
        let [height, width, columns] = self.event;
        let architecture = match height * width {
            1 => config.assemble(columns, 0, seed),
            _ => config.assemble_picture(self.event, 0),
        };
        let mut flow = architecture.and_then(|a| Flow::new(&a, seed, &device::cpu())).map_err(|e| e.to_string())?;
        scatter_zeros(&mut flow, seed);
        let batch = examples.range(0..examples.len().min(self.batch), &device::cpu());
        flow.initialize(&batch.x, None).map_err(|error| error.to_string())?;
        Ok(flow)
    }

    /// Normal rows, or pictures of random bytes.
    pub fn examples(&self, seed: u64) -> Result<Examples, String> {
        let rng = &mut stream(seed, "bench input", 0);
        let count = self.rows * self.event.iter().product::<usize>();
        if self.event[0] * self.event[1] == 1 {
            return Rows::new(normals(count, rng), self.event[2]).map(Into::into).map_err(|error| error.to_string());
        }
        let pixels = uniforms(count, rng).into_iter().map(|value| (value * 256.0) as u8).collect();
        Pictures::new(pixels, self.event, PictureScaling::default()).map(Into::into).map_err(|error| error.to_string())
    }
}

/// Move parameters that start at zero a little: new layers are the identity, on which some peer might save work.
fn scatter_zeros(flow: &mut Flow, seed: u64) {
    let rng = &mut stream(seed, "bench weights", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        if param.values().iter().any(|value| *value != 0.0) {
            continue;
        }
        let inputs = match param.shape() {
            [.., outputs] if param.shape().len() > 1 => param.len() / outputs,
            _ => 100,
        };
        let size = 0.1 / (inputs as f32).sqrt();
        param.set_values(normals(param.len(), rng).into_iter().map(|value| size * value).collect());
    }
}
