//! `flowstill distill`: the student of a recipe, with its teacher's help.

use super::train::show;
use super::{overrides, plan, run_folder, stoppable};
use crate::args::Distill;
use crate::compare::{load_data, open_run};
use crate::failure::{Failure, Outcome};
use crate::learn::{Workshop, build, folder, preflight};
use crate::plan::{TEACHER, missing};
use crate::{device, out};
use flowstill::distill::{DistillConfig, Inheritance};
use flowstill::file;

/// Recipes of a comparison keep the losses in their variants; alone, such a [distill] would train a plain student under another name.
fn teaches_nothing(config: &DistillConfig) -> bool {
    let weights = [config.lkd, config.ilkd, config.skd, config.teacher_samples, config.norm_control];
    weights.iter().all(|weight| *weight == 0.0) && matches!(config.inherit, Inheritance::None)
}

pub(super) fn run(args: &Distill, quiet: bool) -> Outcome<()> {
    let plan = plan(&args.path, overrides(&args.recipe, &[], args.seed))?;
    device::choose(&plan.device)?;
    let student = match &args.variant {
        Some(name) => plan.variant(name)?,
        None => plan.distilled.as_ref().ok_or_else(|| missing(&plan.name, "student"))?,
    };
    if student.distill.as_ref().is_some_and(teaches_nothing) {
        return Err(Failure::input(format!(
            "recipe {}: its [distill] gives every loss the weight 0; name one of its variants (--variant NAME), or set a weight \
             (--set distill.teacher_samples=0.3)",
            plan.name
        )));
    }
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
    let workshop = Workshop::new(&plan, &data, &run, quiet);
    let place = folder(&run, seed, &student.role);
    workshop.check_folder(student, &place)?;
    let _open = open_run(&plan, &run)?;
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
    let learned = workshop.learn(student, Some(&teacher), &place, &student.role)?;
    show(&learned, &place, &args.recipe)
}
