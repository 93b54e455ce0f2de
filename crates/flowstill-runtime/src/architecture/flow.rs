//! Describe a whole flow, and follow the shape of a state through it.

use super::{
    BaseConfig, BijectorConfig, ConditionerConfig, CouplingConfig, Mask, ScaleMap, SplitConfig, TensorSpec, Univariate,
    Visit,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Arguments;

/// Everything that rebuilds a flow, weights aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Height, width and channels of one sample; a table row of D columns is `[1, 1, D]`.
    pub event: [usize; 3],
    /// Width of the conditioning input, 0 for none.
    pub context: usize,
    /// The steps of every level, data side first.
    pub levels: Vec<Vec<BijectorConfig>>,
    /// What lets half of the channels leave after each level but the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<SplitConfig>,
    /// The density of the latents of the last level; what leaves at a split meets the standard normal.
    pub base: BaseConfig,
}

/// Values of one sample that no honest flow reaches; keeps a forged file from asking for the whole memory.
const MOST_DIMENSIONS: usize = 1 << 24;
const MOST_CONTEXT: usize = 1 << 20;
/// Tensors of a flow that no honest one reaches.
const MOST_TENSORS: usize = 100_000;

/// What a walk over a flow's description comes by, data side first.
#[derive(Clone, Copy, Debug)]
pub enum Stop<'a> {
    /// A step with the shape of the state before and after it.
    Step {
        /// The level, from 0.
        level: usize,
        /// The place in its level, from 0.
        place: usize,
        /// The step.
        step: &'a BijectorConfig,
        /// Height, width and channels before it.
        before: [usize; 3],
        /// Height, width and channels after it.
        after: [usize; 3],
    },
    /// Latents that leave the flow: those of a split, or the whole state at the end.
    Latents {
        /// The level, from 0.
        level: usize,
        /// What lets them leave; none at the end of the flow.
        split: Option<&'a SplitConfig>,
        /// Their shape.
        event: [usize; 3],
    },
}

impl Architecture {
    /// One level over the columns of a table.
    pub fn table(columns: usize, context: usize, steps: Vec<BijectorConfig>, base: BaseConfig) -> Self {
        Self { event: [1, 1, columns], context, levels: vec![steps], splits: Vec::new(), base }
    }

    /// The same flow with a base whose mean and scale depend on the context: `z = (y + t(c)) exp(s(c))` per channel of the last level, `t` and `s` linear
    /// in the context. `y` are the latents before, so teacher and student still share the noise of one standard normal. Over pictures it is Glow's
    /// class-conditional prior of the last level (Kingma and Dhariwal 2018, code, `ycond`).
    ///
    /// # Errors
    /// [`Error::Config`] for a flow without a context, [`Error::Shape`] if its layers do not fit together.
    pub fn with_conditional_base(mut self) -> Result<Self> {
        let channels = self.latent_events()?.last().map_or(0, |event| event[2]);
        if self.context == 0 {
            return Err(Error::config(
                "conditional_base",
                "there is nothing to condition on",
                "give conditioning columns or classes, or leave it out",
            ));
        }
        let layer = BijectorConfig::Coupling(CouplingConfig {
            channels,
            mask: Mask::Below(0),
            transform: Univariate::Affine { scale: ScaleMap::Tanh { bound: 5.0 } },
            conditioner: ConditionerConfig::Mlp { hidden: Vec::new(), activation: Default::default() },
            context: self.context,
        });
        // Within the last step, so that steps are as many as before.
        match self.levels.last_mut().and_then(|steps| steps.last_mut()) {
            Some(BijectorConfig::Chain { steps }) => steps.push(layer),
            Some(step) => *step = BijectorConfig::Chain { steps: vec![step.clone(), layer] },
            None => self.levels = vec![vec![layer]],
        }
        Ok(self)
    }

    /// The number of dimensions of one sample.
    pub fn dimensions(&self) -> usize {
        self.event.iter().product()
    }

