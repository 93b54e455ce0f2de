//! Say what this build can do on this machine: version, features, instruction set.

use flowstill_experiment::instructions;
use std::sync::LazyLock;

/// The cargo features that change what the command can do.
const FEATURES: [(&str, bool); 5] = [
    ("wgpu", cfg!(feature = "wgpu")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("metal", cfg!(feature = "metal")),
    ("cuda", cfg!(feature = "cuda")),
    ("rocm", cfg!(feature = "rocm")),
];

/// What `--version` tells after the name.
pub static LONG: LazyLock<String> = LazyLock::new(|| {
    let enabled: Vec<&str> = FEATURES.iter().filter(|(_, enabled)| *enabled).map(|(name, _)| *name).collect();
    let features = if enabled.is_empty() { "cpu".to_string() } else { enabled.join(", ") };
    format!("{}\nfeatures: {features}\ninstructions: {}", env!("CARGO_PKG_VERSION"), instructions())
});
