//! Say what this build computes with on this machine.

/// The widest instruction set that the kernels find: `AVX-512`, `AVX2+FMA`, `NEON` or `baseline`.
#[cfg(target_arch = "x86_64")]
pub fn instructions() -> &'static str {
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

/// The widest instruction set that the kernels find: `AVX-512`, `AVX2+FMA`, `NEON` or `baseline`.
#[cfg(target_arch = "aarch64")]
pub fn instructions() -> &'static str {
    if std::arch::is_aarch64_feature_detected!("neon") { "NEON" } else { "baseline" }
}

/// The widest instruction set that the kernels find: `AVX-512`, `AVX2+FMA`, `NEON` or `baseline`.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn instructions() -> &'static str {
    "baseline"
}
