//! Multiply matrices: the one door to `matrixmultiply`, with every bound checked before it opens.

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

macro_rules! product {
    ($name:ident, $float:ty, $kernel:path) => {
        /// `out = scale * left * right + keep * out`, with `out` row-major.
        pub(crate) fn $name(
            scale: $float,
            left: View<'_, $float>,
            right: View<'_, $float>,
            keep: $float,
            out: &mut [$float],
        ) {
            assert_eq!(left.columns, right.rows, "inner sizes of a product");
            assert_eq!(out.len(), left.rows * right.columns, "size of a product");
            // SAFETY: `View::new` holds each operand to rows * columns values under strides (columns, 1), which a
            // transpose only swaps, so every index read lies inside `data`; `out` has exactly the product's size,
            // is written under strides (columns, 1), and, being `&mut`, overlaps neither operand.
            #[allow(unsafe_code)]
            unsafe {
                $kernel(
                    left.rows,
                    left.columns,
                    right.columns,
                    scale,
                    left.data.as_ptr(),
                    left.row_stride as isize,
                    left.column_stride as isize,
                    right.data.as_ptr(),
                    right.row_stride as isize,
                    right.column_stride as isize,
                    keep,
                    out.as_mut_ptr(),
                    right.columns as isize,
                    1,
                );
            }
        }
    };
}

product!(multiply_f32, f32, matrixmultiply::sgemm);
product!(multiply_f64, f64, matrixmultiply::dgemm);

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
