//! `flowstill compare`: teacher, plain student and every variant, over seeds, as one table.

use super::{experiment, overrides};
use crate::args::Compare;
use crate::failure::Outcome;
use crate::out;
use crate::progress::Progress;
use flowstill_experiment::{Experiment, Recipe};

pub(super) fn run(args: &Compare, quiet: bool) -> Outcome<()> {
    let recipe = Recipe::read(&args.path, overrides(&args.recipe, &args.seeds, None))?;
    let experiment = experiment(&recipe, &args.recipe, &args.only)?.evaluate_again(args.judge_again);
    show(&experiment, args.recipe.json, quiet)
}

/// Run a comparison, and print it for people or for programs.
pub(super) fn show(experiment: &Experiment, json: bool, quiet: bool) -> Outcome<()> {
    let mut progress = Progress::new(quiet);
    let comparison = experiment.compare(&mut |event| progress.event(event))?;
    if json {
        return out::print_json(&comparison);
    }
    out::print(&comparison.text())?;
    out::note(&format!("tables, curves, flows and report.html are in {}", comparison.run));
    Ok(())
}
