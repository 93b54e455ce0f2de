//! `flowstill quickstart`: a comparison that runs anywhere, on a table that ships inside.

use super::{compare, experiment, overrides};
use crate::args::Quickstart;
use crate::failure::Outcome;
use flowstill_experiment::Recipe;

const NAME: &str = "recipes/household/quickstart.toml";
const RECIPE: &str = include_str!("../../../../recipes/household/quickstart.toml");

pub(super) fn run(args: &Quickstart, quiet: bool) -> Outcome<()> {
    let recipe = Recipe::parse(NAME, RECIPE, overrides(&args.recipe, &args.seeds, None))?;
    compare::show(&experiment(&recipe, &args.recipe, &[])?, args.recipe.json, quiet)
}
