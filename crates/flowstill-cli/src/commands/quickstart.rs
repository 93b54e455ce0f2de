//! `flowstill quickstart`: a comparison that runs anywhere, on a table that ships inside.

use super::{overrides, run_folder, stoppable, tell_shadowed};
use crate::args::Quickstart;
use crate::compare::{Options, compare};
use crate::failure::Outcome;
use crate::plan::Plan;
use crate::recipe;

const NAME: &str = "recipes/household/quickstart.toml";
const RECIPE: &str = include_str!("../../../../recipes/household/quickstart.toml");

pub(super) fn run(args: &Quickstart, quiet: bool) -> Outcome<()> {
    let read = recipe::read_text(NAME, RECIPE, overrides(&args.recipe, &args.seeds, None))?;
    tell_shadowed(&read);
    let plan = Plan::new(&read)?;
    stoppable();
    let options = Options { run: run_folder(&args.recipe, &plan), judge_again: false, quiet };
    super::compare::show(&compare(&plan, &options)?, args.recipe.json)
}
