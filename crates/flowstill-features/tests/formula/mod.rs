//! Repeat the formulas of `golden/make_golden.py`, from which weights and pictures follow.
// Every test file uses a part of its own.
#![allow(dead_code)]

/// Numbers in [0, 1): FNV-1a of the name seeds a splitmix64 sequence, of which the upper 24 bits are taken.
pub fn uniform(name: &str, count: usize) -> Vec<f64> {
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let one = |k: usize| {
        let z = seed.wrapping_add((k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    };
    (0..count).map(one).collect()
}

/// A weight: He-scaled for a convolution, and near the identity for a batch normalization.
pub fn weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let scale = (6.0 / shape.iter().skip(1).product::<usize>() as f64).sqrt();
    let value = |u: f64| {
        let value = if shape.len() == 4 {
            (2.0 * u - 1.0) * scale
        } else if name.ends_with("running_var") {
            0.5 + u
        } else if name.ends_with("weight") {
            0.75 + 0.5 * u
        } else {
            0.4 * u - 0.2
        };
        value as f32
    };
    uniform(name, shape.iter().product()).into_iter().map(value).collect()
}

/// 8-bit pictures `[n, h, w, c]`: a ramp with noise.
pub fn pictures(name: &str, [n, h, w, c]: [usize; 4]) -> Vec<u8> {
    let noise = uniform(name, n * h * w * c);
    let byte = |(k, u): (usize, &f64)| {
        let (y, x) = (k / (w * c) % h, k / c % w);
        ((y as f64 / h as f64 + x as f64 / w as f64) * 64.0 + u * 128.0) as u8
    };
    noise.iter().enumerate().map(byte).collect()
}

/// The largest absolute difference between values and an array of golden ones.
pub fn worst(found: &[f32], golden: &serde_json::Value) -> f64 {
    let golden = golden.as_array().expect("an array");
    assert_eq!(found.len(), golden.len());
    let apart = |(f, g): (&f32, &serde_json::Value)| (f64::from(*f) - g.as_f64().unwrap_or(f64::NAN)).abs();
    found.iter().zip(golden).map(apart).fold(0.0, |a: f64, b| if b <= a { a } else { b })
}

/// The sizes in an array.
pub fn sizes(value: &serde_json::Value) -> Vec<usize> {
    value.as_array().expect("an array").iter().map(|v| v.as_u64().expect("a size") as usize).collect()
}
