//! `flowstill train`: one model of a recipe, on data alone.

use super::{experiment, overrides};
use crate::args::{RecipeArgs, Train, Which};
use crate::failure::Outcome;
use crate::out;
use crate::progress::Progress;
use flowstill_experiment::words::printable;
use flowstill_experiment::{Recipe, TrainedModel};

pub(super) fn run(args: &Train, quiet: bool) -> Outcome<()> {
    let recipe = Recipe::read(&args.path, overrides(&args.recipe, &[], args.seed))?;
    let experiment = experiment(&recipe, &args.recipe, &[])?;
    let mut progress = Progress::new(quiet);
    let trained = match args.model {
        Which::Teacher => experiment.train_teacher(&mut |event| progress.event(event))?,
        Which::Student => experiment.train_student(&mut |event| progress.event(event))?,
    };
    show(&trained, &args.recipe)
}

/// Print what became of one model.
pub(super) fn show(trained: &TrainedModel, args: &RecipeArgs) -> Outcome<()> {
    let file = trained.file.display().to_string();
    if args.json {
        let mut value = serde_json::json!(trained.report.row);
        value["flow"] = file.into();
        value["notes"] = trained.report.notes.clone().into();
        return out::print_json(&value);
    }
    out::print(&format!("{}\n{}\n", printable(&trained.report.row.summary()), printable(&file)))
}
