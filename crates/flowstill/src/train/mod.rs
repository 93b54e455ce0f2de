//! Train any objective over a flow's parameters, so that it can be stopped at any moment and go on to the same bits.

mod checkpoint;
mod config;
mod data;
mod events;
mod exact;
mod objective;
mod optimiser;
mod run;
mod schedule;
mod trainer;
mod vector;

pub use checkpoint::Checkpoint;
pub(crate) use config::MOST_ROWS;
pub use config::{OptimiserConfig, OptimiserKind, ScheduleConfig, ScheduleKind, TrainConfig};
pub use data::{Batch, Examples, Rows, TrainingData};
pub use events::{Control, Event, Validation};
pub use objective::{Loss, NegativeLogLikelihood, Objective, VariationalNll};
pub use optimiser::Optimiser;
pub use run::RunFolder;
pub use schedule::Schedule;
pub use trainer::{TrainReport, Trained, mean_nll, mean_nll_with, train};
