//! Train the finalists over the reported seeds, beside their untaught twins, and measure them all once.

use super::Bench;
use super::budget::{Cost, measure};
use super::front::on_front;
use super::report::{FrontModel, FrontierReport, PerSeed};
use super::search::Searched;
use crate::evaluate::divergence;
use crate::recipe::{ModelPlan, Plan, TEACHER};
use crate::report::Failed;
use crate::runner::{Runner, TrainedModel};
use crate::{Error, Event, Events, Result};
use flowstill::model::Model;

/// Rounds of the timings that are reported.
const ROUNDS: usize = 5;

/// One student over the seeds.
struct Trained {
    plan: ModelPlan,
    models: Vec<TrainedModel>,
}

/// Train, measure, and choose; `plan` is the one without timings, by which the teacher was evaluated.
///
/// # Errors
/// What trainings, flows and files report; a student that diverges on a seed is out, and is named.
pub(super) fn finals(
    bench: &Bench<'_>,
    plan: &Plan,
    searched: Searched,
    teacher: &TrainedModel,
    without_data: bool,
    events: &mut Events<'_>,
) -> Result<FrontierReport> {
    let folder = bench.run.join("final");
    let twins = searched.finalists.iter().flat_map(|student| [Some(student.clone()), untaught(student)]).flatten();
    let students: Vec<ModelPlan> = twins.collect();
    let (mut trained, mut failed) = (Vec::new(), Vec::new());
    let mut forward = |event: Event<'_>| events(event);
    let mut runner = Runner::new(plan, bench.data, &folder, bench.teacher.flow.device(), &mut forward);
    let total = students.len() * plan.seeds.len();
    for (index, student) in students.into_iter().enumerate() {
        let mut models = Vec::new();
        for (round, &seed) in plan.seeds.iter().enumerate() {
            let done = index * plan.seeds.len() + round + 1;
            let label = format!("[final {done}/{total}] seed {seed} {}", student.role);
            match runner.learn(&student.with_seed(seed), Some(bench.teacher), &label) {
                Ok(one) => models.push(one),
                Err(Error::Diverged(error)) => {
                    (runner.events)(Event::Note(&format!("{label}: {error}; this student is out")));
                    failed.push(Failed { role: student.role.clone(), seed, error });
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if models.len() == plan.seeds.len() {
            trained.push(Trained { plan: student, models });
        }
    }
    let models = laid_out(bench, teacher, &trained)?;
    Ok(FrontierReport {
        name: plan.name.clone(),
        data: bench.data.source.clone(),
        without_data,
        seeds: plan.seeds.clone(),
        budget: bench.config.budget.clone(),
        axis: bench.config.budget.axis(),
        config: bench.config.clone(),
        chosen: chosen(&models),
        models,
        candidates: searched.candidates,
        failed,
        run: bench.run.display().to_string(),
    })
}

/// The same student without its lesson and its inheritance; none where it has neither.
fn untaught(student: &ModelPlan) -> Option<ModelPlan> {
    student.distill.as_ref()?;
    let role = format!("{}-plain", student.role);
    Some(ModelPlan { role, distill: None, ..student.clone() })
}

fn laid_out(bench: &Bench<'_>, teacher: &TrainedModel, trained: &[Trained]) -> Result<Vec<FrontModel>> {
    let firsts: Vec<&TrainedModel> =
        [teacher].into_iter().chain(trained.iter().filter_map(|one| one.models.first())).collect();
    let timed: Vec<&Model> = firsts.iter().map(|one| &one.model).collect();
    let mut costs = measure(&timed, bench.probe()?, ROUNDS)?;
    for (cost, one) in costs.iter_mut().zip(&firsts) {
        if let Ok(facts) = std::fs::metadata(&one.file) {
            cost.megabytes = facts.len() as f64 / 1e6;
        }
    }
    let mut costs = costs.into_iter();
    let mut next = || costs.next().unwrap_or_default();
    let mut models = vec![of_teacher(teacher, next())];
    for one in trained {
        models.push(of_student(bench, one, next(), trained)?);
    }
    let axis = bench.config.budget.axis();
    let points: Vec<(f64, f64)> = models.iter().map(|model| (-model.nats.mean, axis.value(&model.cost))).collect();
    for (model, on_front) in models.iter_mut().zip(on_front(&points)) {
        model.on_front = on_front;
        model.broken = bench.config.budget.broken_by(&model.cost);
    }
    Ok(models)
}

fn of_teacher(teacher: &TrainedModel, cost: Cost) -> FrontModel {
    let row = &teacher.report.row;
    FrontModel {
        role: TEACHER.into(),
        model: row.model.clone(),
        cost,
        nats: PerSeed::of(&[-row.metrics.test_nll_nats]),
        c2st: row.metrics.c2st,
        faults: row.metrics.faults(),
        files: vec![teacher.file.display().to_string()],
        ..FrontModel::default()
    }
}

fn of_student(bench: &Bench<'_>, one: &Trained, cost: Cost, all: &[Trained]) -> Result<FrontModel> {
    let nats = |of: &Trained| -> Vec<f64> { of.models.iter().map(|m| -m.report.row.metrics.test_nll_nats).collect() };
    let validation: Vec<f64> =
        one.models.iter().map(|m| m.report.row.validation_nll.map_or(f64::NAN, |nll| -nll)).collect();
    let twin = one.plan.distill.as_ref().and_then(|_| {
        let role = format!("{}-plain", one.plan.role);
        all.iter().find(|other| other.plan.role == role)
    });
    let lost = |of: &Trained| of.models.iter().any(|m| m.report.row.metrics.test_rows_not_finite > 0);
    // Means over other rows than the twin's would flatter whoever loses the hard ones.
    let gain = twin.filter(|twin| !lost(one) && !lost(twin)).map(|twin| {
        let gains: Vec<f64> = nats(one).iter().zip(nats(twin)).map(|(taught, plain)| taught - plain).collect();
        PerSeed::of(&gains)
    });
    let seed = bench.plan.evaluate.seed;
    let count = bench.plan.evaluate.samples.clamp(1_000, 10_000);
    let rows = bench.data.test_rows()?.head(count);
    let context: Vec<f64> = raw_context(bench, rows.context_values());
    let far = |model: &TrainedModel| divergence(bench.teacher, &model.model, rows.len(), seed, &context);
    let divergences = one.models.iter().map(far).collect::<Result<Vec<_>>>()?;
    let kl: Vec<f64> = divergences.iter().map(|d| d.kl_teacher_student).collect();
    let c2st: Vec<f64> = one.models.iter().filter_map(|m| m.report.row.metrics.c2st).collect();
    Ok(FrontModel {
        role: one.plan.role.clone(),
        model: one.plan.flow.describe(false),
        lesson: one.plan.distill.clone(),
        cost,
        nats: PerSeed::of(&nats(one)),
        validation_nats: Some(PerSeed::of(&validation)),
        gain_over_plain: gain,
        kl_from_teacher: Some(PerSeed::of(&kl)),
        divergences,
        c2st: (!c2st.is_empty()).then(|| c2st.iter().sum::<f64>() / c2st.len() as f64),
        faults: one.models.iter().flat_map(|m| m.report.row.metrics.faults()).collect(),
        files: one.models.iter().map(|m| m.file.display().to_string()).collect(),
        ..FrontModel::default()
    })
}

/// Conditioning values in the data's own units.
fn raw_context(bench: &Bench<'_>, values: &[f32]) -> Vec<f64> {
    let scales = &bench.teacher.standardization;
    let width = scales.context_mean.len().max(1);
    let raw = |(at, &value): (usize, &f32)| {
        f64::from(value) * scales.context_std[at % width] + scales.context_mean[at % width]
    };
    values.iter().enumerate().map(raw).collect()
}

/// The student within the budget with the best validation likelihood, and of its seeds the file with the best.
fn chosen(models: &[FrontModel]) -> Option<String> {
    let validated = |model: &FrontModel| model.validation_nats.as_ref().map_or(f64::NEG_INFINITY, |nats| nats.mean);
    let within = models.iter().filter(|model| model.role != TEACHER && model.broken.is_empty());
    let best = within.max_by(|a, b| validated(a).total_cmp(&validated(b)))?;
    let values = &best.validation_nats.as_ref()?.values;
    let seed = (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b]))?;
    best.files.get(seed).cloned()
}
