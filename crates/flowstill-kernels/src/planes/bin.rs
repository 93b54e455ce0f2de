//! Find the bin of a spline that a value lies in, and climb it, forwards and backwards.
//!
//! Names as in the formulas of [`super::spline`].

mod gradient;

pub use gradient::Wanted;

use super::math::{exp_of_negative, ln_of_normal, softplus_pair};
use super::wide::Wide;
use pulp::Simd;

/// The least width and height of a bin, as a share of the interval, and the least slope.
const FLOOR: f64 = 1e-3;

/// What is added to a raw slope so that raw 0 gives the slope 1: `softplus^-1(1 - FLOOR)`.
pub const UNIT_SLOPE: f32 = 0.539_742_4;

/// Raw slopes count as at most this, so that squares of slopes stay finite.
const STEEPEST: f32 = 1e9;

/// Raw values of one feature, seen at one vector of lanes.
#[derive(Clone, Copy)]
pub struct Raw<'a, S: Simd> {
    pub simd: S,
    /// `[3 * bins - 1][vectors]`.
    pub planes: &'a [S::f32s],
    pub vectors: usize,
    pub at: usize,
}

impl<S: Simd> Raw<'_, S> {
    #[inline(always)]
    fn plane(&self, plane: usize) -> Wide<S> {
        Wide::new(self.simd, self.planes[plane * self.vectors + self.at])
    }
}

/// The exponentials of both softmaxes, kept for the gradients.
pub struct Exponentials<S: Simd, const N: usize> {
    widths: [S::f32s; N],
    heights: [S::f32s; N],
}

impl<S: Simd, const N: usize> Exponentials<S, N> {
    #[inline(always)]
    pub fn new(simd: S) -> Self {
        Self { widths: [simd.splat_f32s(0.0); N], heights: [simd.splat_f32s(0.0); N] }
    }
}

/// The interval and its division, the same for all lanes.
#[derive(Clone, Copy)]
pub struct Grid {
    pub bins: usize,
    pub bound: f32,
    /// What the softmax divides up.
    shared: f32,
    /// What every bin has before.
    floor: f32,
}

impl Grid {
    #[inline(always)]
    pub fn new(bins: usize, bound: f32) -> Self {
        let whole = 2.0 * f64::from(bound);
        let shared = (whole * (1.0 - FLOOR * bins as f64)) as f32;
        Self { bins, bound, shared, floor: (whole * FLOOR) as f32 }
    }
}

/// In which direction knots are compared.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Data,
    Latent,
}

/// One of the two divisions at the bin: exponentials before it and its own, and what turns them into lengths.
#[derive(Clone, Copy)]
struct Division<S: Simd> {
    before: Wide<S>,
    own: Wide<S>,
    scale: Wide<S>,
}

/// The bin that a value lies in.
#[derive(Clone, Copy)]
pub struct Bin<S: Simd> {
    index: Wide<S>,
    widths: Division<S>,
    heights: Division<S>,
    pub x: Wide<S>,
    pub width: Wide<S>,
    pub inverse_width: Wide<S>,
    pub z: Wide<S>,
    pub height: Wide<S>,
    /// The mean slope.
    s: Wide<S>,
    d0: Wide<S>,
    d1: Wide<S>,
    /// The raw slopes at both knots, offset included.
    raw0: Wide<S>,
    raw1: Wide<S>,
}

/// Exponentials of `bins` raw values from plane `first` on, the largest of them 1; answers their sum.
#[inline(always)]
fn exponentials<S: Simd>(raw: Raw<'_, S>, first: usize, out: &mut [S::f32s]) -> Wide<S> {
    let mut most = raw.plane(first);
    for k in 1..out.len() {
        most = raw.plane(first + k).at_least(most);
    }
    let mut sum = most.all(0.0);
    for (k, out) in out.iter_mut().enumerate() {
        let e = exp_of_negative(raw.plane(first + k) - most);
        *out = e.value();
        sum = sum + e;
    }
    sum
}

