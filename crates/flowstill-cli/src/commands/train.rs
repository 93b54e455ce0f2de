//! `flowstill train`: one model of a recipe, on data alone.

use super::{overrides, plan, run_folder, stoppable};
use crate::args::{RecipeArgs, Train, Which};
use crate::compare::{load_data, open_run};
use crate::failure::Outcome;
use crate::learn::{Learned, Workshop, folder};
use crate::plan::{TEACHER, missing};
use crate::{device, out};
use std::path::Path;

pub(super) fn run(args: &Train, quiet: bool) -> Outcome<()> {
    let plan = plan(&args.path, overrides(&args.recipe, &[], args.seed))?;
    device::choose(&plan.device)?;
    let model = match args.model {
        Which::Teacher => plan.teacher.as_ref().ok_or_else(|| missing(&plan.name, TEACHER))?,
        Which::Student => plan.student()?,
    };
    stoppable();
    let data = load_data(&plan, None, quiet)?;
    let run = run_folder(&args.recipe, &plan);
    let workshop = Workshop::new(&plan, &data, &run, quiet);
    let place = folder(&run, model.train.seed, &model.role);
    workshop.check_folder(model, &place)?;
    let _open = open_run(&plan, &run)?;
    let learned = workshop.learn(model, None, &place, &model.role)?;
    show(&learned, &place, &args.recipe)
}

/// Print what became of one model.
pub(super) fn show(learned: &Learned, place: &Path, args: &RecipeArgs) -> Outcome<()> {
    let flow = place.join("flow.safetensors");
    if args.json {
        let mut value = serde_json::json!(learned.report.row);
        value["flow"] = flow.display().to_string().into();
        value["notes"] = learned.report.notes.clone().into();
        return out::print_json(&value);
    }
    out::print(&format!("{}\n{}\n", learned.report.row.summary(), flow.display()))
}
