//! Bend values by a monotone rational-quadratic spline on `[-B, B]` and leave them alone outside.
//!
//! Source: Gregory and Delbourgo 1982; Durkan et al. 2019, "Neural Spline Flows", section 3.1 and appendix A.1.
//!
//! Bin `k` has the width `w`, the height `h`, the mean slope `s = h / w` and the slopes `d0`, `d1` at its two knots. With
//! `t = (x - x_k) / w` in [0, 1]:
//!
//! ```text
//! z         = z_k + h (s t^2 + d0 t (1 - t)) / (s (1 - 2 t (1 - t)) + (d0 + d1) t (1 - t))
//! log dz/dx = log(d1 t^2 + 2 s t (1 - t) + d0 (1 - t)^2) + 2 log(s / (s (1 - 2 t (1 - t)) + (d0 + d1) t (1 - t)))
//! ```
//!
//! The inverse solves a quadratic. With `e = (z - z_k) / h`, `m = d1 e - d0 (1 - e)` and `r = sqrt(m^2 + 4 s^2 e (1 - e))`, its root in
//! [0, 1] is `t = 2 s e / (2 s e - m + r)`, which is `2c / (-b - sqrt(b^2 - 4ac))` of the paper with the discriminant written as a sum of
//! squares. For `m > 0` the same root is `(r + m) / (r + m + 2 s (1 - e))`; of the two forms the one without a cancellation is taken.

use burn::tensor::activation::{softmax, softplus};
use burn::tensor::{Bool, Int, Tensor, TensorData};

/// The least width and height of a bin, as a share of the interval, and the least slope.
const FLOOR: f64 = 1e-3;

/// Data to latent: `x` is `[rows, features]`, `raw` is `[rows, features * (3 bins - 1)]` with `bins` widths, `bins` heights and
/// `bins - 1` inner slopes per feature; answers `z` and `log dz/dx`, both `[rows, features]`.
pub fn forward(x: Tensor<2>, raw: Tensor<2>, bins: usize, tail_bound: f64) -> (Tensor<2>, Tensor<2>) {
    let [rows, features] = x.dims();
    let (inner, outside) = clamp_inside(&x, tail_bound);
    let bin = Bin::find(inner.clone(), raw, bins, tail_bound, Side::Data);
    let t = to_unit_interval((inner - bin.x.clone()) / bin.width.clone());
    let (share, log_slope) = bin.evaluate(t);
    let z = (bin.z + bin.height * share).reshape([rows, features]);
    let log_slope = log_slope.reshape([rows, features]);
    (z.mask_where(outside.clone(), x), log_slope.mask_fill(outside, 0.0))
}

/// Latent to data, with the same `log dz/dx`; shapes as in [`forward`].
pub fn inverse(z: Tensor<2>, raw: Tensor<2>, bins: usize, tail_bound: f64) -> (Tensor<2>, Tensor<2>) {
    let [rows, features] = z.dims();
    let (inner, outside) = clamp_inside(&z, tail_bound);
    let bin = Bin::find(inner.clone(), raw, bins, tail_bound, Side::Latent);
    let t = bin.solve(to_unit_interval((inner - bin.z.clone()) / bin.height.clone()));
    let (_, log_slope) = bin.evaluate(t.clone());
    let x = (bin.x + bin.width * t).reshape([rows, features]);
    let log_slope = log_slope.reshape([rows, features]);
    (x.mask_where(outside.clone(), z), log_slope.mask_fill(outside, 0.0))
}

/// The values as one column, those outside `[-B, B]` (and NaN) replaced by 0, and where they were replaced.
///
/// `where` passes a zero gradient to the branch it did not select, and zero times infinity is NaN; so that branch must be harmless.
fn clamp_inside(x: &Tensor<2>, tail_bound: f64) -> (Tensor<2>, Tensor<2, Bool>) {
    let [rows, features] = x.dims();
    let outside = x.clone().abs().lower_equal_elem(tail_bound).bool_not();
    (x.clone().mask_fill(outside.clone(), 0.0).reshape([rows * features, 1]), outside)
}

/// Remove the rounding that leads out of [0, 1], and keep the gradient.
fn to_unit_interval(t: Tensor<2>) -> Tensor<2> {
    let excess = t.clone().detach();
    t - (excess.clone() - excess.clamp(0.0, 1.0))
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Data,
    Latent,
}

/// The bin that every value lies in; all columns `[values, 1]`.
struct Bin {
    x: Tensor<2>,
    width: Tensor<2>,
    z: Tensor<2>,
    height: Tensor<2>,
    mean_slope: Tensor<2>,
    left_slope: Tensor<2>,
    right_slope: Tensor<2>,
}

