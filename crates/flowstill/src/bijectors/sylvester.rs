//! Add a bounded function of a few orthogonal directions, undone by Newton's method.

use super::{Basis, Bijector, BijectorConfig, Context, InverseKind, SylvesterLayerConfig};
use crate::Param;
use crate::random::normals;
use crate::shape::{context_rows, from_rows, positions, sum_event, to_rows, zero_log_det};
use burn::tensor::{Device, Tensor};
use rand::RngCore;

/// `z = x + Q R h` with `h = tanh(R~ Q^T x + bias + C^T context)` at every position; Q has orthonormal columns, R and R~ are upper triangular.
///
/// `log_det = sum_i log(1 + r_ii r~_ii (1 - h_i^2))` over the columns of Q. The diagonals are `0.95 tanh(raw)`, so every term is a logarithm of 0.0975 to 1.9025, and
/// a layer always has an inverse. That is numeric ([`SylvesterLayerConfig::TOLERANCE`]): in the directions of Q, from the last to the first, it is one
/// equation `u + r r~ tanh(u) = s` of one unknown after the other, which six Newton steps solve from any `s`. A last step on the tape gives it the
/// gradients of the implicit function theorem.
///
/// Source: van den Berg et al. 2018, "Sylvester Normalizing Flows for Variational Inference", arXiv 1803.05649, in the orthogonal and in the Householder form; its weights
/// are this layer's own here, not a network's output.
#[doc(alias = "planar")]
#[derive(Clone, Debug)]
pub struct Sylvester {
    config: SylvesterLayerConfig,
    /// What Q is made of, `[vectors, channels]`.
    vectors: Param,
    /// R above its diagonal, `[rank, rank]`.
    outer: Param,
    outer_diagonal: Param,
    /// R~ likewise.
    inner: Param,
    inner_diagonal: Param,
    bias: Param,
    /// C, `[context, rank]`.
    context: Option<Param>,
    upper_mask: Param,
    identity: Param,
}

crate::parameters!(Sylvester {
    vectors,
    outer,
    outer_diagonal,
    inner,
    inner_diagonal,
    bias,
    context,
    upper_mask,
    identity
});

/// `Q^T` `[rank, channels]`, R and R~ `[rank, rank]`, and the products of their diagonals `[1, rank]`.
struct Matrices {
    rows: Tensor<2>,
    outer: Tensor<2>,
    inner: Tensor<2>,
    products: Tensor<2>,
}

impl Sylvester {
    /// The identity, for R is zero, with random directions; the diagonal of R~ is 0.72. Check the configuration first.
    pub fn new(config: &SylvesterLayerConfig, rng: &mut impl RngCore, device: &Device) -> Self {
        let (channels, rank, vectors) = (config.channels, config.rank(), config.vectors());
        let square = |holds: &dyn Fn(usize, usize) -> bool| -> Vec<f32> {
            (0..rank * rank).map(|k| if holds(k / rank, k % rank) { 1.0 } else { 0.0 }).collect()
        };
        Self {
            vectors: Param::new(normals(vectors * channels, rng), &[vectors, channels], device),
            outer: Param::zeros(&[rank, rank], device),
            outer_diagonal: Param::zeros(&[rank], device),
            inner: Param::zeros(&[rank, rank], device),
            inner_diagonal: Param::new(vec![1.0; rank], &[rank], device),
            bias: Param::zeros(&[rank], device),
            context: (config.context > 0).then(|| Param::zeros(&[config.context, rank], device)),
            upper_mask: Param::constant(square(&|i, j| i < j), &[rank, rank], device),
            identity: Param::constant(square(&|i, j| i == j), &[rank, rank], device),
            config: config.clone(),
        }
    }

    /// `Q^T`, `[rank, channels]`: orthonormal rows.
    pub fn rows(&self) -> Tensor<2> {
        let vectors = self.vectors.tensor::<2>();
        match self.config.basis {
            Basis::Orthogonal { rank } => {
                let mut rows: Option<Tensor<2>> = None;
                for i in 0..rank {
                    let mut own = vectors.clone().narrow(0, i, 1);
                    for before in [&rows, &rows].into_iter().flatten() {
                        own = own.clone() - own.matmul(before.clone().transpose()).matmul(before.clone());
                    }
                    let own = own.clone() / own.powi_scalar(2).sum_dim(1).sqrt();
                    rows = Some(rows.map_or(own.clone(), |before| Tensor::cat(vec![before, own], 0)));
                }
                rows.unwrap_or(vectors)
            }
            Basis::Householder { reflections } => {
                // As many columns as channels.
                (0..reflections).fold(self.identity.tensor(), |rows: Tensor<2>, k| {
                    let own = vectors.clone().narrow(0, k, 1);
                    let along = rows.clone().matmul(own.clone().transpose());
                    rows - (along * 2.0).matmul(own.clone()) / own.powi_scalar(2).sum_dim(1)
                })
            }
        }
    }

    fn matrices(&self) -> Matrices {
        let rank = self.config.rank();
        let diagonal =
            |raw: &Param| raw.flat().clone().tanh().reshape([1, rank]) * SylvesterLayerConfig::DIAGONAL_BOUND;
        let square = |upper: &Param, diagonal: &Tensor<2>| {
            upper.tensor::<2>() * self.upper_mask.tensor::<2>() + self.identity.tensor::<2>() * diagonal.clone()
        };
        let (outer, inner) = (diagonal(&self.outer_diagonal), diagonal(&self.inner_diagonal));
        Matrices {
            rows: self.rows(),
            outer: square(&self.outer, &outer),
            inner: square(&self.inner, &inner),
            products: outer * inner,
        }
    }

