//! Hold every bijector to the laws of the contract, over one table of all of them.

#[path = "../common/mod.rs"]
mod common;
mod edges;
mod gradients;
mod structure;
mod sylvester;
mod table;
mod values;