impl<S: Simd> Bin<S> {
    #[inline(always)]
    pub fn find<const N: usize>(
        value: Wide<S>,
        raw: Raw<'_, S>,
        grid: Grid,
        side: Side,
        exps: &mut Exponentials<S, N>,
    ) -> Self {
        let simd = raw.simd;
        let Grid { bins, bound, shared, floor } = grid;
        let zero = Wide::splat(simd, 0.0);
        let (width_sum, height_sum) =
            (exponentials(raw, 0, &mut exps.widths[..bins]), exponentials(raw, bins, &mut exps.heights[..bins]));
        let inverse = zero.all(shared) / (width_sum * height_sum);
        let (width_scale, height_scale) = (inverse * height_sum, inverse * width_sum);
        let [width, height] = [&exps.widths, &exps.heights].map(|own| move |k: usize| Wide::new(simd, own[k]));

        let (mut index, mut raw0, mut raw1) = (zero, zero, raw.plane(2 * bins));
        let mut widths = Division { before: zero, own: width(0), scale: width_scale };
        let mut heights = Division { before: zero, own: height(0), scale: height_scale };
        let (mut width_before, mut height_before) = (zero, zero);
        for k in 1..bins {
            width_before = width_before + width(k - 1);
            height_before = height_before + height(k - 1);
            let start = k as f32 * floor - bound;
            let knot = match side {
                Side::Data => width_before.mul_add(width_scale, start),
                Side::Latent => height_before.mul_add(height_scale, start),
            };
            let reached = knot.at_most_mask(value);
            index = Wide::select(reached, zero.all(k as f32), index);
            widths.before = Wide::select(reached, width_before, widths.before);
            widths.own = Wide::select(reached, width(k), widths.own);
            heights.before = Wide::select(reached, height_before, heights.before);
            heights.own = Wide::select(reached, height(k), heights.own);
            raw0 = Wide::select(reached, raw.plane(2 * bins + k - 1), raw0);
            raw1 = Wide::select(reached, if k + 1 < bins { raw.plane(2 * bins + k) } else { zero }, raw1);
        }
        let start = index.mul_add(floor, -bound);
        let (width, height) = (widths.own.mul_add(width_scale, floor), heights.own.mul_add(height_scale, floor));
        let (raw0, raw1) = (raw0.at_most(STEEPEST) + UNIT_SLOPE, raw1.at_most(STEEPEST) + UNIT_SLOPE);
        let (d0, d1) = softplus_pair(raw0, raw1);
        let inverse_width = zero.all(1.0) / width;
        Self {
            index,
            widths,
            heights,
            x: widths.before.mul_add(width_scale, start),
            width,
            inverse_width,
            z: heights.before.mul_add(height_scale, start),
            height,
            s: height * inverse_width,
            d0: d0 + FLOOR as f32,
            d1: d1 + FLOOR as f32,
            raw0,
            raw1,
        }
    }

    /// The `t` of a value on the data side, kept in [0, 1] whatever was rounded.
    #[inline(always)]
    pub fn place(&self, x: Wide<S>) -> Wide<S> {
        ((x - self.x) * self.inverse_width).at_least(0.0).at_most(1.0)
    }

    /// The `t` of a value on the latent side.
    #[inline(always)]
    pub fn solve(&self, z: Wide<S>) -> Wide<S> {
        let e = ((z - self.z) / self.height).at_least(0.0).at_most(1.0);
        let rest = e.all(1.0) - e;
        let m = self.d1 * e - self.d0 * rest;
        let (low, high) = ((self.s + self.s) * e, (self.s + self.s) * rest);
        let r = m.mul_add(m, low * high).sqrt();
        // Of the two forms of the root the one without a cancellation.
        let q = r + m.abs();
        let upper = m.all(0.0).less(m);
        (Wide::select(upper, q, low) / (q + Wide::select(upper, high, low))).at_most(1.0)
    }

    /// The share of the height that is climbed at `t`, and the logarithm of the slope there.
    #[inline(always)]
    pub fn evaluate(&self, t: Wide<S>) -> (Wide<S>, Wide<S>) {
        let Climb { t2, both, numerator, denominator, .. } = self.climb(t);
        let inverse = t.all(1.0) / denominator;
        let ratio = self.s * inverse;
        let share = self.s.mul_add(t2, self.d0 * both) * inverse;
        // Floors and ceilings of all lengths and slopes keep the product a normal number.
        (share, ln_of_normal(numerator * ratio * ratio, t.all(0.0)))
    }

    #[inline(always)]
    fn climb(&self, t: Wide<S>) -> Climb<S> {
        let rest = t.all(1.0) - t;
        let (t2, rest2, both) = (t * t, rest * rest, t * rest);
        let excess = self.d0 + self.d1 - (self.s + self.s);
        let denominator = excess.mul_add(both, self.s);
        let numerator = self.d1.mul_add(t2, self.d0.mul_add(rest2, (self.s + self.s) * both));
        Climb { t2, rest2, both, excess, numerator, denominator }
    }
}

/// What is used again and again of a place `t` in a bin.
struct Climb<S: Simd> {
    t2: Wide<S>,
    rest2: Wide<S>,
    both: Wide<S>,
    excess: Wide<S>,
    numerator: Wide<S>,
    denominator: Wide<S>,
}
