//! Choose where tensors live.

use crate::failure::{Failure, Outcome};
use crate::out;
use flowstill::burn::tensor::Device;
use flowstill::device;
use std::sync::OnceLock;

/// Set by the one command that this process runs.
static CHOSEN: OnceLock<Device> = OnceLock::new();

/// Compute on `cpu` or `gpu` from here on.
///
/// # Errors
/// For `gpu` without GPU support compiled in, or without a device that works.
pub fn choose(name: &str) -> Outcome<()> {
    if CHOSEN.get().is_some() {
        return Ok(());
    }
    let device = match name {
        "cpu" => device::cpu(),
        "gpu" => device::gpu()?,
        other => return Err(Failure::input(format!("device: expected cpu or gpu, got `{other}`"))),
    };
    if name == "gpu" {
        out::note(&format!("device: {}", device::name(&device)));
    }
    CHOSEN.get_or_init(|| device);
    Ok(())
}

/// The device of every model.
pub fn current() -> Device {
    CHOSEN.get().cloned().unwrap_or_else(device::cpu)
}

/// Whether flow files may run without tensors: on the CPU.
pub fn runs_files() -> bool {
    current() == device::cpu()
}
