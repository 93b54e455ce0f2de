//! Write arithmetic on one vector of lanes as on numbers.

use pulp::{Simd, bytemuck};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// One vector of `f32` lanes with the instruction set it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Wide<S: Simd> {
    simd: S,
    value: S::f32s,
}

impl<S: Simd> Wide<S> {
    /// A vector as the instruction set has it.
    #[inline(always)]
    pub fn new(simd: S, value: S::f32s) -> Self {
        Self { simd, value }
    }

    /// `number` in every lane.
    #[inline(always)]
    pub fn splat(simd: S, number: f32) -> Self {
        Self { simd, value: simd.splat_f32s(number) }
    }

    /// `number` in every lane of a vector of the same kind.
    #[inline(always)]
    pub fn all(self, number: f32) -> Self {
        Self::splat(self.simd, number)
    }

    /// The vector as the instruction set has it.
    #[inline(always)]
    pub fn value(self) -> S::f32s {
        self.value
    }

    /// The instruction set.
    #[inline(always)]
    pub fn simd(self) -> S {
        self.simd
    }

    /// `self * factor + term`, rounded once where the machine can.
    #[inline(always)]
    pub fn mul_add(self, factor: impl Operand<S>, term: impl Operand<S>) -> Self {
        let (factor, term) = (factor.wide(self.simd), term.wide(self.simd));
        Self { simd: self.simd, value: self.simd.mul_add_e_f32s(self.value, factor.value, term.value) }
    }

    /// The polynomial with the given coefficients, the highest first.
    #[inline(always)]
    pub fn polynomial<const N: usize>(self, coefficients: [f32; N]) -> Self {
        let mut sum = self.all(coefficients[0]);
        for coefficient in &coefficients[1..] {
            sum = sum.mul_add(self, *coefficient);
        }
        sum
    }

    /// The square root.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self { simd: self.simd, value: self.simd.sqrt_f32s(self.value) }
    }

    /// The value without its sign.
    #[inline(always)]
    pub fn abs(self) -> Self {
        let bits = self.simd.and_u32s(self.bits(), self.simd.splat_u32s(0x7fff_ffff));
        Self::from_bits(self.simd, bits)
    }

    /// The larger of the two; NaN in `self` stays NaN.
    #[inline(always)]
    pub fn at_least(self, low: impl Operand<S>) -> Self {
        let low = low.wide(self.simd);
        if S::IS_SCALAR {
            return Self::select(self.less(low), low, self);
        }
        // Of two values one of which is NaN, the vector instructions answer the second or NaN.
        Self { simd: self.simd, value: self.simd.max_f32s(low.value, self.value) }
    }

    /// The smaller of the two; NaN in `self` stays NaN.
    #[inline(always)]
    pub fn at_most(self, high: impl Operand<S>) -> Self {
        let high = high.wide(self.simd);
        if S::IS_SCALAR {
            return Self::select(high.less(self), high, self);
        }
        Self { simd: self.simd, value: self.simd.min_f32s(high.value, self.value) }
    }

    /// Where `self < other`.
    #[inline(always)]
    pub fn less(self, other: impl Operand<S>) -> S::m32s {
        self.simd.less_than_f32s(self.value, other.wide(self.simd).value)
    }

    /// Where `self <= other`.
    #[inline(always)]
    pub fn at_most_mask(self, other: impl Operand<S>) -> S::m32s {
        self.simd.less_than_or_equal_f32s(self.value, other.wide(self.simd).value)
    }

    /// Where `self == other`.
    #[inline(always)]
    pub fn equals(self, other: impl Operand<S>) -> S::m32s {
        self.simd.equal_f32s(self.value, other.wide(self.simd).value)
    }

    /// `yes` where the mask holds, elsewhere `no`.
    #[inline(always)]
    pub fn select(mask: S::m32s, yes: Self, no: Self) -> Self {
        Self::from_bits(yes.simd, yes.simd.select_u32s(mask, yes.bits(), no.bits()))
    }

    /// The bits of the values.
    #[inline(always)]
    pub fn bits(self) -> S::u32s {
        bytemuck::cast(self.value)
    }

    /// The values with the given bits.
    #[inline(always)]
    pub fn from_bits(simd: S, bits: S::u32s) -> Self {
        Self { simd, value: bytemuck::cast(bits) }
    }
}

/// What stands at the right of an operator: a vector, or a number for every lane.
pub trait Operand<S: Simd>: Copy {
    /// As a vector.
    fn wide(self, simd: S) -> Wide<S>;
}

impl<S: Simd> Operand<S> for Wide<S> {
    #[inline(always)]
    fn wide(self, _: S) -> Self {
        self
    }
}

impl<S: Simd> Operand<S> for f32 {
    #[inline(always)]
    fn wide(self, simd: S) -> Wide<S> {
        Wide::splat(simd, self)
    }
}

impl<S: Simd, T: Operand<S>> Add<T> for Wide<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: T) -> Self {
        Self { simd: self.simd, value: self.simd.add_f32s(self.value, other.wide(self.simd).value) }
    }
}

impl<S: Simd, T: Operand<S>> Sub<T> for Wide<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: T) -> Self {
        Self { simd: self.simd, value: self.simd.sub_f32s(self.value, other.wide(self.simd).value) }
    }
}

impl<S: Simd, T: Operand<S>> Mul<T> for Wide<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: T) -> Self {
        Self { simd: self.simd, value: self.simd.mul_f32s(self.value, other.wide(self.simd).value) }
    }
}

impl<S: Simd, T: Operand<S>> Div<T> for Wide<S> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: T) -> Self {
        Self { simd: self.simd, value: self.simd.div_f32s(self.value, other.wide(self.simd).value) }
    }
}

impl<S: Simd> Neg for Wide<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.all(-0.0) - self
    }
}
