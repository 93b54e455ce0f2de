//! Compose bijectors in order, and turn one round.

use super::{Bijector, BijectorConfig, Context, InverseKind, Reordering};
use crate::shape::zero_log_det;
use crate::{Error, Result};
use burn::tensor::Tensor;

/// Several bijectors applied one after the other; log-dets add up.
#[derive(Clone, Debug)]
pub struct Chain {
    steps: Vec<Box<dyn Bijector>>,
}

crate::parameters!(Chain { steps });

impl Chain {
    /// The first of `steps` meets the data.
    pub fn new(steps: Vec<Box<dyn Bijector>>) -> Self {
        Self { steps }
    }

    /// Show every part the state before it; what the last one makes is nobody's here.
    fn each(&mut self, x: &Tensor<4>, context: Context<'_>, mut visit: impl FnMut(&mut Box<dyn Bijector>, &Tensor<4>)) {
        let mut state = x.clone();
        let count = self.steps.len();
        for (index, step) in self.steps.iter_mut().enumerate() {
            visit(step, &state);
            if index + 1 < count {
                state = step.forward(state, context).0;
            }
        }
    }

    /// The parts, data side first.
    pub fn steps(&self) -> &[Box<dyn Bijector>] {
        &self.steps
    }
}

impl Bijector for Chain {
    fn forward(&self, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let start = (x.clone(), zero_log_det(&x));
        self.steps.iter().fold(start, |(x, total), step| {
            let (z, log_det) = step.forward(x, context);
            (z, total + log_det)
        })
    }

    fn inverse(&self, z: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let start = (z.clone(), zero_log_det(&z));
        self.steps.iter().rev().fold(start, |(z, total), step| {
            let (x, log_det) = step.inverse(z, context);
            (x, total + log_det)
        })
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Chain { steps: self.steps.iter().map(|step| step.config()).collect::<Option<_>>()? })
    }

    fn name(&self) -> String {
        let names: Vec<String> = self.steps.iter().map(|step| step.name()).collect();
        format!("Chain of {}", names.join(", "))
    }

    fn inverse_kind(&self) -> InverseKind {
        self.steps.iter().fold(InverseKind::Exact, |kind, step| kind.and(step.inverse_kind()))
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }

    fn initialize(&mut self, x: &Tensor<4>, context: Context<'_>) {
        self.each(x, context, |step, state| step.initialize(state, context));
    }

    fn calibrate(&mut self, x: &Tensor<4>, context: Context<'_>, momentum: f64) {
        self.each(x, context, |step, state| step.calibrate(state, context, momentum));
    }

    fn has_statistics(&self) -> bool {
        self.steps.iter().any(|step| step.has_statistics())
    }

    fn reordering(&self) -> Reordering {
        self.steps.iter().fold(Reordering::Kept, |before, step| before.then(step.reordering()))
    }
}

/// A bijector turned round: its inverse maps data to latents. An IAF is an inverted MAF (Kingma et al. 2016).
#[derive(Clone, Debug)]
pub struct Inverted {
    inner: Box<dyn Bijector>,
}

crate::parameters!(Inverted { inner });

impl Inverted {
    /// Turn `inner` round.
    ///
    /// # Errors
    /// [`Error::Config`] for one without an inverse.
    pub fn new(inner: Box<dyn Bijector>) -> Result<Self> {
        match inner.inverse_kind() {
            InverseKind::Unavailable => {
                Err(Error::config(inner.name(), "has no inverse, so it cannot be turned round", "use it as it stands"))
            }
            _ => Ok(Self { inner }),
        }
    }
}

impl Bijector for Inverted {
    fn forward(&self, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let (z, log_det) = self.inner.inverse(x, context);
        (z, -log_det)
    }

    fn inverse(&self, z: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let (x, log_det) = self.inner.forward(z, context);
        (x, -log_det)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Inverted { inner: Box::new(self.inner.config()?) })
    }

    fn name(&self) -> String {
        format!("Inverted {}", self.inner.name())
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }

    fn reordering(&self) -> Reordering {
        self.inner.reordering().inverse()
    }
}
