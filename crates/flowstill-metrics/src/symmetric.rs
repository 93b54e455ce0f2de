//! Factor symmetric matrices: a pivoted Cholesky factor, and eigenvalues without eigenvectors.

use crate::MetricError;

/// A factor `l`, `n` x `r` row-major, with `l l^T = a` for a positive semi-definite `a` of numerical rank `r`.
///
/// Pivoted Cholesky decomposition (Golub & Van Loan, Matrix Computations, 4th ed., section 4.2.8): at each step the
/// largest remaining diagonal entry is eliminated, and the process ends when it is lost in rounding. A singular
/// covariance, as from fewer rows than columns, needs no jitter.
pub(crate) fn pivoted_cholesky(a: &[f64], n: usize) -> (Vec<f64>, usize) {
    let mut remaining: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    let largest = remaining.iter().copied().fold(0.0, f64::max);
    let floor = largest * f64::EPSILON * n as f64;
    let mut factor = vec![0.0; n * n];
    let mut done = vec![false; n];
    let mut rank = 0;
    while rank < n {
        let candidates = (0..n).filter(|&i| !done[i]);
        let Some(pivot) = candidates.max_by(|&i, &j| remaining[i].total_cmp(&remaining[j])) else { break };
        if remaining[pivot] <= floor {
            break;
        }
        let root = remaining[pivot].sqrt();
        done[pivot] = true;
        let pivot_row = factor[pivot * n..pivot * n + rank].to_vec();
        factor[pivot * n + rank] = root;
        for i in (0..n).filter(|&i| !done[i]) {
            let row = &mut factor[i * n..i * n + rank + 1];
            let value = (a[i * n + pivot] - dot(&row[..rank], &pivot_row)) / root;
            row[rank] = value;
            remaining[i] -= value * value;
        }
        rank += 1;
    }
    let thin = (0..n).flat_map(|i| factor[i * n..i * n + rank].iter().copied()).collect();
    (thin, rank)
}

/// All eigenvalues of the symmetric `n` x `n` matrix `a`, in no particular order; `a` is used up.
///
/// Householder reduction to tridiagonal form, then the implicit QL iteration with Wilkinson's shift (Golub & Van Loan,
/// sections 8.3.1 and 8.3.3; Bowdler, Martin, Reinsch & Wilkinson 1968). Without eigenvectors the cost is
/// `4/3 n^3`, nearly all of it in long vector loops.
pub(crate) fn symmetric_eigenvalues(a: Vec<f64>, n: usize) -> Result<Vec<f64>, MetricError> {
    let (mut diagonal, mut off) = tridiagonal(a, n);
    ql_implicit(&mut diagonal, &mut off)?;
    Ok(diagonal)
}

