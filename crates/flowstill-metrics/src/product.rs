//! Multiply matrices seen through their strides, by `ndarray` and the kernels of `matrixmultiply` behind it.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar, ShapeBuilder};

/// A dense matrix seen through its strides, so that a transpose costs nothing.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> View<'a, T> {
    /// Sees a row-major slice as `rows` x `columns`.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert!(data.len() >= rows * columns, "a view needs {rows} x {columns} values");
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    fn array(&self) -> ArrayView2<'a, T> {
        let shape = (self.rows, self.columns).strides((self.row_stride, self.column_stride));
        ArrayView2::from_shape(shape, self.data).expect("checked where the view was made")
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The transpose, without moving a value.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// `out = scale * left * right + keep * out`, with `out` row-major.
pub(crate) fn multiply_f32(scale: f32, left: View<'_, f32>, right: View<'_, f32>, keep: f32, out: &mut [f32]) {
    multiply(scale, left, right, keep, out);
}

/// `out = scale * left * right + keep * out`, with `out` row-major.
pub(crate) fn multiply_f64(scale: f64, left: View<'_, f64>, right: View<'_, f64>, keep: f64, out: &mut [f64]) {
    multiply(scale, left, right, keep, out);
}

fn multiply<T: LinalgScalar>(scale: T, left: View<'_, T>, right: View<'_, T>, keep: T, out: &mut [T]) {
    let size = (left.rows, right.columns);
    let out = ArrayViewMut2::from_shape(size, out);
    general_mat_mul(scale, &left.array(), &right.array(), keep, &mut out.expect("size of a product"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_obvious_loops() {
        let left: Vec<f64> = (0..6).map(f64::from).collect();
        let right: Vec<f64> = (0..12).map(|v| f64::from(v) * 0.5 - 1.0).collect();
        let mut out = vec![1.0; 8];
        // left is 3 x 2 and used as its transpose, 2 x 3; right is 4 x 3, used as 3 x 4.
        multiply_f64(2.0, View::new(&left, 3, 2).t(), View::new(&right, 4, 3).t(), 0.5, &mut out);
        for i in 0..2 {
            for j in 0..4 {
                let sum: f64 = (0..3).map(|k| left[k * 2 + i] * right[j * 3 + k]).sum();
                assert!((out[i * 4 + j] - (2.0 * sum + 0.5)).abs() < 1e-12);
            }
        }
    }
}
