//! Halve the candidates rung by rung, on validation alone.

use super::budget::{Cost, measure};
use super::front::ranked;
use super::{Axis, Bench};
use crate::data::Prepared;
use crate::evaluate::EvaluateConfig;
use crate::recipe::{ModelPlan, Plan};
use crate::report::json;
use crate::runner::Runner;
use crate::{Error, Event, Events, Result};
use flowstill::file::write_atomically;
use flowstill::model::{Model, TrainingFacts};
use serde::{Deserialize, Serialize};

/// Each rung trains this many times the steps of the one before, and keeps one in so many.
const FACTOR: usize = 3;
/// Rounds of the timings that choose who is tried.
const ROUNDS: usize = 3;
/// Added to the first seed: nothing that is reported comes from a seed that chose.
const SEARCH_SEED: u64 = 1_000_003;

/// One of those that were tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub role: String,
    /// The flow in words.
    pub model: String,
    /// What it costs to run, measured before it was trained.
    pub cost: Cost,
    /// The limits of the budget that it breaks, in words; it is not trained then.
    pub broken: Vec<String>,
    /// Steps and lowest negative log-likelihood on the validation rows (nats, standardised data; none where it diverged) of each rung that it was in.
    pub rungs: Vec<(u64, Option<f64>)>,
    /// Why it could not be built or trained, if it could not.
    pub failed: Option<String>,
}

/// What a search leaves for the last comparison.
pub(super) struct Searched {
    /// All that were tried, in the order of the list.
    pub candidates: Vec<Candidate>,
    /// Those that are left, the best first.
    pub finalists: Vec<ModelPlan>,
}

/// `search.json`: the timings before the first rung, kept so that a resumed search chooses the same; all else follows from the models' folders.
#[derive(Serialize, Deserialize)]
struct Kept {
    identity: String,
    candidates: Vec<Candidate>,
}

/// Time the candidates, leave out those that break the budget, and halve the rest.
///
/// # Errors
/// A budget that nobody keeps to, a run folder of another search, and what trainings and files report; a candidate that diverges is out, and ends nothing.
pub(super) fn search(bench: &Bench<'_>, students: Vec<ModelPlan>, events: &mut Events<'_>) -> Result<Searched> {
    let identity = bench.identity(&students)?;
    let path = bench.run.join("search.json");
    let kept = std::fs::read_to_string(&path).ok().map(|text| serde_json::from_str::<Kept>(&text));
    let mut candidates = match kept {
        Some(Ok(kept)) if kept.identity == identity => kept.candidates,
        Some(_) => {
            return Err(Error::input(format!(
                "{}: tells of another search, teacher or data; use another run folder (--out), or remove this one",
                path.display()
            )));
        }
        None => {
            let kept = Kept { identity, candidates: timed(bench, &students, events)? };
            write_atomically(&path, json(&kept)?.as_bytes())?;
            kept.candidates
        }
    };
    let mut left: Vec<usize> = (0..students.len())
        .filter(|at| candidates[*at].broken.is_empty() && candidates[*at].failed.is_none())
        .collect();
    if left.is_empty() {
        return Err(nobody(&candidates, bench.config.budget.axis()));
    }
    // Its test split is its validation split: the search cannot see the true one.
    let data = blind(bench.data);
    let plan = Plan {
        evaluate: EvaluateConfig { samples: 0, repetitions: 0, ..bench.plan.evaluate.clone() },
        ..bench.plan.clone()
    };
    let seed = bench.plan.seeds.first().copied().unwrap_or(1) + SEARCH_SEED;
    let (rungs, single, axis) = (bench.config.rungs, bench.config.budget.is_limited(), bench.config.budget.axis());
    for rung in 0..rungs {
        let folder = bench.run.join(format!("rung-{}", rung + 1));
        let mut forward = |event: Event<'_>| events(event);
        let mut runner = Runner::new(&plan, &data, &folder, bench.teacher.flow.device(), &mut forward);
        let count = left.len();
        let mut points = Vec::with_capacity(count);
        for (done, &at) in left.iter().enumerate() {
            let mut student = students[at].with_seed(seed);
            student.train.steps = steps_of(student.train.steps, rung, rungs);
            let label = format!("[rung {}/{rungs}, {}/{count}] {}", rung + 1, done + 1, student.role);
            let candidate = &mut candidates[at];
            let loss = match runner.learn(&student, Some(bench.teacher), &label) {
                Ok(trained) => trained.report.row.validation_nll.filter(|loss| loss.is_finite()),
                Err(Error::Diverged(why)) => {
                    (runner.events)(Event::Note(&format!("{label}: {why}")));
                    candidate.failed = Some(why);
                    None
                }
                Err(error) => return Err(error),
            };
            candidate.rungs.push((student.train.steps, loss));
            points.push((loss.unwrap_or(f64::NAN), axis.value(&candidate.cost)));
        }
        let last = rung + 1 == rungs;
        let wanted = if last { bench.config.finalists } else { count.div_ceil(FACTOR).max(bench.config.finalists) };
        left = ranked(&points, single).into_iter().take(wanted).map(|rank| left[rank]).collect();
        if left.is_empty() {
            return Err(Error::Diverged(format!(
                "rung {}: no student could be trained; lower train.optimiser.rate",
                rung + 1
            )));
        }
    }
    let finalists = left.into_iter().map(|at| students[at].clone()).collect();
    Ok(Searched { candidates, finalists })
}

