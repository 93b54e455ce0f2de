//! Choose where tensors live: on the CPU, or on the GPU backend that the build has.

use crate::{Error, Result};
use burn::tensor::Device;

/// The CPU, which every build has.
pub fn cpu() -> Device {
    Device::flex()
}

/// The GPU backends of this build, by the names of their cargo features; [`gpu`] takes the first.
pub const GPU_BACKENDS: &[&str] = &[
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "rocm")]
    "rocm",
    #[cfg(feature = "metal")]
    "metal",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "wgpu")]
    "wgpu",
];

/// The first device of the first of [`GPU_BACKENDS`], once it has added two numbers.
///
/// A flow moves there by [`Flow::to_device`](crate::flows::Flow::to_device), or is built there.
///
/// # Errors
/// [`Error::Config`] where the build has no GPU backend, no device is found, or it does not compute.
pub fn gpu() -> Result<Device> {
    match GPU_BACKENDS {
        [] => Err(Error::config(
            "device gpu",
            "this build has the CPU alone",
            "build with `--features wgpu` (or vulkan, metal, cuda, rocm), or use the cpu",
        )),
        #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda", feature = "rocm"))]
        [backend, ..] => compiled::first(backend),
        #[cfg(not(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda", feature = "rocm")))]
        [..] => unreachable!("without a feature the list is empty"),
    }
}

/// What a device calls itself: `cpu`, or the name of the card.
pub fn name(device: &Device) -> String {
    #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda", feature = "rocm"))]
    if let Some(identity) = device.identity() {
        return identity.name;
    }
    if *device == cpu() { "cpu".into() } else { format!("{device:?}") }
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda", feature = "rocm"))]
mod compiled {
    use crate::{Error, Result, to_f32};
    #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
    use burn::tensor::DeviceKind;
    use burn::tensor::{Device, DeviceType, Tensor};

    /// The first device of a backend.
    pub(super) fn first(backend: &str) -> Result<Device> {
        let (found, device): (DeviceType, fn() -> Device) = match backend {
            #[cfg(feature = "cuda")]
            "cuda" => (DeviceType::Cuda, || Device::cuda(0)),
            #[cfg(feature = "rocm")]
            "rocm" => (DeviceType::Rocm, || Device::rocm(0)),
            #[cfg(feature = "metal")]
            "metal" => (DeviceType::Metal, || Device::metal(DeviceKind::DefaultDevice)),
            #[cfg(feature = "vulkan")]
            "vulkan" => (DeviceType::Vulkan, || Device::vulkan(DeviceKind::DefaultDevice)),
            #[cfg(feature = "wgpu")]
            "wgpu" => (DeviceType::Wgpu, || Device::wgpu(DeviceKind::DefaultDevice)),
            other => unreachable!("{other} is not one of GPU_BACKENDS"),
        };
        let fault = |problem: &str| {
            let remedy =
                "check its driver, build with another backend (wgpu, vulkan, metal, cuda, rocm), or use the cpu";
            Err(Error::config("device gpu", format!("{problem} by {backend}"), remedy))
        };
        // Burn panics where a driver fails.
        match std::panic::catch_unwind(|| Device::enumerate(found).into_vec().is_empty()) {
            Ok(false) => {}
            _ => return fault("no device was found"),
        }
        match std::panic::catch_unwind(|| sum(&device())) {
            Ok(sum) if sum == [4.0, 6.0] => Ok(device()),
            _ => fault("a device was found but does not compute"),
        }
    }

    fn sum(device: &Device) -> Vec<f32> {
        let tensor = |values: [f32; 2]| Tensor::<1>::from_floats(values, device);
        to_f32(tensor([1.0, 2.0]) + tensor([3.0, 4.0]))
    }
}
