//! Take gradients of a value and its log-slope to the bin they come from, and from the bin to all raw values.
//!
//! Names as in the formulas of [`super::super::spline`].

use super::{Bin, Climb, Division, Exponentials, Grid};
use crate::planes::math::sigmoid;
use crate::planes::wide::Wide;
use pulp::Simd;

/// Which direction gradients are wanted of, and the gradients of its results.
#[derive(Clone, Copy)]
pub enum Wanted<S: Simd> {
    Forward { g_z: Wide<S>, g_log: Wide<S> },
    Inverse { g_x: Wide<S>, g_log: Wide<S> },
}

/// Gradients of the forward map's value, argument and bin.
pub struct Gradient<S: Simd> {
    pub g_z: Wide<S>,
    pub g_x: Wide<S>,
    by_width: Wide<S>,
    by_height: Wide<S>,
    by_raw0: Wide<S>,
    by_raw1: Wide<S>,
}

impl<S: Simd> Bin<S> {
    /// What the gradients of `z` and of the log-slope at `t` become: for a value `x` inside the bin, and for the bin itself.
    #[inline(always)]
    pub fn gradient(&self, t: Wide<S>, wanted: Wanted<S>) -> Gradient<S> {
        let Self { s, d0, d1, inverse_width, .. } = *self;
        let Climb { t2, rest2, both, excess, numerator, denominator } = self.climb(t);
        let rest = t.all(1.0) - t;
        let inverse = t.all(1.0) / (numerator * denominator);
        let (over_numerator, over_denominator) = (inverse * denominator, inverse * numerator);

        // The derivative of the log-slope by t.
        let centre = rest - t;
        let tilt = d1 * t - d0 * rest + s * centre;
        let log_by_t = (tilt * over_numerator - excess * centre * over_denominator) * 2.0;
        let ratio = s * over_denominator;
        let slope = numerator * ratio * ratio;
        let (g_z, g_log) = match wanted {
            Wanted::Forward { g_z, g_log } => (g_z, g_log),
            // With x the solution, dx = (dz - what the bin's change adds to z) / slope; so this is the forward gradient for another g_z.
            Wanted::Inverse { g_x, g_log } => (-(g_x + g_log * log_by_t * inverse_width) / slope, g_log),
        };
        let by_t = (g_z * slope).mul_add(self.width, g_log * log_by_t);
        let climbed = g_z * self.height * over_denominator * over_denominator * both;
        let (low, high) = (s.mul_add(t2, d0 * both), s.mul_add(rest2, d1 * both));
        let twice = (both + both) * over_denominator;
        let by_s = climbed.mul_add(
            d1 * t2 - d0 * rest2,
            // 2 / s less its part in the denominator, the two taken together against the cancellation.
            g_log * ((both + both) * over_numerator + (d0 + d1) * both * (over_denominator + over_denominator) / s),
        );
        let by_d0 = climbed.mul_add(high, g_log * (rest2 * over_numerator - twice));
        let by_d1 = g_log * (t2 * over_numerator - twice) - climbed * low;
        let g_x = by_t * inverse_width;
        Gradient {
            g_z,
            g_x,
            by_width: -(by_t.mul_add(t, by_s * s)) * inverse_width,
            by_height: g_z.mul_add(low * over_denominator, by_s * inverse_width),
            by_raw0: by_d0 * sigmoid(self.raw0),
            by_raw1: by_d1 * sigmoid(self.raw1),
        }
    }

    /// Write the gradients of all raw values of the lanes.
    #[inline(always)]
    pub fn spread<const N: usize>(
        &self,
        gradient: &Gradient<S>,
        grid: Grid,
        exps: &Exponentials<S, N>,
        vectors: usize,
        at: usize,
        out: &mut [S::f32s],
    ) {
        let (simd, bins) = (self.index.simd(), grid.bins);
        let zero = self.index.all(0.0);
        let sides = [
            (self.widths, &exps.widths, -gradient.g_x, gradient.by_width, 0),
            (self.heights, &exps.heights, gradient.g_z, gradient.by_height, bins),
        ];
        for (division, exps, by_start, by_size, first) in sides {
            let Division { before, own, scale } = division;
            let mean = before.mul_add(by_start, own * by_size) * scale * (1.0 / grid.shared);
            for k in 0..bins {
                let at_bin = Wide::select(self.index.equals(k as f32), by_size, zero);
                let by = Wide::select(self.index.all(k as f32).less(self.index), by_start, at_bin);
                out[(first + k) * vectors + at] = (Wide::new(simd, exps[k]) * scale * (by - mean)).value();
            }
        }
        for k in 0..bins - 1 {
            let right = Wide::select(self.index.equals(k as f32), gradient.by_raw1, zero);
            let by = Wide::select(self.index.equals((k + 1) as f32), gradient.by_raw0, right);
            out[(2 * bins + k) * vectors + at] = by.value();
        }
    }
}
