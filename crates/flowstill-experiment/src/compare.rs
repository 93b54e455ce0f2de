//! Run a whole comparison: every seed's teacher, plain student and variants, then one table.

use crate::evaluate::densities;
use crate::events::Event;
use crate::experiment::{Experiment, device, load_data};
use crate::recipe::{ModelPlan, PLAIN, TEACHER, missing};
use crate::report::{Comparison, Failed, Row, best_by_validation, json, pair, place, place_given, summarise};
use crate::report_page::write_or_tell;
use crate::run_folder::open_run;
use crate::runner::{Runner, TrainedModel, folder};
use crate::{Error, Events, Result, plots};
use flowstill::file::{self, write_atomically};
use flowstill::flows::Flow;
use flowstill::model::Model;

/// Run it all, and write the run folder's table and plots.
///
/// # Errors
/// What any model reports; finished models stay, and the next call goes on from there.
pub fn compare(experiment: &Experiment, events: &mut Events<'_>) -> Result<Comparison> {
    let Experiment { plan, run, evaluate_again } = experiment;
    let device = device(&plan.device, events)?;
    plan.student()?;
    let given = match (&plan.teacher, &plan.teacher_file) {
        (None, Some(path)) => Some((file::load(path, &device)?, path)),
        (None, None) => return Err(missing(&plan.name, TEACHER)),
        (Some(_), _) => None,
    };
    let data = load_data(plan, given.as_ref().map(|(model, _)| model), events)?;
    let mut runner = Runner::new(plan, &data, run, device, events);
    runner.evaluate_again = *evaluate_again;
    let students: Vec<&ModelPlan> = plan.plain.iter().chain(&plan.variants).collect();
    let untrained: Option<Flow> = match (&plan.teacher, &given) {
        (Some(teacher), _) => Some(runner.build(teacher, None)?.0),
        (None, given) => given.as_ref().map(|(model, _)| model.flow.clone()),
    };
    // Build every model once, untrained, so that a misfit is told now and not after hours.
    for student in &students {
        let built = runner.preflight(student, untrained.as_ref());
        built.map_err(|error| error.within(&format!("student {}", student.role)))?;
    }
    for &seed in &plan.seeds {
        let goes_on = plan.teacher.as_ref().map(|teacher| runner.check_folder(&teacher.with_seed(seed), false));
        let goes_on = goes_on.transpose()?.unwrap_or_default();
        for student in &students {
            runner.check_folder(&student.with_seed(seed), goes_on)?;
        }
    }
    let _open = open_run(plan, run, runner.events)?;
    let total = plan.seeds.len() * (students.len() + usize::from(plan.teacher.is_some()));
    let mut done = 0;
    let mut label = |seed: u64, role: &str| {
        done += 1;
        format!("[{done}/{total}] seed {seed} {role}")
    };
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    let mut shown: Vec<(String, Model)> = Vec::new();
    let mut first_seed: Vec<TrainedModel> = Vec::new();
    let given = given.map(|(model, path)| runner.given(model, path, "teacher (from its file)")).transpose()?;
    rows.extend(given.as_ref().map(|teacher| teacher.report.row.clone()));
    rows.iter_mut().for_each(place_given);
    for (index, &seed) in plan.seeds.iter().enumerate() {
        let trained = match &plan.teacher {
            Some(teacher) => Some(runner.learn(&teacher.with_seed(seed), None, &label(seed, TEACHER))?),
            None => None,
        };
        if let (Some(teacher), Some(of)) = (&trained, &plan.teacher) {
            let mut row = teacher.report.row.clone();
            place(&mut row, of, plan)?;
            rows.push(row);
        }
        let teacher = trained.as_ref().or(given.as_ref()).map(|trained| &trained.model);
        let mut learned = Vec::new();
        for student in &students {
            let name = label(seed, &student.role);
            match runner.learn(&student.with_seed(seed), teacher, &name) {
                Ok(one) => {
                    let mut row = one.report.row.clone();
                    place(&mut row, student, plan)?;
                    rows.push(row);
                    learned.push(one);
                }
                // That a distillation diverges is a finding, not the end of the comparison.
                Err(Error::Diverged(error)) if student.distill.is_some() => {
                    (runner.events)(Event::Note(&format!("{name}: {error}")));
                    failed.push(Failed { role: student.role.clone(), seed, error });
                }
                Err(error) => return Err(error),
            }
        }
        if index == 0 {
            shown.extend(teacher.map(|model| (TEACHER.to_string(), model.clone())));
            first_seed = learned;
        }
    }
    if data.pictures.is_none() {
        let (test, device) = (data.test_rows()?, runner.device.clone());
        pair(&mut rows, &mut |role, seed| {
            let model = file::load(&folder(run, seed, role).join("flow.safetensors"), &device)?;
            densities(&model, test.values(), test.context_values())
        })?;
    }
    let summary = summarise(&rows);
    // Of the distilled students the plot shows one, chosen as a user would have to: on the validation split.
    let best = best_by_validation(&summary, &plan.seeds).map(|summary| summary.role.clone());
    let comparison = Comparison {
        name: plan.name.clone(),
        data: data.source.clone(),
        seeds: plan.seeds.clone(),
        summary,
        best_by_validation: best.clone(),
        mmd2_bandwidth: rows.iter().find_map(|row| row.metrics.mmd2_bandwidth),
        rows,
        failed,
        run: run.display().to_string(),
    };
    let wanted = |row: &Row| data.pictures.is_some() || row.role == PLAIN || Some(&row.role) == best.as_ref();
    let picked = first_seed.into_iter().filter(|learned| wanted(&learned.report.row));
    shown.extend(picked.map(|learned| (learned.report.row.role.clone(), learned.model)));
    write_atomically(&run.join("comparison.json"), json(&comparison)?.as_bytes())?;
    write_atomically(&run.join("comparison.md"), comparison.markdown().as_bytes())?;
    let place = |role: &str, seed: u64| folder(run, seed, role);
    plots::of_comparison(run, &comparison, &data, &place, &shown, runner.events)?;
    write_or_tell(run, runner.events);
    Ok(comparison)
}
