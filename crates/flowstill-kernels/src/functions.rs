//! Approximate `exp` and `tanh` by branchless arithmetic that compilers turn into wide instructions.

/// `exp(x)` for `|x| <= 80` within 2 units in the last place; beyond that the argument is clamped. NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-80.0, 80.0);
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, whose bits then stand at the end of the sum.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, the first short enough that its product with n is exact.
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    // The minimax polynomial of Cephes' expf for (exp(r) - 1 - r) / r^2.
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    let power = (shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits());
    y * f32::from_bits(power)
}

/// `tanh(x)` within 4 units in the last place. NaN stays NaN.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    // A rational function of degree 13 over 6, the one that Eigen and XLA use.
    let x = x.clamp(-7.905_311, 7.905_311);
    let q = x * x;
    let p = -2.760_768_5e-16;
    let p = p * q + 2.000_188e-13;
    let p = p * q - 8.604_672e-11;
    let p = p * q + 5.122_297e-8;
    let p = p * q + 1.485_722_4e-5;
    let p = p * q + 6.372_619_3e-4;
    let p = p * q + 4.893_524_6e-3;
    let d = 1.198_258_4e-6;
    let d = d * q + 1.185_347_1e-4;
    let d = d * q + 2.268_434_6e-3;
    let d = d * q + 4.893_525e-3;
    (x * p / d).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest distance in units in the last place of the true value.
    fn worst(ours: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let points = 400_000;
        let error = |i: usize| {
            let x = from + (to - from) * i as f32 / points as f32;
            let y = exact(f64::from(x));
            let unit = f64::from((y as f32).abs()) * f64::from(f32::EPSILON);
            (f64::from(ours(x)) - y).abs() / unit.max(f64::from(f32::MIN_POSITIVE))
        };
        (0..=points).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn approximations_are_close_everywhere() {
        assert!(worst(exp, f64::exp, -80.0, 80.0) <= 2.0, "{}", worst(exp, f64::exp, -80.0, 80.0));
        for range in [1e-6, 0.1, 1.0, 20.0] {
            assert!(worst(tanh, f64::tanh, -range, range) <= 4.0, "{}", worst(tanh, f64::tanh, -range, range));
        }
    }

    #[test]
    fn special_values_are_kept() {
        assert_eq!((exp(0.0), tanh(0.0)), (1.0, 0.0));
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert_eq!((tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (1.0, -1.0));
    }
}
