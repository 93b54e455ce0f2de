//! Hold what a case works on, and do its work.

use crate::array::write_npy;
use crate::case::{Case, What};
use crate::timing::{Timing, repeat};
use crate::training;
use flowstill::device::cpu;
use flowstill::distill::Distillation;
use flowstill::flows::Flow;
use flowstill::model::{Model, Standardization};
use flowstill::pictures::PictureScaling;
use flowstill::random::stream;
use flowstill::train::{Batch, Dataset, Examples, NegativeLogLikelihood, Objective};
use flowstill::{file, to_f32, to_f64};
use std::path::Path;

/// Rows that the check looks at.
const CHECKED: usize = 64;

/// A built case.
pub struct Workload {
    case: Case,
    flow: Flow,
    examples: Examples,
    input: Batch,
    distillation: Option<Distillation>,
    draws: u64,
}

fn said<T>(result: flowstill::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

impl Workload {
    /// Build flows and input from the seed.
    pub fn build(case: Case, seed: u64) -> Result<Self, String> {
        let examples = case.examples(seed)?;
        let flow = case.flow(&case.flow, &examples, seed)?;
        let distillation = match (&case.teacher, &case.distill) {
            (Some(teacher), Some(config)) => {
                let teacher = case.flow(teacher, &examples, seed + 1)?;
                Some(said(Distillation::new(&teacher, &flow, config, seed, case.batch))?)
            }
            (None, None) => None,
            _ => return Err("a distillation needs both teacher and distill".into()),
        };
        let input = examples.range(0..examples.len().min(case.batch.max(CHECKED)), &cpu());
        Ok(Self { case, flow, examples, input, distillation, draws: 0 })
    }

    /// The flow; the student of a distillation.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Write the flow, its teacher and all of the input as the flow sees it.
    pub fn save(&self, flow: &Path, teacher: Option<&Path>, data: &Path) -> Result<(), String> {
        let write = |flow: &Flow, path: &Path| {
            let pictures = flow.architecture().is_picture().then(PictureScaling::default);
            let standardization = Standardization::identity(self.case.event[2], 0);
            let facts = Default::default();
            let flow = flow.clone().frozen();
            said(file::save(&Model { flow, standardization, pictures, dequantizer: None, facts }, path))
        };
        write(&self.flow, flow)?;
        if let (Some(distillation), Some(path)) = (&self.distillation, teacher) {
            write(distillation.teacher(), path)?;
        }
        let all = self.examples.range(0..self.examples.len(), &cpu()).x;
        write_npy(data, &all.dims(), &to_f32(all)).map_err(|error| error.to_string())
    }

    /// Log-densities of the first rows; for a distillation also LKD and ILKD of the first batch.
    pub fn check(&self) -> Result<Vec<f64>, String> {
        let first = self.examples.range(0..self.examples.len().min(CHECKED), &cpu());
        let mut values = to_f64(said(self.flow.log_prob(first.x, None))?);
        if let Some(distillation) = &self.distillation {
            let batch = self.examples.range(0..self.case.batch, &cpu());
            let loss = said(distillation.loss(&self.flow.clone().constant(), &batch, 0, 1))?;
            let seen = loss.terms.into_iter().filter(|(name, _)| ["lkd", "ilkd"].contains(name));
            values.extend(seen.flat_map(|(_, value)| to_f64(value)));
        }
        Ok(values)
    }

    /// Do the case's work for about so many seconds.
    pub fn run(&mut self, seconds: f64) -> Result<(Timing, &'static str), String> {
        let batch = self.case.batch;
        match self.case.what {
            What::Train => {
                let timing = training::steps(&self.flow, &mut NegativeLogLikelihood, &self.examples, batch, seconds)?;
                Ok((timing, "steps"))
            }
            What::Distill => {
                let objective = self.distillation.as_mut().ok_or("this case has no teacher")?;
                Ok((training::steps(&self.flow, objective, &self.examples, batch, seconds)?, "steps"))
            }
            What::LogProb => Ok((self.score(batch, seconds)?, "rows")),
            What::Latency => Ok((self.score(1, seconds)?, "rows")),
            What::Sample => Ok((self.draw(batch, seconds)?, "rows")),
        }
    }

    fn score(&self, count: usize, seconds: f64) -> Result<Timing, String> {
        let x = self.input.x.clone().narrow(0, 0, count);
        repeat(seconds, count, || said(self.flow.log_prob(x.clone(), None)).map(|values| drop(to_f32(values))))
    }

    fn draw(&mut self, count: usize, seconds: f64) -> Result<Timing, String> {
        repeat(seconds, count, || {
            self.draws += 1;
            let rng = &mut stream(1, "bench samples", self.draws);
            said(self.flow.sample(count, 1.0, None, rng)).map(|samples| drop(to_f32(samples)))
        })
    }
}
