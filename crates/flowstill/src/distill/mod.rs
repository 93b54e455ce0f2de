//! Teach a small flow by a big one: latent, intermediate-latent and synthesized knowledge distillation.

mod alignment;
mod config;
mod distances;
mod distiller;
mod inherit;
mod losses;
mod pool;
mod projector;
mod skd;
mod terms;

pub use alignment::{Pair, align};
pub use config::{
    AlignmentConfig, Distance, DistillConfig, Inheritance, Mismatch, Projection, Scale, SharedNoise, SkdForm,
};
pub use distiller::Distillation;
pub use inherit::prepare_student;
pub use projector::Projector;
pub use terms::{TermConfig, Terms, WeightSchedule, Weights};
