//! Hand each command to its room.

mod against;
mod compare;
mod data;
mod data_pictures;
mod distill;
mod evaluate;
mod evaluate_pictures;
mod frontier;
mod inspect;
mod quickstart;
mod reference;
mod report;
mod sample;
mod sample_pictures;
mod score;
mod score_pictures;
mod sheet;
mod train;

use crate::args::{self, Cli, Command, MemoryMode, RecipeArgs};
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;
use crate::{interrupt, out};
use clap::Parser;
use clap::error::ErrorKind;
use flowstill::burn::tensor::Device;
use flowstill::model::Model;
use flowstill_data::DataError;
use flowstill_experiment::words::{first_names, printable};
use flowstill_experiment::{Experiment, Override, Recipe, class_names, device};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::Value;

/// Read the command line and run it.
///
/// # Errors
/// What the command reports.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Outcome<()> {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let Some(threads) = cli.threads {
        if threads == 0 {
            return Err(Failure::input("--threads: expected at least 1, got 0; leave it out to use every core"));
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|error| Failure::run(format!("--threads: {error}")))?;
    }
    match cli.command {
        Command::Quickstart(args) => quickstart::run(&args, cli.quiet),
        Command::Train(args) => train::run(&args, cli.quiet),
        Command::Distill(args) => distill::run(&args, cli.quiet),
        Command::Compare(args) => compare::run(&args, cli.quiet),
        Command::Frontier(args) => frontier::run(&args, cli.quiet),
        Command::Report(args) => report::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Sheet(args) => sheet::run(&args, cli.quiet),
        Command::Inspect(args) => inspect::run(&args),
        Command::Data(command) => data::run(&command),
        Command::Completions(args) => reference::completions(args.shell),
        Command::Reference => reference::print(),
    }
}

/// Help and version are results; anything else is one line about what was typed.
fn usage(error: &clap::Error) -> Outcome<()> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => out::print(&text),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::input("expected a command, got none; see `flowstill --help`"))
        }
        _ => {
            let told = text.lines().take_while(|line| !line.starts_with("Usage:"));
            let told: Vec<&str> = told.filter(|line| !line.starts_with("For more information")).collect();
            Err(Failure::input(format!("{}\nsee --help", told.join("\n").trim_start_matches("error: "))))
        }
    }
}

/// The overrides that the options of a recipe command stand for; later ones win.
fn overrides(args: &RecipeArgs, seeds: &[u64], seed: Option<u64>) -> Vec<Override> {
    let mut all = args.set.clone();
    if let Some(data) = &args.data {
        all.push(Override::new(&["data", "path"], data.to_string_lossy().into_owned()));
    }
    if let Some(device) = args.device {
        all.push(Override::new(&["device"], device.name()));
    }
    if let Some(memory) = args.memory {
        let mode = match memory {
            MemoryMode::Store => "store",
            MemoryMode::Recompute => "recompute",
            MemoryMode::Invert => "invert",
        };
        all.push(Override::new(&["train", "memory"], mode));
    }
    if !seeds.is_empty() {
        let seeds: Vec<Value> =
            seeds.iter().map(|&seed| Value::Integer(i64::try_from(seed).unwrap_or(i64::MAX))).collect();
        all.push(Override::new(&["compare", "seeds"], seeds));
    }
    if let Some(seed) = seed {
        all.push(Override::new(&["train", "seed"], i64::try_from(seed).unwrap_or(i64::MAX)));
    }
    all
}

/// The experiment of a recipe in `--out` or `runs/NAME`, with the variants of `only` alone where it names any. From here on a stop leaves a
/// checkpoint.
fn experiment(recipe: &Recipe, args: &RecipeArgs, only: &[String]) -> Outcome<Experiment> {
    recipe.shadowed().iter().for_each(|line| out::note(line));
    let mut plan = recipe.plan()?;
    if !only.is_empty() {
        plan.variants = only.iter().map(|name| plan.variant(name).cloned()).collect::<Result<_, _>>()?;
    }
    interrupt::listen();
    let run = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&plan.name));
    Ok(Experiment::new(plan, run))
}

/// The device that an option names.
fn choose(name: args::Device) -> Outcome<Device> {
    let mut progress = Progress::new(true);
    Ok(device(name.name(), &mut |event| progress.event(event))?)
}

/// Takes values, whole rows one after another.
type Put<'a> = &'a mut dyn FnMut(&[f64]) -> Outcome<()>;

