//! Run some steps of a flow alone, as a flow of their own that shares their tensors: compiled wherever the whole would be.

use super::flow::{Flow, Level};
use super::{Architecture, Latents};
use crate::Result;
use crate::base::BaseConfig;
use crate::bijectors::{Bijector, BijectorConfig, Context};
use crate::flows::programs::Programs;
use burn::tensor::Tensor;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// The programs of runs of steps that were asked for, by their range. Clones of a flow share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments(Arc<Mutex<HashMap<Range<usize>, Programs>>>);

impl Segments {
    fn programs(&self, range: &Range<usize>) -> Programs {
        match self.0.lock() {
            Ok(mut known) => known.entry(range.clone()).or_default().clone(),
            Err(_) => Programs::default(),
        }
    }
}

impl Flow {
    /// Of steps in a row over states of shape `event`, described by `configs`, without a base of its own.
    pub(crate) fn of_steps(
        steps: Vec<Box<dyn Bijector>>,
        configs: Vec<BijectorConfig>,
        event: [usize; 3],
        context: usize,
    ) -> Result<Flow> {
        let architecture = Architecture {
            event,
            context,
            levels: vec![configs],
            splits: Vec::new(),
            base: BaseConfig::StandardNormal,
        };
        // A standard normal has no weights to draw.
        let mut rng = crate::random::stream(0, "nothing", 0);
        Self::assemble(architecture, vec![Level::new(steps, None)], &mut rng, &crate::device::cpu())
    }

    /// The steps of a range, counted from 0 over all levels, all of one level.
    fn segment(&self, range: Range<usize>) -> Result<Flow> {
        let steps: Vec<_> = self.levels().iter().flat_map(Level::steps).collect();
        let configs: Vec<_> = self.architecture().levels.iter().flatten().collect();
        let events = self.architecture().step_events()?;
        // A level begins with what the last one kept.
        let ended = self.architecture().level_ends().iter().position(|end| *end == range.start);
        let mut event = if range.start == 0 { self.architecture().event } else { events[range.start - 1] };
        if let Some(split) = ended.and_then(|level| self.architecture().splits.get(level)) {
            event[2] = split.kept();
        }
        let own = steps[range.clone()].iter().map(|step| step.boxed()).collect();
        let described = configs[range.clone()].iter().map(|config| (*config).clone()).collect();
        let segment = Self::of_steps(own, described, event, self.architecture().context)?.with_memory(self.memory());
        Ok(segment.with_programs(if self.is_composed() { Programs::none() } else { self.segments().programs(&range) }))
    }

    /// Undo the steps of a range alone, without the log-det; shapes are the caller's care.
    pub(crate) fn inverse_steps(
        &self,
        range: Range<usize>,
        state: Tensor<4>,
        context: Context<'_>,
    ) -> Result<Tensor<4>> {
        self.check_inverse()?;
        if range.is_empty() {
            return Ok(state);
        }
        Ok(self.segment(range)?.inverse(&Latents::single(state), context)?.0)
    }
}
