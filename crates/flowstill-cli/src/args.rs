//! Define the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use flowstill_experiment::{NetworkName, Override, Subset};
use std::path::PathBuf;

/// Distil big normalizing flows into small ones, and use them.
///
/// Results go to standard output, progress and notes to standard error. Exit codes: 0 done, 1 the run failed or was stopped, 2 the command
/// or a file given to it is at fault.
#[derive(Parser, Debug)]
#[command(name = "flowstill", version, long_version = crate::version::LONG.as_str(), max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Threads to compute with [default: one per core]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Say nothing on the way; errors are still told
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Train a teacher, distil it into small students, and compare them on a table that ships inside
    Quickstart(Quickstart),
    /// Train the teacher or the plain student of a recipe
    Train(Train),
    /// Train the student of a recipe with its teacher's help
    Distill(Distill),
    /// Train and judge teacher, plain student and every variant of a recipe over several seeds
    Compare(Compare),
    /// Find the student to take: likelihood against speed and size, under a budget, with data or without
    Frontier(Frontier),
    /// Write a run down as one HTML page: verdict, tables, charts, model cards, and how to do it again
    Report(Report),
    /// Measure a flow on data it has not seen, or against its teacher
    Evaluate(Evaluate),
    /// Write the log-density of each row of a table, or of each picture of a folder
    Score(Score),
    /// Draw rows or pictures from a flow
    Sample(Sample),
    /// Lay pictures of one or more flows out on a sheet
    Sheet(Sheet),
    /// Say what a flow file holds
    Inspect(Inspect),
    /// List, check and describe tables and sets of pictures
    #[command(subcommand)]
    Data(Data),
    /// Print the completions of a shell
    Completions(Completions),
    /// Print this command line's reference as Markdown
    Reference,
}

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

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A graphics card, in a build that has one.
    Gpu,
}

