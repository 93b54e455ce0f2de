//! Map values that lie plane by plane: arithmetic is wide across lanes, and nothing is gathered.
//!
//! A plane holds one scalar quantity of every lane, a lane being a row of a batch or a pixel. The number of lanes is a multiple of [`LANES`];
//! lanes added to fill up hold any finite values. What is computed for a lane depends on that lane's values alone, to the last bit.
//!
//! | Module | Computes |
//! |---|---|
//! | [`affine`] | affine and additive maps, both directions, with gradients |
//! | [`bounded`] | sigmoid, logit, tanh and atanh, with gradients |
//! | [`map`] | any [`crate::univariate::Map`], chosen while the program runs |
//! | [`math`] | `exp`, `ln`, `tanh`, `sigmoid`, `softplus` |
//! | [`root`] | the roots of `u + d tanh(u) = s` |
//! | [`spline`] | rational-quadratic splines, both directions, with gradients |
//! | [`wide`] | arithmetic on one vector of lanes, written as on numbers |

pub mod affine;
mod bin;
pub mod bounded;
pub mod map;
pub mod math;
pub mod root;
pub mod spline;
pub mod wide;

/// What the number of lanes is a multiple of: the lanes of the widest vectors.
pub const LANES: usize = 16;

#[cfg(test)]
pub(crate) mod reference;
