//! `flowstill compare`: teacher, plain student and every variant, over seeds, as one table.

use super::{overrides, plan, run_folder, stoppable};
use crate::args::Compare;
use crate::compare::{Options, compare};
use crate::failure::Outcome;
use crate::report::Comparison;
use crate::{out, table};

pub(super) fn run(args: &Compare, quiet: bool) -> Outcome<()> {
    let mut plan = plan(&args.path, overrides(&args.recipe, &args.seeds, None))?;
    if !args.only.is_empty() {
        let kept: Outcome<Vec<_>> = args.only.iter().map(|name| plan.variant(name).cloned()).collect();
        plan.variants = kept?;
    }
    stoppable();
    let options = Options { run: run_folder(&args.recipe, &plan), judge_again: args.judge_again, quiet };
    show(&compare(&plan, &options)?, args.recipe.json)
}

/// Print a comparison for people or for programs.
pub(super) fn show(comparison: &Comparison, json: bool) -> Outcome<()> {
    match json {
        true => out::print_json(comparison),
        false => {
            out::print(&table::text(comparison))?;
            out::note(&format!("tables, curves and flows are in {}", comparison.run));
            Ok(())
        }
    }
}
