//! Gather the 3x3 neighbourhood of every position into its channels, and the adjoint: the two halves of a 3x3 convolution that are not a matrix
//! product.
//!
//! ```text
//! patches: P[n, y, x, (k, l), c] = X[n, y + k - 1, x + l - 1, c]      zero outside, k and l from 0 to 2
//! fold:    X[n, y, x, c] = sum over k, l of P[n, y - k + 1, x - l + 1, (k, l), c]      the transpose of the same map
//! ```

use burn::tensor::Tensor;

/// Positions of a 3x3 window.
const WINDOW: usize = 9;

fn shifted(x: &Tensor<4>, k: usize, l: usize) -> Tensor<4> {
    let [b, h, w, c] = x.dims();
    let zeros = |shape: [usize; 4]| Tensor::<4>::zeros(shape, (&x.device().without_autodiff(), x.dtype()));
    let columns = Tensor::cat(vec![zeros([b, h, 1, c]), x.clone(), zeros([b, h, 1, c])], 2).narrow(2, l, w);
    Tensor::cat(vec![zeros([b, 1, w, c]), columns, zeros([b, 1, w, c])], 1).narrow(1, k, h)
}

/// `[batch, height, width, channels]` to `[batch, height, width, 9 * channels]`.
#[doc(alias = "im2col")]
pub fn patches(x: Tensor<4>) -> Tensor<4> {
    let parts = (0..WINDOW).map(|at| shifted(&x, at / 3, at % 3));
    Tensor::cat(parts.collect(), 3)
}

/// `[batch, height, width, 9 * channels]` to `[batch, height, width, channels]`.
#[doc(alias = "col2im")]
pub fn fold(x: Tensor<4>) -> Tensor<4> {
    let channels = x.dims()[3] / WINDOW;
    let part = |at: usize| shifted(&x.clone().narrow(3, at * channels, channels), 2 - at / 3, 2 - at % 3);
    (1..WINDOW).fold(part(0), |sum, at| sum + part(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{normals, stream};
    use crate::to_f64;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Device, TensorData};

    fn noise(shape: [usize; 4], seed: u64) -> Tensor<4> {
        let values = normals(shape.iter().product(), &mut stream(seed, "test", 0));
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn close(a: Tensor<4>, b: Tensor<4>) {
        assert_eq!(a.dims(), b.dims());
        let worst = to_f64(a).iter().zip(to_f64(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-5, "{worst}");
    }

    const SHAPES: [[usize; 4]; 6] =
        [[2, 4, 3, 5], [1, 1, 1, 1], [3, 1, 4, 2], [1, 5, 1, 3], [2, 2, 2, 1], [1, 7, 6, 4]];

    #[test]
    fn a_fold_is_the_transpose_of_the_patches() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, g) = (noise(shape, seed as u64), noise([shape[0], shape[1], shape[2], shape[3] * 9], 99));
            let there = to_f64((patches(x.clone()) * g.clone()).sum())[0];
            let back = to_f64((x * fold(g)).sum())[0];
            assert!((there - back).abs() < 1e-4 * (1.0 + there.abs()), "{shape:?}: {there} against {back}");
        }
    }

    #[test]
    fn patches_times_a_matrix_is_a_convolution() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, out) = (noise(shape, seed as u64), 3);
            let [b, h, w, c] = shape;
            let weight = noise([3, 3, c, out], 5);
            let ours = patches(x.clone()).reshape([b * h * w, 9 * c]).matmul(weight.clone().reshape([9 * c, out]));
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            let theirs = conv2d(x.permute([0, 3, 1, 2]), weight.clone().permute([3, 2, 0, 1]), None, options);
            close(ours.reshape([b, h, w, out]), theirs.permute([0, 2, 3, 1]));
            // The adjoint form: a matrix first, then the fold of its output, is the convolution with the window turned round.
            let x = noise(shape, seed as u64);
            let turned = weight.clone().flip([0, 1]).permute([2, 0, 1, 3]).reshape([c, 9 * out]);
            let folded = fold(x.clone().reshape([b * h * w, c]).matmul(turned).reshape([b, h, w, 9 * out]));
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            let theirs = conv2d(x.permute([0, 3, 1, 2]), weight.permute([3, 2, 0, 1]), None, options);
            close(folded, theirs.permute([0, 2, 3, 1]));
        }
    }
}