    /// The number of steps over all levels.
    pub fn steps(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Whether samples are pictures; their likelihood is reported in bits per dimension.
    pub fn is_picture(&self) -> bool {
        self.event[0] * self.event[1] > 1
    }

    /// What turns nats per sample into the unit that a training minimises: nats for tables, bits per dimension for pictures (so that
    /// distillation weights mean the same for any size of picture, as in the distillation paper's code).
    pub fn unit_of_loss(&self) -> f64 {
        if self.is_picture() { 1.0 / (self.dimensions() as f64 * std::f64::consts::LN_2) } else { 1.0 }
    }

    /// The level and the place within it (both from 0) of step `step` (from 1), counted over all levels.
    pub fn locate(&self, step: usize) -> Option<(usize, usize)> {
        let mut left = step.checked_sub(1)?;
        for (level, steps) in self.levels.iter().enumerate() {
            if left < steps.len() {
                return Some((level, left));
            }
            left -= steps.len();
        }
        None
    }

    /// The last step of every level, counted from 1 over all levels.
    pub fn level_ends(&self) -> Vec<usize> {
        let count = |total: &mut usize, level: &Vec<BijectorConfig>| {
            *total += level.len();
            Some(*total)
        };
        self.levels.iter().scan(0, count).collect()
    }

    /// Follow a state from the data to the latents.
    ///
    /// # Errors
    /// [`Error::Shape`] names the first layer that does not fit, [`Error::Config`] a number of levels and splits that do not; and whatever `visit` says.
    pub fn walk<'a>(&'a self, mut visit: impl FnMut(Stop<'a>) -> Result<()>) -> Result<()> {
        if self.levels.is_empty() || self.splits.len() + 1 != self.levels.len() {
            let got = format!("{} levels and {} splits", self.levels.len(), self.splits.len());
            return Err(Error::config("levels", got, "give at least 1 level, and a split after each but the last"));
        }
        let (mut event, mut number) = (self.event, 0);
        for (level, steps) in self.levels.iter().enumerate() {
            for (place, step) in steps.iter().enumerate() {
                number += 1;
                let after = step.output_event(event, self.context).map_err(|error| match error {
                    Error::Shape { what, expected, got } => {
                        Error::shape(format!("step {number} of the flow, {what}"), expected, got)
                    }
                    other => other,
                })?;
                visit(Stop::Step { level, place, step, before: event, after })?;
                event = after;
            }
            let split = self.splits.get(level);
            let mut leaving = event;
            if let Some(split) = split {
                if split.channels != event[2] || split.context != self.context {
                    let expected = format!("{} channels and {} conditioning values", event[2], self.context);
                    let got = format!("{} and {}", split.channels, split.context);
                    return Err(Error::shape(format!("split after level {}", level + 1), expected, got));
                }
                leaving[2] = split.leaving();
                event[2] = split.kept();
            }
            visit(Stop::Latents { level, split, event: leaving })?;
        }
        Ok(())
    }

    /// The shape after each step, over all levels.
    ///
    /// # Errors
    /// [`Error::Shape`] if the layers do not fit together.
    pub fn step_events(&self) -> Result<Vec<[usize; 3]>> {
        let mut out = Vec::new();
        self.walk(|stop| {
            if let Stop::Step { after, .. } = stop {
                out.push(after);
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// The shape of the latents of every level.
    ///
    /// # Errors
    /// [`Error::Shape`] if the layers do not fit together.
    pub fn latent_events(&self) -> Result<Vec<[usize; 3]>> {
        let mut out = Vec::new();
        self.walk(|stop| {
            if let Stop::Latents { event, .. } = stop {
                out.push(event);
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Check every setting, and that all shapes fit together, before anything is built.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Shape`] name what does not fit.
    pub fn check(&self) -> Result<()> {
        let size = self.event.iter().try_fold(1_usize, |size, &length| size.checked_mul(length));
        if self.event.contains(&0) || size.is_none_or(|size| size > MOST_DIMENSIONS) {
            let expected = format!("use lengths of at least 1 and at most {MOST_DIMENSIONS} values");
            return Err(Error::config("event", format!("shape {:?}", self.event), expected));
        }
        if self.context > MOST_CONTEXT {
            let problem = format!("{} conditioning values", self.context);
            return Err(Error::config("context", problem, format!("use at most {MOST_CONTEXT}")));
        }
        self.walk(|stop| match stop {
            Stop::Step { step, .. } => step.check(),
            Stop::Latents { split: Some(split), .. } => split.check(),
            Stop::Latents { split: None, .. } => Ok(()),
        })?;
        self.base.check()?;
        let mut count = 0_usize;
        self.visit_tensors(&mut |_, _, _, _| count += 1)?;
        match count {
            0..=MOST_TENSORS => Ok(()),
            _ => {
                let problem = format!("{count} tensors");
                Err(Error::config("levels", problem, format!("use fewer layers: at most {MOST_TENSORS} tensors")))
            }
        }
    }

    /// Show every stored tensor with its name in a flow file, in the order of the layers.
    ///
    /// # Errors
    /// As [`Architecture::walk`].
    pub fn visit_tensors(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.walk(|stop| {
            match stop {
                Stop::Step { level, place, step, .. } => {
                    step.describe().tensors(&mut |name: Arguments<'_>, shape: &[usize], role, range| {
                        visit(format_args!("levels.{level}.steps.{place}.{name}"), shape, role, range);
                    });
                }
                Stop::Latents { level, split: Some(split), .. } => {
                    split.tensors(&mut |name: Arguments<'_>, shape: &[usize], role, range| {
                        visit(format_args!("levels.{level}.split.{name}"), shape, role, range);
                    });
                }
                Stop::Latents { split: None, event, .. } => {
                    let dimensions = event.iter().product();
                    self.base.tensors(dimensions, &mut |name: Arguments<'_>, shape: &[usize], role, range| {
                        visit(format_args!("base.{name}"), shape, role, range);
                    });
                }
            }
            Ok(())
        })
    }

    /// Every stored tensor; masks and what else follows from the description is not among them.
    ///
    /// # Errors
    /// As [`Architecture::walk`].
    pub fn tensors(&self) -> Result<Vec<TensorSpec>> {
        let mut out = Vec::new();
        self.visit_tensors(&mut |name, shape, role, range| {
            out.push(TensorSpec { name: name.to_string(), shape: shape.to_vec(), role, range });
        })?;
        Ok(out)
    }

    /// The values of all stored tensors; what a file that holds the flow must have room for.
    ///
    /// # Errors
    /// As [`Architecture::walk`].
    pub fn value_count(&self) -> Result<u128> {
        let mut count = 0_u128;
        self.visit_tensors(&mut |_, shape, _, _| count += shape.iter().map(|n| *n as u128).product::<u128>())?;
        Ok(count)
    }
}
