//! `flowstill frontier`: which student to take.

use crate::args::Frontier as Args;
use crate::dataspec::typed;
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;
use crate::{interrupt, out};
use flowstill_experiment::{Budget, Frontier, FrontierConfig, Override, Recipe};
use std::path::{Path, PathBuf};
use toml::Value;

/// How students of a flow file are trained where nothing is said.
const TRAINING: &str = r#"
[train]
steps = 10000
batch = 512
optimiser = { rate = 2e-3 }
schedule = { warmup = 200 }
"#;

pub(super) fn run(args: &Args, quiet: bool) -> Outcome<()> {
    let recipe_given = args.path.extension().is_some_and(|ending| ending == "toml");
    let mut sets = Vec::new();
    if let Some(data) = &args.data {
        if recipe_given {
            sets.push(Override::new(&["data", "path"], data.clone()));
        } else {
            let (_, table) = typed(data)?;
            sets.extend(table.into_iter().map(|(key, value)| Override::new(&["data", &key], value)));
        }
    }
    if let Some(device) = args.device {
        sets.push(Override::new(&["device"], device.name()));
    }
    if !args.seeds.is_empty() {
        let seeds: Vec<Value> =
            args.seeds.iter().map(|&seed| Value::Integer(i64::try_from(seed).unwrap_or(i64::MAX))).collect();
        sets.push(Override::new(&["compare", "seeds"], seeds));
    }
    sets.extend(args.set.iter().cloned());
    let recipe = if recipe_given { Recipe::read(&args.path, sets)? } else { of_flow(&args.path, sets)? };
    recipe.shadowed().iter().for_each(|line| out::note(line));
    let plan = recipe.plan()?;
    let config = FrontierConfig {
        budget: Budget {
            samples_per_second: args.samples_per_second,
            log_prob_rows_per_second: args.log_prob_rows_per_second,
            latency_us: args.latency_us,
            megabytes: args.megabytes,
            parameters: args.parameters,
        },
        steps: args.steps,
        rungs: args.rungs,
        finalists: args.finalists,
        lesson: args.lesson,
        samples: args.samples,
    };
    interrupt::listen();
    let run = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(format!("{}-frontier", plan.name)));
    let mut search = Frontier::new(plan, config, run);
    if !recipe_given && args.data.is_none() {
        search = search.without_data();
    }
    let mut progress = Progress::new(quiet);
    let report = search.search(&mut |event| progress.event(event))?;
    if args.json {
        return out::print_json(&report);
    }
    out::print(&report.text())?;
    out::note(&format!("table, picture, flows and report.html are in {}", report.run));
    Ok(())
}

/// The recipe that a flow file stands for.
fn of_flow(path: &Path, sets: Vec<Override>) -> Outcome<Recipe> {
    if !path.is_file() {
        return Err(Failure::input(format!("{}: no such file; give a recipe (.toml) or a flow file", path.display())));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches('.');
    let name = if name.is_empty() { "flow" } else { name };
    let file = Value::String(path.to_string_lossy().into_owned());
    let text = format!(
        "name = {}\n{TRAINING}\n[teacher]\nfile = {file}\n[compare]\nseeds = [1, 2, 3]\n[data]\nset = \"household\"\n",
        Value::String(name.into())
    );
    Ok(Recipe::parse(&path.display().to_string(), &text, sets)?)
}
