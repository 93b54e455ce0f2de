//! Approximate elementary functions of vectors by branchless arithmetic.
//!
//! NaN stays NaN. A unit is one in the last place of the true value.

use super::wide::Wide;
use pulp::Simd;
use std::f32::consts::LOG2_E;

/// Adding and subtracting this rounds to the nearest integer, whose bits then stand at the end of the sum.
const ROUND: f32 = 12_582_912.0;

/// [`ROUND`] with the bias of an exponent, so that the end of the sum is the exponent of a power of two.
const ROUND_BIASED: f32 = ROUND + 127.0;

/// `2^n` from `n + ROUND_BIASED`, for integers from -126 to 127.
#[inline(always)]
fn power_of_two<S: Simd>(shifted: Wide<S>) -> Wide<S> {
    let simd = shifted.simd();
    Wide::from_bits(simd, simd.wrapping_dyn_shl_u32s(shifted.bits(), simd.splat_u32s(23)))
}

/// `exp(x)` within 2 units; infinite from 88.73 on, and 0 below -104.
#[inline(always)]
pub fn exp<S: Simd>(x: Wide<S>) -> Wide<S> {
    let x = x.at_least(-104.0).at_most(89.0);
    let n = x.mul_add(LOG2_E, ROUND) - ROUND;
    // ln 2 in two parts, the first short enough that its product with n is exact.
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, x));
    // The minimax polynomial of Cephes' expf for (exp(r) - 1 - r) / r^2.
    let p = r.polynomial([1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5]);
    let y = (r * r).mul_add(p, r) + 1.0;
    // In two factors, for either alone may be out of range.
    let half = n.mul_add(0.5, ROUND_BIASED);
    let rest = (n - (half - ROUND_BIASED)) + ROUND_BIASED;
    y * power_of_two(half) * power_of_two(rest)
}

/// `exp(x)` for `x <= 0` within `2 + |x| / 8` units, `2 + |x|` where no instruction multiplies and adds at once; the argument is clamped at
/// -86. Enough where exponentials are summed.
#[inline(always)]
pub fn exp_of_negative<S: Simd>(x: Wide<S>) -> Wide<S> {
    let x = x.at_least(-86.0);
    let shifted = x.mul_add(LOG2_E, ROUND_BIASED);
    let f = x.mul_add(LOG2_E, -(shifted - ROUND_BIASED));
    // Near-minimax for 2^f on [-1/2, 1/2], exact at 0; so its second coefficient is not quite ln 2.
    #[allow(clippy::approx_constant)]
    let p = f.polynomial([1.326_472_4e-3, 9.671_513e-3, 5.550_733_6e-2, 0.240_222_42, 0.693_147, 1.0]);
    p * power_of_two(shifted)
}

/// `ln(x)` within 2 units; -infinity at 0, NaN below.
#[inline(always)]
pub fn ln<S: Simd>(x: Wide<S>) -> Wide<S> {
    // Subnormal numbers are brought into the range of normal ones first.
    let small = x.less(f32::MIN_POSITIVE);
    let scaled = Wide::select(small, x * 8_388_608.0, x);
    let y = ln_of_normal(scaled, Wide::select(small, x.all(23.0), x.all(0.0)));
    let y = Wide::select(x.equals(f32::INFINITY), x, y);
    let y = Wide::select(x.equals(0.0), x.all(f32::NEG_INFINITY), y);
    // Negative numbers and NaN.
    Wide::select(x.all(0.0).at_most_mask(x), y, x.all(f32::NAN))
}

/// `ln(x) - less * ln 2` for normal `x > 0` and small integers `less`, within 2 units.
#[inline(always)]
pub(super) fn ln_of_normal<S: Simd>(x: Wide<S>, less: Wide<S>) -> Wide<S> {
    // Source: logf of FreeBSD's msun. x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).
    let simd = x.simd();
    let bits = simd.add_u32s(x.bits(), simd.splat_u32s(0x3f80_0000 - 0x3f35_04f3));
    let exponent = simd.wrapping_dyn_shr_u32s(bits, simd.splat_u32s(23));
    let mantissa = simd.and_u32s(bits, simd.splat_u32s(0x007f_ffff));
    let f = Wide::from_bits(simd, simd.add_u32s(mantissa, simd.splat_u32s(0x3f35_04f3))) - 1.0;
    // An integer below 2^23 written behind the leading bit of 2^23.
    let k = Wide::from_bits(simd, simd.or_u32s(exponent, simd.splat_u32s(0x4b00_0000))) - (8_388_608.0 + 127.0) - less;
    let s = f / (f + 2.0);
    let z = s * s;
    let r = z * z.polynomial([0.242_790_79, 0.284_987_87, 0.400_009_72, 0.666_666_6]);
    let half = f * f * 0.5;
    // The last term is zero, or NaN, of which the bits tell nothing.
    k.mul_add(9.058_001e-6, s * (half + r)) - half + f + x.mul_add(0.0, k * 0.693_138_1)
}

/// `ln(1 + y)` for `y` from 0 to 1 within 3 units.
#[inline(always)]
pub fn ln_1p_of_unit<S: Simd>(y: Wide<S>) -> Wide<S> {
    let v = y / (y + 2.0);
    twice_atanh(v)
}

/// `2 atanh(v)` for `v` from 0 to 1/3.
#[inline(always)]
fn twice_atanh<S: Simd>(v: Wide<S>) -> Wide<S> {
    let w = v * v;
    let p = w.polynomial([0.140_06, 0.140_009_02, 0.200_107_63, 0.333_332_1]);
    let v = v + v;
    (v * w).mul_add(p, v)
}

/// `tanh(x)` within 4 units.
#[inline(always)]
pub fn tanh<S: Simd>(x: Wide<S>) -> Wide<S> {
    // A rational function of degree 13 over 6, the one that Eigen and XLA use.
    let x = x.at_least(-7.905_311).at_most(7.905_311);
    let q = x * x;
    let p = q.polynomial([
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297e-8,
        1.485_722_4e-5,
        6.372_619_3e-4,
        4.893_524_6e-3,
    ]);
    let d = q.polynomial([1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3]);
    (x * p / d).at_least(-1.0).at_most(1.0)
}

/// `1 / (1 + exp(-x))` within 4 units.
#[inline(always)]
pub fn sigmoid<S: Simd>(x: Wide<S>) -> Wide<S> {
    let e = exp(-x.abs());
    Wide::select(x.less(0.0), e, x.all(1.0)) / (e + 1.0)
}

/// `ln(1 + exp(x))` within 4 units.
#[inline(always)]
pub fn softplus<S: Simd>(x: Wide<S>) -> Wide<S> {
    x.at_least(0.0) + ln_1p_of_unit(exp(-x.abs()))
}

/// [`softplus`] of two vectors for one division, as exact as [`exp_of_negative`] and no less than `exp(-86)`.
#[inline(always)]
pub fn softplus_pair<S: Simd>(a: Wide<S>, b: Wide<S>) -> (Wide<S>, Wide<S>) {
    let (y, z) = (exp_of_negative(-a.abs()), exp_of_negative(-b.abs()));
    let (p, q) = (y + 2.0, z + 2.0);
    let inverse = p.all(1.0) / (p * q);
    (a.at_least(0.0) + twice_atanh(y * (q * inverse)), b.at_least(0.0) + twice_atanh(z * (p * inverse)))
}

#[cfg(test)]
#[path = "math_tests.rs"]
mod tests;
