//! Teach a small flow by a big one: latent, intermediate-latent and synthesized knowledge distillation.

mod config;

pub use config::{
    AlignmentConfig, Distance, DistillConfig, Inheritance, Mismatch, Projection, SkdForm, WeightSchedule,
};