impl Bin {
    fn find(value: Tensor<2>, raw: Tensor<2>, bins: usize, tail_bound: f64, side: Side) -> Self {
        let n = value.dims()[0];
        let raw = raw.reshape([n, 3 * bins - 1]);
        // Widths and heights are one softmax over `2 n` rows, and the left knots one product with a triangle of ones.
        let shares = softmax(raw.clone().narrow(1, 0, 2 * bins).reshape([2 * n, bins]), 1);
        let sizes = (shares * (1.0 - FLOOR * bins as f64) + FLOOR) * (2.0 * tail_bound);
        let knots = sizes.clone().matmul(strict_triangle(bins, &sizes)) - tail_bound;
        let knots = knots.reshape([n, 2 * bins]);
        let searched = match side {
            Side::Data => knots.clone().narrow(1, 1, bins - 1),
            Side::Latent => knots.clone().narrow(1, bins + 1, bins - 1),
        };
        let index: Tensor<2, Int> = value.detach().greater_equal(searched.detach()).int().sum_dim(1);

        // A raw slope of 0 is the slope 1, so that a column of zeros on either side pins the slopes at the ends.
        let slopes = raw.narrow(1, 2 * bins, bins - 1);
        let end = Tensor::zeros([n, 1], (&slopes.device().without_autodiff(), slopes.dtype()));
        let table = Tensor::cat(vec![knots, sizes.reshape([n, 2 * bins]), end.clone(), slopes, end], 1);
        let index = Tensor::cat([0, 1, 2, 3, 4].map(|block| index.clone() + (block * bins) as i64).to_vec(), 1);
        let index = Tensor::cat(vec![index.clone(), index.narrow(1, 4, 1) + 1], 1);
        let found = table.gather(1, index);
        let column = |k: usize| found.clone().narrow(1, k, 1);
        let slopes = softplus(found.clone().narrow(1, 4, 2) + unit_slope_offset(), 1.0) + FLOOR;
        let (width, height) = (column(2), column(3));
        Self {
            x: column(0),
            z: column(1),
            mean_slope: height.clone() / width.clone(),
            width,
            height,
            left_slope: slopes.clone().narrow(1, 0, 1),
            right_slope: slopes.narrow(1, 1, 1),
        }
    }

    /// The share of the height that is climbed at `t`, and the logarithm of the slope there.
    fn evaluate(&self, t: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let (s, d0, d1) = (&self.mean_slope, &self.left_slope, &self.right_slope);
        let rest = -t.clone() + 1.0;
        let both = t.clone() * rest.clone();
        let (t2, rest2) = (t.clone() * t, rest.clone() * rest);
        let denominator = s.clone() * (both.clone() * -2.0 + 1.0) + (d0.clone() + d1.clone()) * both.clone();
        let share = (s.clone() * t2.clone() + d0.clone() * both.clone()) / denominator.clone();
        let numerator = d1.clone() * t2 + s.clone() * both * 2.0 + d0.clone() * rest2;
        let log_slope = numerator.log() + (s.clone() / denominator).log() * 2.0;
        (share, log_slope)
    }

    /// The `t` at which the share `e` of the height is climbed.
    fn solve(&self, e: Tensor<2>) -> Tensor<2> {
        let (s, d0, d1) = (&self.mean_slope, &self.left_slope, &self.right_slope);
        let rest = -e.clone() + 1.0;
        let m = d1.clone() * e.clone() - d0.clone() * rest.clone();
        let r = (m.clone() * m.clone() + s.clone() * s.clone() * e.clone() * rest.clone() * 4.0).sqrt();
        let upper = m.clone().greater_elem(0.0);
        let q = r + (-m.clone()).mask_where(upper.clone(), m);
        let (low, high) = (s.clone() * e * 2.0, s.clone() * rest * 2.0);
        let top = low.clone().mask_where(upper.clone(), q.clone());
        top / (q + low.mask_where(upper, high))
    }
}

/// What is added to a raw slope so that raw 0 gives the slope 1: `softplus^-1(1 - FLOOR)`.
fn unit_slope_offset() -> f64 {
    (1.0 - FLOOR).exp_m1().ln()
}

/// `[bins, bins]` with ones above the diagonal: sizes times this are the sums of the sizes before each.
fn strict_triangle(bins: usize, like: &Tensor<2>) -> Tensor<2> {
    let ones = (0..bins * bins).map(|k| if k / bins < k % bins { 1.0_f32 } else { 0.0 }).collect::<Vec<_>>();
    let data = TensorData::new(ones, [bins, bins]).convert_dtype(like.dtype());
    Tensor::from_data(data, (&like.device().without_autodiff(), like.dtype()))
}
