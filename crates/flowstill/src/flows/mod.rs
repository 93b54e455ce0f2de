//! Assemble bijectors and a base density into flows, with every latent and every state between the steps in reach.

mod flow;
mod glow;
mod latents;
mod maf;
mod memory;
mod named;
mod nsf;
mod own;
mod program;
pub(crate) mod programs;
mod realnvp;
mod run;
mod segment;
mod statistics;
mod sylvester;

pub use flow::{Flow, Level};
pub use flowstill_runtime::Refused;
pub use flowstill_runtime::architecture::Architecture;
pub use glow::GlowConfig;
pub use latents::{Latents, Trace};
pub use maf::{MafConfig, Norm, Order};
pub use memory::Memory;
pub use named::FlowConfig;
pub use nsf::{NsfConfig, NsfForm};
pub use realnvp::RealNvpConfig;
pub use sylvester::{SylvesterConfig, SylvesterForm};