impl Device {
    /// As recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
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

/// `report`
#[derive(Args, Debug)]
pub struct Report {
    /// The run folder of a training, a comparison or a frontier, or the folder of one model in it
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The page to write [default: report.html in the run folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// `evaluate`
#[derive(Args, Debug)]
pub struct Evaluate {
    /// The flow file
    pub flow: PathBuf,
    /// A table or a folder of pictures, all of which counts; or set=NAME[,KEY=VALUE...], whose split counts, with any key of a recipe's [data]
    #[arg(long, value_name = "PATH|set=NAME", required_unless_present_any = ["recipe", "against"])]
    pub data: Option<String>,
    /// Its teacher's flow file: tell the divergence of the two, in nats, by samples of both, in place of the fit to data. A flow with a context takes its
    /// conditioning values from --data
    #[arg(long, value_name = "TEACHER", conflicts_with = "recipe")]
    pub against: Option<PathBuf>,
    /// A recipe whose [data] to use
    #[arg(long, value_name = "RECIPE", conflicts_with = "data")]
    pub recipe: Option<PathBuf>,
    /// Which rows or pictures of a set or recipe
    #[arg(long, value_enum, default_value = "test")]
    pub split: SplitName,
    /// Samples for the two-sample tests, and for the Frechet distance of pictures; 0 for none
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub samples: usize,
    /// Pictures: draws of the noise for each; several give the tighter importance-weighted bound [default: 1]
    #[arg(long, value_name = "N")]
    pub draws: Option<usize>,
    /// Pictures: the weights of the network whose features tell how far samples are from the train split (of a folder: from all of it)
    #[arg(long, value_name = "WEIGHTS")]
    pub features: Option<PathBuf>,
    /// That network [default: efficientnet-lite0]
    #[arg(long, value_enum, requires = "features")]
    pub network: Option<Network>,
    /// The side at which efficientnet-lite0 sees pictures [default: 224]
    #[arg(long, value_name = "PIXELS", requires = "features")]
    pub side: Option<usize>,
    /// Real pictures that samples are compared with, at most [default: 50000]
    #[arg(long, value_name = "N", requires = "features")]
    pub reference: Option<usize>,
    /// A file to keep the real pictures' statistics in, and to take them from once it is there
    #[arg(long, value_name = "FILE", requires = "features")]
    pub statistics: Option<PathBuf>,
    /// The temperature of the samples that are compared [default: 1]
    #[arg(long, value_name = "T", requires = "features", allow_negative_numbers = true)]
    pub temperature: Option<f64>,
    /// Where to compute
    #[arg(long, value_name = "DEVICE", value_enum, default_value = "cpu")]
    pub device: Device,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// A feature network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// Weights openly to be had, Apache-2.0; its distance is no FID.
    #[value(name = "efficientnet-lite0")]
    EfficientnetLite0,
    /// The standard Inception network of the FID, in the layout of its PyTorch port.
    FidInception,
}

impl From<Network> for NetworkName {
    fn from(network: Network) -> Self {
        match network {
            Network::EfficientnetLite0 => Self::EfficientnetLite0,
            Network::FidInception => Self::FidInception,
        }
    }
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// What the flow was fitted to.
    Train,
    /// What its weights were chosen by.
    Validation,
    /// What it has not seen.
    Test,
}

impl From<SplitName> for Subset {
    fn from(split: SplitName) -> Self {
        match split {
            SplitName::Train => Self::Train,
            SplitName::Validation => Self::Validation,
            SplitName::Test => Self::Test,
        }
    }
}

/// `score`
#[derive(Args, Debug)]
pub struct Score {
    /// The flow file
    pub flow: PathBuf,
    /// The table: .csv, .npy, .parquet and others; its columns are found by name, or taken in order if they have no names. Or, for a flow over
    /// pictures, a picture or a folder of them
    pub file: PathBuf,
    /// Where to compute
    #[arg(long, value_name = "DEVICE", value_enum, default_value = "cpu")]
    pub device: Device,
    /// The file to write, .csv, .npy or .parquet, for pictures .csv [default: CSV on standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Pictures: draws of the noise for each; several give the tighter importance-weighted bound [default: 1]
    #[arg(long, value_name = "N")]
    pub draws: Option<usize>,
    /// The class of all pictures, by name or number, for a class-conditional flow [default: the name of each picture's folder]
    #[arg(long, value_name = "K")]
    pub class: Option<String>,
}

/// `sample`
#[derive(Args, Debug)]
pub struct Sample {
    /// The flow file
    pub flow: PathBuf,
    /// Rows to draw; with --context, for each of its rows; or pictures [default: 1000, with --context 1, of pictures 48]
    #[arg(short = 'n', long, value_name = "N")]
    pub rows: Option<usize>,
    /// The seed; the same seed draws the same rows or pictures
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Standard deviation of the noise: below 1 keeps to what is likely
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value_t = 1.0)]
    pub temperature: f64,
    /// A table of conditioning values, for a flow that has a context
    #[arg(long, value_name = "FILE")]
    pub context: Option<PathBuf>,
    /// Where to compute
    #[arg(long, value_name = "DEVICE", value_enum, default_value = "cpu")]
    pub device: Device,
    /// The class to draw, by name or number, for a class-conditional flow over pictures [default: the classes in turn]
    #[arg(long, value_name = "K", conflicts_with = "context")]
    pub class: Option<String>,
    /// The file to write, .csv, .npy or .parquet [default: CSV on standard output]; for pictures a .png (a sheet of them), a .npy
    /// (bytes [n, height, width, channels]), or a folder for a PNG each
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

/// `sheet`
#[derive(Args, Debug)]
pub struct Sheet {
    /// The flow files
    #[arg(value_name = "FLOW", required = true)]
    pub flows: Vec<PathBuf>,
    /// What is laid out
    #[arg(long, value_enum, default_value = "samples")]
    pub kind: SheetKind,
    /// The PNG file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Pictures to reconstruct or interpolate: a folder, or set=NAME[,KEY=VALUE...], whose test split counts
    #[arg(long, value_name = "FOLDER|set=NAME")]
    pub data: Option<String>,
    /// Temperatures of samples and same-latents [default: 0.7,1]
    #[arg(long, value_name = "T", value_delimiter = ',', allow_negative_numbers = true)]
    pub temperatures: Vec<f64>,
    /// Rows of samples for each flow and temperature, pairs to interpolate, draws of latents, rows of reconstructed pictures
    /// [default: 4, 3, 1, 1]
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,
    /// The seed of the latents
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// What a sheet shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SheetKind {
    /// Samples of each flow.
    Samples,
    /// A row for each flow, all from the same latents.
    SameLatents,
    /// Pictures, and below them what each flow makes of their latents.
    Reconstructions,
    /// From one picture to another through the latents of each flow.
    Interpolations,
}

/// `inspect`
#[derive(Args, Debug)]
pub struct Inspect {
    /// The flow file
    pub flow: PathBuf,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// `data`
#[derive(Subcommand, Debug)]
pub enum Data {
    /// List the tables and sets of pictures that are known, and where they come from
    List {
        /// Print one JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Prepare a table or set of pictures and compare its shape with the published one
    Check {
        /// The set's name; see `flowstill data list`
        set: String,
        /// Its file, or the folder that holds it
        path: Option<PathBuf>,
        /// Print one JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Say what a table or set of pictures holds and what its preparation does
    Describe {
        /// A table, a folder of pictures, or set=NAME[,KEY=VALUE...] with any key of a recipe's [data]
        #[arg(value_name = "PATH|set=NAME")]
        data: String,
        /// Print one JSON object on standard output
        #[arg(long)]
        json: bool,
    },
}

/// `completions`
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}