/// The diagonal and sub-diagonal of a tridiagonal matrix similar to `a`.
fn tridiagonal(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut off = vec![0.0; n.saturating_sub(1)];
    let (mut v, mut w) = (vec![0.0; n], vec![0.0; n]);
    for k in 0..n.saturating_sub(1) {
        // By symmetry the column below the diagonal is the row to its right.
        let m = n - k - 1;
        let (v, w) = (&mut v[..m], &mut w[..m]);
        v.copy_from_slice(&a[k * n + k + 1..(k + 1) * n]);
        let scale = v.iter().fold(0.0f64, |s, x| s.max(x.abs()));
        if m == 1 || scale == 0.0 {
            off[k] = v[0];
            continue;
        }
        v.iter_mut().for_each(|x| *x /= scale);
        let alpha = -dot(v, v).sqrt().copysign(v[0]);
        off[k] = alpha * scale;
        v[0] -= alpha;
        let beta = 2.0 / dot(v, v);
        // a <- a - v w^T - w v^T with w = p - (beta / 2)(p . v) v and p = beta a v.
        for (i, p) in w.iter_mut().enumerate() {
            let start = (k + 1 + i) * n + k + 1;
            *p = beta * dot(&a[start..start + m], v);
        }
        let half = 0.5 * beta * dot(w, v);
        w.iter_mut().zip(v.iter()).for_each(|(p, x)| *p -= half * x);
        for i in 0..m {
            let start = (k + 1 + i) * n + k + 1;
            let (vi, wi) = (v[i], w[i]);
            for ((x, vj), wj) in a[start..start + m].iter_mut().zip(v.iter()).zip(w.iter()) {
                *x -= vi * wj + wi * vj;
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), off)
}

/// Turns `diagonal` into the eigenvalues of the tridiagonal matrix with sub-diagonal `off`.
fn ql_implicit(diagonal: &mut [f64], off: &mut Vec<f64>) -> Result<(), MetricError> {
    let n = diagonal.len();
    off.push(0.0);
    let d = diagonal;
    for l in 0..n {
        for round in 0.. {
            let negligible = |m: &usize| off[*m].abs() <= f64::EPSILON * (d[*m].abs() + d[*m + 1].abs());
            let m = (l..n - 1).find(negligible).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if round == 100 || !d[l].is_finite() {
                return Err(MetricError::NoConvergence { size: n });
            }
            let ratio = (d[l + 1] - d[l]) / (2.0 * off[l]);
            let mut g = d[m] - d[l] + off[l] / (ratio + ratio.hypot(1.0).copysign(ratio));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut underflow = false;
            for i in (l..m).rev() {
                let (f, b) = (s * off[i], c * off[i]);
                let r = f.hypot(g);
                off[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    underflow = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let t = (d[i] - g) * s + 2.0 * c * b;
                p = s * t;
                d[i + 1] = g + p;
                g = c * t - b;
            }
            if !underflow {
                d[l] -= p;
                off[l] = g;
            }
            off[m] = 0.0;
        }
    }
    Ok(())
}

/// The inner product in eight independent sums, so that it vectorises.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0; 8];
    for (x, y) in left.zip(right) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::{View, multiply_f64};

    /// `b b^T` for a smooth, full `b` of `n` x `r`.
    fn gram(n: usize, r: usize) -> Vec<f64> {
        let b: Vec<f64> = (0..n * r).map(|k| ((k * k) as f64 * 0.37 + k as f64).sin()).collect();
        let mut a = vec![0.0; n * n];
        multiply_f64(1.0, View::new(&b, n, r), View::new(&b, n, r).t(), 0.0, &mut a);
        a
    }

    #[test]
    fn eigenvalues_of_the_second_difference_matrix() {
        // The matrix with 2 on and -1 beside the diagonal has eigenvalues 2 - 2 cos(k pi / (n + 1)); a reflection
        // makes it dense without changing them.
        let n = 33;
        let u: Vec<f64> = (0..n).map(|i| (i as f64 + 0.5).cos()).collect();
        let norm = dot(&u, &u);
        let h = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * u[i] * u[j] / norm;
        let t = |i: usize, j: usize| [2.0, -1.0].get(i.abs_diff(j)).copied().unwrap_or(0.0);
        let (h, t): (Vec<f64>, Vec<f64>) = (0..n * n).map(|k| (h(k / n, k % n), t(k / n, k % n))).unzip();
        let (mut half, mut dense) = (vec![0.0; n * n], vec![0.0; n * n]);
        multiply_f64(1.0, View::new(&h, n, n), View::new(&t, n, n), 0.0, &mut half);
        multiply_f64(1.0, View::new(&half, n, n), View::new(&h, n, n), 0.0, &mut dense);
        let mut found = symmetric_eigenvalues(dense, n).unwrap();
        found.sort_by(f64::total_cmp);
        for (k, value) in found.iter().enumerate() {
            let angle = (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
            assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-12, "{k}: {value}");
        }
    }

    #[test]
    fn trivial_sizes_and_zeros() {
        assert_eq!(symmetric_eigenvalues(vec![], 0).unwrap(), Vec::<f64>::new());
        assert_eq!(symmetric_eigenvalues(vec![3.0], 1).unwrap(), vec![3.0]);
        assert_eq!(symmetric_eigenvalues(vec![0.0; 25], 5).unwrap(), vec![0.0; 5]);
        let mut two = symmetric_eigenvalues(vec![1.0, 2.0, 2.0, 1.0], 2).unwrap();
        two.sort_by(f64::total_cmp);
        assert!((two[0] + 1.0).abs() < 1e-14 && (two[1] - 3.0).abs() < 1e-14);
    }

    #[test]
    fn the_factor_gives_back_a_singular_matrix() {
        for (n, r) in [(20, 20), (20, 5), (9, 1)] {
            let a = gram(n, r);
            let (factor, rank) = pivoted_cholesky(&a, n);
            assert_eq!(rank, r);
            let mut back = vec![0.0; n * n];
            let l = View::new(&factor, n, rank);
            multiply_f64(1.0, l, l.t(), 0.0, &mut back);
            let worst = a.iter().zip(&back).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12, "{n} {r}: {worst}");
        }
    }
}
