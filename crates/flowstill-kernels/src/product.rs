//! Multiply matrices on the calling thread.

/// A row-major matrix or the transpose of one.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `values` as `rows` rows, one after the other.
    ///
    /// # Panics
    /// If `values` has another length than `rows * columns`.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(Some(values.len()), rows.checked_mul(columns), "{rows} x {columns} values");
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The transpose; nothing is moved.
    pub fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// `out = a b`, row-major.
///
/// # Panics
/// If the lengths do not agree.
pub fn multiply(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32]) {
    let stride = b.columns;
    call(a, b, out, stride, false);
}

/// `out = out + a b`, row-major.
///
/// # Panics
/// If the lengths do not agree.
pub fn multiply_add(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32]) {
    let stride = b.columns;
    call(a, b, out, stride, true);
}

/// The same into a part of a wider matrix: its rows begin `stride` values apart, and the part's columns begin at `column`.
///
/// # Panics
/// If the lengths do not agree.
pub fn multiply_add_at(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], column: usize, stride: usize) {
    if a.rows * b.columns == 0 {
        return;
    }
    let end = (a.rows - 1) * stride + column + b.columns;
    call(a, b, &mut out[column..end], stride, true);
}

/// The one call that leaves safe Rust.
#[allow(unsafe_code)]
fn call(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], out_stride: usize, add: bool) {
    assert_eq!(a.columns, b.rows, "inner lengths");
    assert!(b.columns <= out_stride, "rows of the result do not overlap");
    if a.rows == 0 || b.columns == 0 {
        return assert!(out.is_empty(), "no results");
    }
    let length = (a.rows - 1).checked_mul(out_stride).and_then(|rows| rows.checked_add(b.columns));
    assert_eq!(Some(out.len()), length, "{} x {} results", a.rows, b.columns);
    let stride = |value: usize| isize::try_from(value).expect("no slice is longer than isize::MAX");
    // SAFETY: `Matrix::new` checks that a matrix has rows * columns values, and its strides are (columns, 1) or, transposed, (1, rows of the
    // transpose), so every entry lies inside its slice. `out` is written with strides (out_stride, 1) in
    // a.rows rows and b.columns <= out_stride columns, of which the last entry is its last value, and, borrowed mutably, overlaps neither input.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            stride(out_stride),
            add,
            a.values.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.values.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_sums() {
        for (m, k, n) in [(1, 1, 1), (2, 3, 4), (17, 5, 33), (1, 7, 9), (9, 7, 1), (3, 0, 2), (40, 70, 65)] {
            let fill = |count: usize, by: usize| (0..count).map(|i| ((i * by) % 17) as f32 - 8.0).collect::<Vec<_>>();
            let (a, b) = (fill(m * k, 5), fill(k * n, 3));
            let expect = |i: usize, j: usize| (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum::<f32>();
            let expect: Vec<f32> = (0..m * n).map(|at| expect(at / n, at % n)).collect();
            let turn = |x: &[f32], rows: usize, columns: usize| {
                (0..rows * columns).map(|at| x[at % rows * columns + at / rows]).collect::<Vec<_>>()
            };
            let (at, bt) = (turn(&a, m, k), turn(&b, k, n));
            for a in [Matrix::new(&a, m, k), Matrix::new(&at, k, m).transposed()] {
                for b in [Matrix::new(&b, k, n), Matrix::new(&bt, n, k).transposed()] {
                    let mut out = vec![1.0; m * n];
                    multiply(a, b, &mut out);
                    assert_eq!(out, expect);
                    multiply_add(a, b, &mut out);
                    assert_eq!(out, expect.iter().map(|v| 2.0 * v).collect::<Vec<_>>());
                }
            }
        }
    }
}
