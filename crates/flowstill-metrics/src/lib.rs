//! Judge a normalizing flow by its likelihoods, its samples and its pictures.
//!
//! Every statistic reads plain row-major slices on the host and knows nothing of tensors, models or training. A result
//! depends on its arguments and one explicit seed; nothing here prints, exits or panics on what a caller passes in.
//!
//! | Question | Answer |
//! |---|---|
//! | How likely are held-out rows? | [`LogLikelihood`], [`mean_and_standard_error`] |
//! | Which interval does a mean over few seeds lie in? | [`half_width_95`], [`student_t_quantile`] |
//! | Can a classifier tell samples from data? | [`c2st`] |
//! | Do all smooth averages agree? | [`mmd_unbiased`] |
//! | Do means and covariances of features agree? | [`frechet_gaussian`], [`GaussianFit`] |
//! | ... of more features than fit into memory? | [`GaussianAccumulator`], [`FeatureStatistics`] |
//! | Do their third moments agree, too? | [`kid`] |
//! | Are samples good, and is all of the data covered? | [`precision_recall`] |
//! | Which column is worst? | [`marginals`] |
//! | How is it shown? | [`text_table`], [`markdown_table`], the module `plots` |
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod error;
mod matrix;
mod product;
mod symmetric;

mod accumulate;
mod c2st;
mod classifier;
mod frechet;
mod kid;
mod likelihood;
mod marginals;
mod mmd;
mod neighbours;
mod statistics;
mod student;

#[cfg(feature = "plots")]
pub mod plots;
mod table;

pub use accumulate::GaussianAccumulator;
pub use c2st::{C2st, C2stConfig, c2st};
pub use error::MetricError;
pub use frechet::{FRECHET_MINIMUM_SAMPLES, GaussianFit, frechet_gaussian};
pub use kid::{Kid, KidConfig, kid};
pub use likelihood::{LogLikelihood, MeanAndError, mean_and_clustered_error, mean_and_standard_error};
pub use marginals::{Marginal, Marginals, marginals};
pub use mmd::{Bandwidth, Mmd, MmdConfig, median_bandwidth, mmd_unbiased};
pub use neighbours::{PrecisionRecall, PrecisionRecallConfig, precision_recall};
pub use statistics::FeatureStatistics;
pub use student::{half_width_95, student_t_quantile};
pub use table::{Align, markdown_table, text_table};
