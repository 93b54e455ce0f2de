//! Choose where tensors live.

use crate::failure::{Failure, Outcome};
use flowstill::burn::tensor::Device;

/// Refuse a device that this build has not.
///
/// # Errors
/// For `gpu` without GPU support compiled in.
pub fn check(name: &str) -> Outcome<()> {
    match name {
        "cpu" => Ok(()),
        "gpu" => Err(Failure::input("device gpu: this flowstill was built for the CPU alone; use --device cpu")),
        other => Err(Failure::input(format!("device: expected cpu or gpu, got `{other}`"))),
    }
}

/// The device of every model.
pub fn current() -> Device {
    Device::default()
}
