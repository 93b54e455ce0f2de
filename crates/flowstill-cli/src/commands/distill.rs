//! `flowstill distill`: the student of a recipe, with its teacher's help.

use super::train::show;
use super::{experiment, overrides};
use crate::args::Distill;
use crate::failure::Outcome;
use crate::progress::Progress;
use flowstill_experiment::Recipe;

pub(super) fn run(args: &Distill, quiet: bool) -> Outcome<()> {
    let recipe = Recipe::read(&args.path, overrides(&args.recipe, &[], args.seed))?;
    let experiment = experiment(&recipe, &args.recipe, &[])?;
    let mut progress = Progress::new(quiet);
    let (variant, teacher) = (args.variant.as_deref(), args.teacher.as_deref());
    let trained = experiment.distill(variant, teacher, &mut |event| progress.event(event))?;
    show(&trained, &args.recipe)
}
