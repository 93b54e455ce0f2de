//! Make orthonormal vectors of free ones, in f64, and lead gradients back.

use crate::architecture::Basis;

/// Orthonormal rows `[rank, n]` made of free vectors, and what [`Orthonormal::pull`] needs beside them.
pub(super) struct Orthonormal {
    /// `Q^T`, row-major.
    pub rows: Vec<f64>,
    basis: Basis,
    vectors: Vec<f64>,
    n: usize,
    /// Of the vectors `L rows`, lower triangular: `[rank, rank]`.
    lower: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add_scaled(to: &mut [f64], factor: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

impl Orthonormal {
    /// Vectors that depend on each other give no numbers, and that is seen.
    pub(super) fn new(basis: Basis, vectors: &[f32], n: usize) -> Self {
        let vectors: Vec<f64> = vectors.iter().map(|value| f64::from(*value)).collect();
        let mut made = Self { rows: vectors.clone(), basis, n, lower: Vec::new(), vectors };
        match basis {
            Basis::Orthogonal { rank } => made.gram_schmidt(rank),
            Basis::Householder { .. } => {
                made.rows = (0..n * n).map(|k| if k / n == k % n { 1.0 } else { 0.0 }).collect();
                made.vectors.chunks_exact(n).for_each(|vector| reflect(&mut made.rows, vector));
            }
        }
        made
    }

    fn gram_schmidt(&mut self, rank: usize) {
        let n = self.n;
        self.lower = vec![0.0; rank * rank];
        for i in 0..rank {
            let (before, rest) = self.rows.split_at_mut(i * n);
            let own = &mut rest[..n];
            for _ in 0..2 {
                for (j, other) in before.chunks_exact(n).enumerate() {
                    let shared = dot(own, other);
                    self.lower[i * rank + j] += shared;
                    add_scaled(own, -shared, other);
                }
            }
            let norm = dot(own, own).sqrt();
            self.lower[i * rank + i] = norm;
            own.iter_mut().for_each(|value| *value /= norm);
        }
    }

    /// From the gradient of the rows to that of the vectors.
    pub(super) fn pull(&self, gradient: Vec<f64>) -> Vec<f64> {
        match self.basis {
            Basis::Orthogonal { rank } => self.pull_gram_schmidt(gradient, rank),
            Basis::Householder { .. } => self.pull_reflections(gradient),
        }
    }

    /// Of `vectors = L Q`: `L^-T (G - S Q)` with S the part of `G Q^T` on and below the diagonal, mirrored above it (Walter and Lehmann 2010, for the QR
    /// factorisation).
    fn pull_gram_schmidt(&self, mut gradient: Vec<f64>, rank: usize) -> Vec<f64> {
        let n = self.n;
        let row = |values: &[f64], i: usize| values[i * n..(i + 1) * n].to_vec();
        let given: Vec<Vec<f64>> = (0..rank).map(|i| row(&gradient, i)).collect();
        let rows: Vec<&[f64]> = self.rows.chunks_exact(n).collect();
        for (i, own) in gradient.chunks_exact_mut(n).enumerate() {
            for j in 0..rank {
                // A later row has no part along an earlier one, and turns back where the earlier one turns to it.
                let (later, earlier) = (i.max(j), i.min(j));
                add_scaled(own, -dot(&given[later], rows[earlier]), rows[j]);
            }
        }
        for j in (0..rank).rev() {
            let (own, later) = gradient[j * n..].split_at_mut(n);
            for (k, other) in later.chunks_exact(n).enumerate() {
                add_scaled(own, -self.lower[(j + 1 + k) * rank + j], other);
            }
            let norm = self.lower[j * rank + j];
            own.iter_mut().for_each(|value| *value /= norm);
        }
        gradient
    }

    fn pull_reflections(&self, mut gradient: Vec<f64>) -> Vec<f64> {
        let n = self.n;
        let mut state = self.rows.clone();
        let mut out = vec![0.0; self.vectors.len()];
        for (vector, to) in self.vectors.chunks_exact(n).zip(out.chunks_exact_mut(n)).rev() {
            // A reflection undoes itself.
            reflect(&mut state, vector);
            let size = dot(vector, vector);
            let mut of_size = 0.0;
            for (x, g) in state.chunks_exact(n).zip(gradient.chunks_exact(n)) {
                let (along, pushed) = (dot(x, vector), dot(g, vector));
                add_scaled(to, -2.0 / size * pushed, x);
                add_scaled(to, -2.0 / size * along, g);
                of_size += along * pushed;
            }
            add_scaled(to, 4.0 / (size * size) * of_size, vector);
            reflect(&mut gradient, vector);
        }
        out
    }
}

/// Reflect every row: `x - 2 (x v) v / (v v)`.
fn reflect(rows: &mut [f64], vector: &[f64]) {
    let size = dot(vector, vector);
    for row in rows.chunks_exact_mut(vector.len()) {
        let along = dot(row, vector);
        add_scaled(row, -2.0 * along / size, vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASES: [Basis; 4] = [
        Basis::Orthogonal { rank: 1 },
        Basis::Orthogonal { rank: 3 },
        Basis::Orthogonal { rank: 5 },
        Basis::Householder { reflections: 4 },
    ];

    fn vectors(basis: Basis) -> Vec<f32> {
        let count = match basis {
            Basis::Orthogonal { rank } => rank,
            Basis::Householder { reflections } => reflections,
        };
        crate::random::normals(5 * count, &mut crate::random::stream(3, "vectors", 0))
    }

    #[test]
    fn rows_are_orthonormal_to_rounding() {
        for basis in BASES {
            let made = Orthonormal::new(basis, &vectors(basis), 5);
            for (i, a) in made.rows.chunks_exact(5).enumerate() {
                for (j, b) in made.rows.chunks_exact(5).enumerate() {
                    let expect = if i == j { 1.0 } else { 0.0 };
                    assert!((dot(a, b) - expect).abs() < 1e-14, "{basis:?} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn nearly_dependent_vectors_still_give_orthonormal_rows() {
        let vectors = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0 + 1e-6];
        let made = Orthonormal::new(Basis::Orthogonal { rank: 2 }, &vectors, 3);
        assert!(dot(&made.rows[..3], &made.rows[3..]).abs() < 1e-14);
    }

    #[test]
    fn gradients_are_central_differences() {
        for basis in BASES {
            let vectors = vectors(basis);
            let made = Orthonormal::new(basis, &vectors, 5);
            let weights = crate::random::normals(made.rows.len(), &mut crate::random::stream(4, "weights", 0));
            let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
            let gradient = made.pull(weights.clone());
            let step = 1.0 / 1024.0;
            for k in 0..vectors.len() {
                let at = |step: f32| {
                    let mut moved = vectors.clone();
                    moved[k] += step;
                    (dot(&Orthonormal::new(basis, &moved, 5).rows, &weights), f64::from(moved[k]))
                };
                let ((above, right), (below, left)) = (at(step), at(-step));
                let expect = (above - below) / (right - left);
                assert!(
                    (gradient[k] - expect).abs() < 1e-4 * (1.0 + expect.abs()),
                    "{basis:?} {k}: {} {expect}",
                    gradient[k]
                );
            }
        }
    }
}