/// Steps of a rung, the last of which takes all.
fn steps_of(all: u64, rung: usize, rungs: usize) -> u64 {
    (all / (FACTOR as u64).pow((rungs - 1 - rung) as u32)).max(1)
}

/// Build and time every candidate, untrained: the speed of a flow does not depend on its weights.
fn timed(bench: &Bench<'_>, students: &[ModelPlan], events: &mut Events<'_>) -> Result<Vec<Candidate>> {
    let mut forward = |event: Event<'_>| events(event);
    let runner = Runner::new(bench.plan, bench.data, bench.run, bench.teacher.flow.device(), &mut forward);
    let one = |student: &ModelPlan| -> Result<Candidate> {
        let mut candidate = Candidate {
            role: student.role.clone(),
            model: student.flow.describe(false),
            cost: Cost::default(),
            broken: Vec::new(),
            rungs: Vec::new(),
            failed: None,
        };
        match runner.build(student, Some(&bench.teacher.flow)) {
            Ok((flow, _)) => {
                let model = Model {
                    flow,
                    standardization: bench.teacher.standardization.clone(),
                    pictures: None,
                    dequantizer: None,
                    facts: TrainingFacts::default(),
                };
                candidate.cost = measure(&[&model], bench.probe()?, ROUNDS)?.pop().unwrap_or_default();
                candidate.broken = bench.config.budget.broken_by(&candidate.cost);
            }
            // A teacher whose steps have no fellow in a shorter flow, for instance.
            Err(error) if error.is_input() => candidate.failed = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(candidate)
    };
    students.iter().map(one).collect()
}

/// The data set with the validation split in the place of the test split.
fn blind(data: &Prepared) -> Prepared {
    let [train, validation, _] = data.groups.clone();
    Prepared { test: data.training.validation.clone(), groups: [train, validation.clone(), validation], ..data.clone() }
}

/// Say how near the budget the nearest candidate comes.
fn nobody(candidates: &[Candidate], axis: Axis) -> Error {
    let built = candidates.iter().filter(|candidate| candidate.failed.is_none());
    let nearest = built.min_by(|a, b| {
        let along = |candidate: &Candidate| axis.value(&candidate.cost);
        a.broken.len().cmp(&b.broken.len()).then(along(b).total_cmp(&along(a)))
    });
    let told = match nearest {
        Some(candidate) => format!("{} comes nearest: {}", candidate.role, candidate.broken.join("; ")),
        None => {
            let why = candidates.iter().find_map(|candidate| candidate.failed.clone()).unwrap_or_default();
            format!("none could be built: {why}")
        }
    };
    Error::input(format!("budget: no student keeps to it; {told}; loosen the budget"))
}

impl Axis {
    /// The limits by which models are told apart, for a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SamplesPerSecond => "samples/s",
            Self::LogProbRowsPerSecond => "log_prob rows/s",
            Self::Latency => "latency",
            Self::Megabytes => "size",
            Self::Parameters => "parameters",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rung_takes_all_steps() {
        let steps: Vec<u64> = (0..3).map(|rung| steps_of(9_000, rung, 3)).collect();
        assert_eq!(steps, [1_000, 3_000, 9_000]);
        assert_eq!(steps_of(2, 0, 6), 1);
    }
}
