//! Train any model under any objective, so that it can be stopped at any moment and go on to the same bits.

mod checkpoint;
mod config;
mod dataset;
mod events;
mod exact;
mod further;
mod keep;
mod likelihood;
mod objective;
mod optimiser;
mod order;
mod rows;
mod run;
mod schedule;
mod trainable;
mod trainer;
mod vector;

pub use crate::batch::Batch;
pub use checkpoint::Checkpoint;
pub(crate) use config::MOST_ROWS;
pub use config::{OptimiserConfig, OptimiserKind, ScheduleConfig, ScheduleKind, TrainConfig};
pub use dataset::{Dataset, Examples, TrainingData};
pub use events::{Control, Event, Validation};
pub(crate) use likelihood::nll_of;
pub use likelihood::{NegativeLogLikelihood, VariationalNll, mean_nll, mean_nll_with};
pub use objective::{Loss, Objective};
pub use optimiser::Optimiser;
pub use rows::Rows;
pub use run::RunFolder;
pub use schedule::Schedule;
pub use trainable::Trainable;
pub use trainer::{TrainReport, Trained, train, train_further};
