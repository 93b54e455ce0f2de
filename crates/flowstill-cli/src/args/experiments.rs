//! Define the arguments of what trains: recipes, seeds, budgets.

use super::Device;
use clap::{Args, ValueEnum};
use flowstill_experiment::Override;
use std::path::PathBuf;

/// A seed as a recipe can hold it: TOML's integers end at 2^63 - 1.
fn seed() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs())
}

/// What every command with a recipe takes.
#[derive(Args, Debug, Default)]
pub struct RecipeArgs {
    /// Set a value of the recipe, such as train.steps=500 or compare.variants.ilkd.ilkd=0.2; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// The data's file or folder, in place of the recipe's data.path
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Where to compute, in place of the recipe's device
    #[arg(long, value_name = "DEVICE", value_enum)]
    pub device: Option<Device>,
    /// What training keeps between the forward and the backward pass, in place of train.memory
    #[arg(long, value_name = "MODE", value_enum)]
    pub memory: Option<MemoryMode>,
    /// The run folder [default: runs/NAME, NAME from the recipe]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// What training keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MemoryMode {
    /// Every activation: the fastest.
    Store,
    /// The states between steps.
    Recompute,
    /// The latents alone.
    Invert,
}

/// `quickstart`
#[derive(Args, Debug)]
pub struct Quickstart {
    /// Seeds, one teacher and one set of students each [default: the recipe's]
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',', value_parser = seed())]
    pub seeds: Vec<u64>,
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// `train`
#[derive(Args, Debug)]
pub struct Train {
    /// The recipe, a TOML file
    #[arg(value_name = "RECIPE")]
    pub path: PathBuf,
    /// Which of its models
    #[arg(long, value_enum, default_value = "teacher")]
    pub model: Which,
    /// The seed, in place of train.seed
    #[arg(long, value_name = "N", value_parser = seed())]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// Which model of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// The big one.
    Teacher,
    /// The small one, on data alone.
    Student,
}

/// `distill`
#[derive(Args, Debug)]
pub struct Distill {
    /// The recipe, a TOML file
    #[arg(value_name = "RECIPE")]
    pub path: PathBuf,
    /// The teacher's flow file [default: the recipe's teacher.file, else the run folder's teacher, which is trained if it is not there]
    #[arg(long, value_name = "FLOW")]
    pub teacher: Option<PathBuf>,
    /// A variant of [[compare.variants]] in place of [distill] alone
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// The seed, in place of train.seed
    #[arg(long, value_name = "N", value_parser = seed())]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// `compare`
#[derive(Args, Debug)]
pub struct Compare {
    /// The recipe, a TOML file
    #[arg(value_name = "RECIPE")]
    pub path: PathBuf,
    /// Seeds, in place of compare.seeds
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',', value_parser = seed())]
    pub seeds: Vec<u64>,
    /// Train and compare these variants alone, beside teacher and plain student
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// Judge models that are finished already once more
    #[arg(long)]
    pub judge_again: bool,
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// `frontier`
#[derive(Args, Debug)]
pub struct Frontier {
    /// A recipe (a .toml file), whose teacher is trained first, or the teacher's flow file
    #[arg(value_name = "RECIPE|FLOW")]
    pub path: PathBuf,
    /// For a flow file: the table it was trained on, or set=NAME[,KEY=VALUE...] with any key of a recipe's [data]; without it the teacher's samples are the
    /// data. For a recipe: the path in place of its data.path
    #[arg(long, value_name = "PATH|set=NAME")]
    pub data: Option<String>,
    /// Rows to draw in a second, at least
    #[arg(long, value_name = "N")]
    pub samples_per_second: Option<f64>,
    /// Rows to score in a second, at least
    #[arg(long, value_name = "N")]
    pub log_prob_rows_per_second: Option<f64>,
    /// Microseconds to draw and to score a single row, at most
    #[arg(long, value_name = "US")]
    pub latency_us: Option<f64>,
    /// Size of the student's file, at most
    #[arg(long, value_name = "MB")]
    pub megabytes: Option<f64>,
    /// Trained values of the student, at most
    #[arg(long, value_name = "N")]
    pub parameters: Option<usize>,
    /// Optimiser steps of the last rung and of the last comparison, in place of train.steps
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Rungs of the search, each of which keeps a third of the students and trains them three times as long
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rungs: usize,
    /// Students that are left for the last comparison
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub finalists: usize,
    /// Weight of the likelihood of the teacher's samples beside the data's
    #[arg(long, value_name = "W", default_value_t = 0.3)]
    pub lesson: f64,
    /// Without data: rows that the teacher draws to learn from
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub samples: usize,
    /// Seeds of the last comparison, in place of compare.seeds
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',', value_parser = seed())]
    pub seeds: Vec<u64>,
    /// Set a value of the recipe, such as train.batch=256; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// Where to compute
    #[arg(long, value_name = "DEVICE", value_enum)]
    pub device: Option<Device>,
    /// The run folder [default: runs/NAME-frontier]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
