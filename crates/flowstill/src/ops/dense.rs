//! Invert small dense matrices on the host, in f64, and hand them to autodiff with exact first derivatives.

use crate::param::to_f64;
use burn::tensor::{DType, Tensor, TensorData};
pub use flowstill_runtime::inverse_and_log_det;

/// The inverse of a square tensor, differentiable once.
///
/// The numbers come from the host in f64. One Newton step, `X <- X (2 I - W X)`, then ties the result to `w`: it leaves the exact inverse
/// where it is, and its derivative at that point, `-X dW X`, is that of the inverse. A singular matrix gives NaN, which the
/// non-finite policy of training and the checks of the flow's boundary report.
pub fn differentiable_inverse(w: Tensor<2>) -> Tensor<2> {
    let x = host_inverse(&w);
    x.clone() * 2.0 - x.clone().matmul(w).matmul(x)
}

/// `log |det w|`, differentiable once: the value from the host, the gradient `W^-T`.
pub fn differentiable_log_det(w: Tensor<2>) -> Tensor<1> {
    let n = w.dims()[0];
    let log_det = inverse_and_log_det(&to_f64(w.clone()), n).map_or(f64::NAN, |(_, log_det)| log_det);
    // sum(W * W^-T) = n for every W, with gradient W^-T while the second factor counts as a constant.
    let tied = (w.clone() * host_inverse(&w).transpose()).sum();
    tied.clone() - tied.detach() + log_det
}

fn host_inverse(w: &Tensor<2>) -> Tensor<2> {
    let n = w.dims()[0];
    let inverse = inverse_and_log_det(&to_f64(w.clone()), n).map_or(vec![f64::NAN; n * n], |(inverse, _)| inverse);
    let (device, dtype): (_, DType) = (w.device().without_autodiff(), w.dtype());
    Tensor::from_data(TensorData::new(inverse, [n, n]).convert_dtype(dtype), (&device, dtype))
}
