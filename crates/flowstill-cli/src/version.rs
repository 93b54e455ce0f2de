//! Say what this build can do on this machine: version, features, instruction set.

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

/// The widest set that the kernels find on this machine.
#[cfg(target_arch = "x86_64")]
fn instructions() -> &'static str {
    // What the kernels ask for before they take the path; each of these sets has parts that a machine may lack.
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        true if wide => "AVX-512",
        true => "AVX2+FMA",
        false => "baseline",
    }
}

/// The widest set that the kernels find on this machine.
#[cfg(target_arch = "aarch64")]
fn instructions() -> &'static str {
    if std::arch::is_aarch64_feature_detected!("neon") { "NEON" } else { "baseline" }
}

/// The widest set that the kernels find on this machine.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn instructions() -> &'static str {
    "baseline"
}
