//! `flowstill distill`: the student of a recipe, with its teacher's help.

use super::train::show;
use super::{overrides, plan, run_folder, stoppable};
use crate::args::Distill;
use crate::compare::{load_data, open_run};
use crate::failure::{Failure, Outcome};
use crate::learn::{Workshop, build, folder, preflight};
use crate::plan::{TEACHER, missing};
use crate::{device, out};
use flowstill::file;

pub(super) fn run(args: &Distill, quiet: bool) -> Outcome<()> {
    let plan = plan(&args.path, overrides(&args.recipe, &[], args.seed))?;
    device::check(&plan.device)?;
    let student = match &args.variant {
        Some(name) => plan.variant(name)?,
        None => plan.distilled.as_ref().ok_or_else(|| missing(&plan.name, "student"))?,
    };
    let seed = student.train.seed;
    stoppable();
    let given = match args.teacher.as_ref().or(plan.teacher_file.as_ref()) {
        Some(path) => Some(file::load(path, &device::current())?),
        None => None,
    };
    let data = load_data(&plan, given.as_ref(), quiet)?;
    let run = run_folder(&args.recipe, &plan);
    let untrained = match (&given, &plan.teacher) {
        (Some(model), _) => model.flow.clone(),
        (None, Some(teacher)) => build(teacher, &data, None)?.0,
        (None, None) => {
            let message = format!("recipe {}: has no teacher; add [teacher], or give --teacher FLOW", plan.name);
            return Err(Failure::input(message));
        }
    };
    preflight(student, &data, Some(&untrained))?;
    open_run(&plan, &run)?;
    let workshop =
        Workshop { data: &data, fingerprint: data.fingerprint(), judge: &plan.judge, judge_again: false, quiet };
    let teacher = match (given, &plan.teacher) {
        (Some(model), _) => model,
        (None, Some(teacher)) => {
            let place = folder(&run, seed, TEACHER);
            if !place.join("report.json").exists() && !quiet {
                out::note(&format!("no teacher is in {} yet: it is trained first", place.display()));
            }
            workshop.learn(&teacher.with_seed(seed), None, &place, TEACHER)?.model
        }
        (None, None) => return Err(missing(&plan.name, TEACHER)),
    };
    let place = folder(&run, seed, &student.role);
    let learned = workshop.learn(student, Some(&teacher), &place, &student.role)?;
    show(&learned, &place, &args.recipe)
}
