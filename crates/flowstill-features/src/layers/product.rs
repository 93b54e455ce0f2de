//! Multiply matrices: the one door to `gemm`, with every bound checked before it opens.

/// `out = left * right` for row-major `left` of `rows` x `inner` and `right` of `inner` x `columns`.
///
/// Row `r` of the result is `out[r * stride..r * stride + columns]`; what lies between the rows is not touched.
pub(crate) fn multiply(
    [rows, inner, columns]: [usize; 3],
    left: &[f32],
    right: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    assert!(left.len() >= rows * inner, "left operand of a product");
    assert!(right.len() >= inner * columns, "right operand of a product");
    assert!(stride >= columns && (rows == 0 || out.len() >= (rows - 1) * stride + columns), "result of a product");
    // SAFETY: by the checks above each row-major operand holds every index that its sizes and strides reach; `out` does
    // so under its row stride, whose rows do not overlap, and being `&mut` it overlaps neither operand. With
    // `read_dst` false `out` is only written.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            stride as isize,
            false,
            left.as_ptr(),
            1,
            inner as isize,
            right.as_ptr(),
            1,
            columns as isize,
            0.0,
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
    fn equals_the_obvious_loops_and_keeps_its_lane() {
        for [rows, inner, columns] in [[1, 1, 1], [5, 7, 3], [1, 40, 33], [70, 27, 32], [4, 0, 3]] {
            let left: Vec<f32> = (0..rows * inner).map(|k| (k as f32 * 0.37).sin()).collect();
            let right: Vec<f32> = (0..inner * columns).map(|k| (k as f32 * 0.73).cos()).collect();
            let stride = columns + 2;
            let mut out = vec![9.0; rows * stride];
            multiply([rows, inner, columns], &left, &right, &mut out, stride);
            for (k, &found) in out.iter().enumerate() {
                let (i, j) = (k / stride, k % stride);
                let sum: f32 = (0..inner).map(|m| left[i * inner + m] * right[m * columns + j.min(columns - 1)]).sum();
                let expected = if j < columns { sum } else { 9.0 };
                assert!((found - expected).abs() < 1e-5, "{rows} {inner} {columns} at {k}: {found} {expected}");
            }
        }
    }
}
