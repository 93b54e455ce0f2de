//! Judge a normalizing flow by its likelihoods, its samples and its pictures.
//!
//! Every statistic reads plain row-major slices on the host and knows nothing of tensors, models or training. A result
//! depends on its arguments and one explicit seed; nothing here prints, exits or panics on what a caller passes in.
//!
//! | Question | Answer |
//! |---|---|
//! | How likely are held-out rows? | [`LogLikelihood`], [`mean_and_standard_error`] |
//! | Can a classifier tell samples from data? | [`c2st`] |
//! | Do all smooth averages agree? | [`mmd_unbiased`] |
//! | Do means and covariances of features agree? | [`frechet_gaussian`], [`GaussianFit`] |
//! | Which column is worst? | [`marginals`] |
//! | How is it shown? | [`text_table`], [`markdown_table`], the module `pictures` |
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod error;
mod matrix;
mod product;
mod symmetric;

mod c2st;
mod classifier;
mod frechet;
mod likelihood;
mod marginals;
mod mmd;

#[cfg(feature = "pictures")]
pub mod pictures;
mod table;

pub use c2st::{C2st, C2stConfig, c2st};
pub use error::MetricError;
pub use frechet::{GaussianFit, frechet_gaussian};
pub use likelihood::{LogLikelihood, MeanAndError, mean_and_standard_error};
pub use marginals::{Marginal, Marginals, marginals};
pub use mmd::{Bandwidth, Mmd, MmdConfig, mmd_unbiased};
pub use table::{Align, markdown_table, text_table};
