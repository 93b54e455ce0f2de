//! Invert small dense matrices in f64.

/// The inverse of a row-major `n` by `n` matrix and `log |det|`, by Gauss-Jordan elimination with partial pivoting.
///
/// A singular matrix gives `None`.
pub fn inverse_and_log_det(matrix: &[f64], n: usize) -> Option<(Vec<f64>, f64)> {
    debug_assert_eq!(matrix.len(), n * n);
    let mut a = matrix.to_vec();
    let mut inverse: Vec<f64> = (0..n * n).map(|i| if i / n == i % n { 1.0 } else { 0.0 }).collect();
    let mut log_det = 0.0;
    for column in 0..n {
        let pivot = (column..n).max_by(|&i, &j| a[i * n + column].abs().total_cmp(&a[j * n + column].abs()))?;
        let value = a[pivot * n + column];
        if value == 0.0 || !value.is_finite() {
            return None;
        }
        log_det += value.abs().ln();
        for k in 0..n {
            a.swap(pivot * n + k, column * n + k);
            inverse.swap(pivot * n + k, column * n + k);
        }
        for k in 0..n {
            a[column * n + k] /= value;
            inverse[column * n + k] /= value;
        }
        for row in (0..n).filter(|&row| row != column) {
            let factor = a[row * n + column];
            if factor != 0.0 {
                for k in 0..n {
                    a[row * n + k] -= factor * a[column * n + k];
                    inverse[row * n + k] -= factor * inverse[column * n + k];
                }
            }
        }
    }
    Some((inverse, log_det))
}
