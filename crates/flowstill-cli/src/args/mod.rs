//! Define the command line: its commands, and what belongs to no other page.

mod experiments;
mod flows;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

pub use experiments::{Compare, Distill, Frontier, MemoryMode, Quickstart, RecipeArgs, Train, Which};
pub use flows::{Evaluate, Inspect, Sample, Score, Sheet, SheetKind};

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
    /// Threads to compute with; a stopped training goes on with the number it began with [default: one per core]
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