/// Write rows that nobody has counted to a file by its ending, or as CSV to standard output, as `fill` hands them on.
fn write_streamed(names: &[String], out: Option<&Path>, fill: &mut dyn FnMut(Put<'_>) -> Outcome<()>) -> Outcome<()> {
    // Only stops the other side; what is told is the failure itself.
    let stop = || DataError::Shape { expected: "rows".into(), got: "none".into() };
    if let Some(path) = out {
        let mut failure = None;
        let written = flowstill_data::write_streamed(path, names, &mut |put| {
            let mut broken = None;
            let filled = fill(&mut |values| {
                put(values).map_err(|error| {
                    broken = Some(error);
                    Failure::Silent
                })
            });
            match (broken, filled) {
                (Some(error), _) => Err(error),
                (None, Ok(())) => Ok(()),
                (None, Err(why)) => {
                    failure = Some(why);
                    Err(stop())
                }
            }
        });
        return match failure {
            Some(failure) => Err(failure),
            None => Ok(written?),
        };
    }
    let mut begun = false;
    fill(&mut |values| {
        // Not before there are rows, so that what fails at once prints nothing.
        if !std::mem::replace(&mut begun, true) {
            print_names(names)?;
        }
        print_rows(names.len(), values)
    })
}

fn print_names(names: &[String]) -> Outcome<()> {
    out::print(&format!("{}\n", names.iter().map(|name| quoted(&printable(name))).collect::<Vec<_>>().join(",")))
}

/// Rows as CSV, in pieces, so that a reader that wants the first rows alone does not wait for the text of all.
fn print_rows(columns: usize, values: &[f64]) -> Outcome<()> {
    let columns = columns.max(1);
    for part in values.chunks(columns * 4096) {
        let line = |row: &[f64]| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",") + "\n";
        out::print(&part.chunks(columns).map(line).collect::<String>())?;
    }
    Ok(())
}

/// Write `rows` rows that come in parts, so that none but the newest is held.
fn write_parts(
    names: &[String],
    rows: usize,
    out: Option<&Path>,
    next: &mut dyn FnMut() -> Outcome<Option<Vec<f64>>>,
) -> Outcome<()> {
    if let Some(path) = out {
        let mut failure = None;
        let written = flowstill_data::write_in_parts(path, names, rows, &mut || {
            next().map_err(|why| {
                failure = Some(why);
                // Only stops the writer; what is told is the failure itself.
                DataError::Shape { expected: "rows".into(), got: "none".into() }
            })
        });
        return match failure {
            Some(failure) => Err(failure),
            None => Ok(written?),
        };
    }
    // Before the names, so that a draw that fails at once prints nothing.
    let mut part = next()?;
    print_names(names)?;
    while let Some(values) = part {
        print_rows(names.len(), &values)?;
        part = next()?;
    }
    Ok(())
}

/// A name as a field of CSV.
fn quoted(name: &str) -> String {
    match name.is_empty() || name.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_string(),
    }
}

/// Refuse options that mean nothing here; `why` begins with what the flow is.
fn refuse_options(given: &[(&str, bool)], why: &str) -> Outcome<()> {
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::input(format!("--{name}: {why}; leave it out"))),
        None => Ok(()),
    }
}

/// The class of a flow over pictures that `typed` names or numbers.
fn class_of(model: &Model, typed: &str) -> Outcome<u32> {
    let classes = class_names(model);
    if classes.is_empty() {
        return Err(Failure::input("--class: this flow is not conditioned on classes; leave it out"));
    }
    let named = classes.iter().position(|class| class == typed);
    let found = named.or_else(|| typed.parse().ok().filter(|class| *class < classes.len()));
    found.map(|class| class as u32).ok_or_else(|| {
        let last = classes.len() - 1;
        Failure::input(format!("--class: no class `{typed}`; use 0 to {last}, or one of {}", first_names(&classes, 12)))
    })
}

/// Refuse to write over a file that is read.
fn refuse_same(out: Option<&Path>, read: &Path) -> Outcome<()> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    match out.filter(|out| *out == read || real(out).is_some_and(|out| real(read) == Some(out))) {
        Some(out) => Err(Failure::input(format!(
            "--out {}: expected a file of its own, got the one that is read; give another name",
            out.display()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn names_are_quoted_where_csv_needs_it() {
        let names = ["plain", "with space", "a,b", "say \"x\"", ""].map(quoted);
        assert_eq!(names, ["plain", "with space", "\"a,b\"", "\"say \"\"x\"\"\"", "\"\""]);
    }
}