    /// What is added before the tanh, `[1 or rows, rank]`.
    fn shift(&self, context: Option<Tensor<2>>) -> Tensor<2> {
        let bias = self.bias.flat().clone().reshape([1, self.config.rank()]);
        match (&self.context, context) {
            (Some(weight), Some(context)) => context.matmul(weight.tensor()) + bias,
            _ => bias,
        }
    }
}

/// `sum_i log(1 + d_i (1 - h_i^2))` at every position, summed over each sample.
fn log_det(h: Tensor<2>, products: Tensor<2>, at: [usize; 3]) -> Tensor<1> {
    let slopes = (-h.powi_scalar(2) + 1.0) * products + 1.0;
    sum_event(from_rows(slopes.log(), at))
}

/// `tanh(u)` of the root of `u + d tanh(u) = s`; `d` is `[1, 1]`, `s` is `[rows, 1]`. With the gradients that the root has as a function of both.
///
/// For `u >= 0` the left side is concave where `d >= 0` and convex where not, so that Newton's method stays on the side of the root where it begins. It begins at
/// the farther of two lines for a concave function, at the nearer for a convex one, both bounds of the root.
fn tanh_of_root(d: Tensor<2>, s: Tensor<2>) -> Tensor<2> {
    let (at, signed) = (d.clone().without_autodiff(), s.clone().without_autodiff());
    let size = signed.clone().abs();
    let (near, far) = (size.clone() / (at.clone() + 1.0) * 0.5, (size.clone() - at.clone()) * 0.5);
    let mut u = near.clone() + far.clone() + (near - far).abs() * at.clone().sign();
    let slope = |h: &Tensor<2>| (-h.clone().powi_scalar(2) + 1.0) * at.clone() + 1.0;
    for _ in 0..SylvesterLayerConfig::NEWTON_STEPS {
        let h = u.clone().tanh();
        u = u.clone() - (h.clone() * at.clone() + u - size.clone()) / slope(&h);
    }
    let u = u * signed.sign();
    let h = u.clone().tanh();
    // One more step moves nothing, and its derivative at the root is the root's.
    (u.clone() - (h.clone() * d + u - s) / slope(&h)).tanh()
}

impl Bijector for Sylvester {
    fn forward(&self, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let at = positions(&x);
        let shift = self.shift(context.map(|context| context_rows(context, at)));
        let Matrices { rows, outer, inner, products } = self.matrices();
        let x = to_rows(x);
        let h = (x.clone().matmul(rows.clone().transpose()).matmul(inner.transpose()) + shift).tanh();
        let z = x + h.clone().matmul(outer.transpose()).matmul(rows);
        (from_rows(z, at), log_det(h, products, at))
    }

    fn inverse(&self, z: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let at = positions(&z);
        if at[0] == 0 {
            let log_det = zero_log_det(&z);
            return (z, log_det);
        }
        let shift = self.shift(context.map(|context| context_rows(context, at)));
        let Matrices { rows, outer, inner, products } = self.matrices();
        let z = to_rows(z);
        let along = z.clone().matmul(rows.clone().transpose());
        // What is known of y and of h: the columns behind.
        let mut known: Option<(Tensor<2>, Tensor<2>)> = None;
        for i in (0..self.config.rank()).rev() {
            let entry = |matrix: &Tensor<2>| matrix.clone().narrow(0, i, 1).narrow(1, i, 1);
            let (mut target, mut s) = (along.clone().narrow(1, i, 1), shift.clone().narrow(1, i, 1));
            if let Some((y, h)) = &known {
                let behind = |matrix: &Tensor<2>| {
                    matrix.clone().narrow(0, i, 1).narrow(1, i + 1, self.config.rank() - 1 - i).transpose()
                };
                target = target - h.clone().matmul(behind(&outer));
                s = s + y.clone().matmul(behind(&inner));
            }
            let h = tanh_of_root(products.clone().narrow(1, i, 1), target.clone() * entry(&inner) + s);
            let y = target - h.clone() * entry(&outer);
            known = Some(match known {
                None => (y, h),
                Some((later_y, later_h)) => (Tensor::cat(vec![y, later_y], 1), Tensor::cat(vec![h, later_h], 1)),
            });
        }
        let h = known.map_or(along, |(_, h)| h);
        let x = z - h.clone().matmul(outer.transpose()).matmul(rows);
        (from_rows(x, at), log_det(h, products, at))
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Sylvester(self.config.clone()))
    }

    fn inverse_kind(&self) -> InverseKind {
        InverseKind::Numeric { tolerance: SylvesterLayerConfig::TOLERANCE }
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::to_f64;
    use burn::tensor::{DType, TensorData};

    /// The tolerance that the layer tells of, over every slope that it can have and values of all sizes.
    #[test]
    fn every_equation_is_solved_within_the_tolerance() {
        let tensor = |values: Vec<f64>| {
            let shape = [values.len(), 1];
            Tensor::<2>::from_data(TensorData::new(values, shape), (&Device::flex(), DType::F64))
        };
        let values: Vec<f64> = (-2000..=2000).map(|i| f64::from(i) / 100.0).chain([1e-9, -1e-4, 1e-2, -1e3]).collect();
        for step in -50..=50 {
            let d = SylvesterLayerConfig::DIAGONAL_BOUND.powi(2) * f64::from(step) / 50.0;
            let h = to_f64(tanh_of_root(tensor(vec![d]), tensor(values.clone())));
            for (s, h) in values.iter().zip(h) {
                // The root within the tolerance, hence its tanh: from above and from below.
                let root = s - d * h;
                let off = (root.tanh() - h) / (1.0 + d * (1.0 - h * h));
                assert!(off.abs() <= SylvesterLayerConfig::TOLERANCE, "{d} {s}: {off:e}");
            }
        }
    }
}
