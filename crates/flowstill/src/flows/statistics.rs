//! Set what depends on data: ActNorm's start, the statistics of BatchNorm.

use super::Flow;
use super::programs::Loaded;
use crate::Result;
use crate::bijectors::{Bijector, Context};
use burn::tensor::Tensor;

impl Flow {
    /// Set data-dependent parameters (ActNorm, first statistics of BatchNorm) from one batch; what was set before stays.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn initialize(&mut self, x: &Tensor<4>, context: Context<'_>) -> Result<()> {
        self.check(x.dims(), context)?;
        self.pass(x, context, |step, state| step.initialize(state, context))
    }

    /// Move the statistics of BatchNorm towards those of one batch.
    ///
    /// # Errors
    /// As [`Flow::forward`].
    pub fn calibrate(&mut self, x: &Tensor<4>, context: Context<'_>, momentum: f64) -> Result<()> {
        self.check(x.dims(), context)?;
        match self.has_statistics() {
            true => self.pass(x, context, |step, state| step.calibrate(state, context, momentum)),
            false => Ok(()),
        }
    }

    /// Carry a batch forth, step by step; `visit` may change a step right before it.
    fn pass(
        &mut self,
        x: &Tensor<4>,
        context: Context<'_>,
        mut visit: impl FnMut(&mut Box<dyn Bijector>, &Tensor<4>),
    ) -> Result<()> {
        self.loaded = Loaded::default();
        let (context_width, configs) = (self.architecture().context, self.architecture().levels.clone());
        let mut state = x.clone();
        for (level, configs) in self.levels.iter_mut().zip(&configs) {
            for (step, config) in level.steps.iter_mut().zip(configs) {
                visit(step, &state);
                let [_, event @ ..] = state.dims();
                let alone = Flow::of_steps(vec![step.boxed()], vec![config.clone()], event, context_width)?;
                state = alone.forward(state, context)?.0.levels.remove(0);
            }
            if let Some(split) = &level.split {
                state = split.forward(state, context).0;
            }
        }
        Ok(())
    }

    /// Whether [`Flow::calibrate`] changes anything.
    pub fn has_statistics(&self) -> bool {
        self.levels.iter().flat_map(|level| &level.steps).any(|step| step.has_statistics())
    }
}
