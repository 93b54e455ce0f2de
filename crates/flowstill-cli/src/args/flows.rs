//! Define the arguments of what uses a flow file: evaluate, score, sample, look.

use super::Device;
use clap::{Args, ValueEnum};
use flowstill_experiment::{NetworkName, Subset};
use std::path::PathBuf;

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
