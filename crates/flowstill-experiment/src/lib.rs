//! Run experiments with normalizing flows: one recipe gives a teacher, students and what each learns from, trained and evaluated over seeds.
//!
//! | To | Import |
//! |---|---|
//! | read a recipe, change its values, and check it | [`Recipe`], [`Override`], [`Plan`] |
//! | train, distil or compare its models in a run folder | [`Experiment`] |
//! | follow a run, and stop it | [`Event`], [`Events`] |
//! | read what came out | [`Comparison`], [`Row`], [`Metrics`], [`TrainedModel`] |
//! | load data as a flow sees them | [`Prepared`], [`stream_rows`], [`pictures_in`] |
//! | find the student to take under a budget, with data or from a flow file alone | [`Frontier`], [`Budget`] |
//! | evaluate a flow on any data | [`evaluate_rows`], [`evaluate_pictures`], [`Reference`] |
//! | measure how far a student is from its teacher | [`divergence()`] |
//! | write a run down as one HTML page | [`write_report`] |
//! | lay pictures of flows out on sheets | [`sheets`] |
//! | give data by options instead of a recipe | [`Source`] |
//! | tell people what came out | [`words`] |
//!
//! Nothing here prints, exits, or panics on what it is given: progress goes to the caller as [`Event`]s, and a failure is an [`Error`] of one
//! line that says what to do. Some remedies name options of the command `flowstill`, which is a thin layer over this crate.
//!
//! ```
//! use flowstill::train::Control;
//! use flowstill_experiment::{Experiment, Recipe};
//!
//! let text = r#"
//! name = "tiny"
//! data = { set = "household", limit_rows = 1000 }
//! train = { steps = 4, batch = 32 }
//! teacher = { flow = { kind = "maf", blocks = 2, hidden = [8] } }
//! student = { flow = { kind = "maf", blocks = 1, hidden = [4] } }
//! compare = { seeds = [1], variants = [{ name = "lkd", lkd = 0.1 }] }
//! judge = { samples = 0, repetitions = 0 }
//! "#;
//! let plan = Recipe::parse("tiny.toml", text, Vec::new())?.plan()?;
//! let run = tempfile::tempdir()?;
//! let comparison = Experiment::new(plan, run.path()).compare(&mut |_| Control::Continue)?;
//! let roles: Vec<&str> = comparison.rows.iter().map(|row| row.role.as_str()).collect();
//! assert_eq!(roles, ["teacher", "plain", "lkd"]);
//! println!("{}", comparison.text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod events;
mod printable;
pub mod words;

mod recipe;

mod data;
mod evaluate;
mod report;

mod environment;
mod plots;
mod report_page;
pub mod sheets;

mod compare;
mod experiment;
mod frontier;
mod further;
mod run_folder;
mod runner;
mod untrained;

pub use error::{Error, Result};
pub use events::{Event, Events};

pub use recipe::{DataPlan, ModelPlan, Override, Plan, Recipe, Source};

pub use environment::instructions;
pub use experiment::{Experiment, device};
pub use frontier::{Axis, Budget, Candidate, Cost, FrontModel, Frontier, FrontierConfig, FrontierReport, Timing};
pub use report::{CommonRows, Comparison, Failed, Gain, Kind, OverSeeds, PictureSummary, Report, Row, Summary};
pub use report_page::{REPORT, write_report};
pub use runner::TrainedModel;

pub use data::{PictureFacts, PictureOptions, PicturePlan, Prepared, RawRows, Remedy, Subset};
pub use data::{class_names, is_picture_set, scaling_of, trained_on, without_settings};
pub use data::{pictures_in, read_context, read_rows, stream_rows};
pub use evaluate::{Divergence, divergence};
pub use evaluate::{EvaluateConfig, FeatureConfig, Metrics, NetworkName, OwnSamples, Reference, WorstRow};
pub use evaluate::{evaluate_pictures, evaluate_rows, shown_pixels};
