//! Make the matrices of a Sylvester layer of its stored tensors, and lead their gradients home, in f64.

use super::affine::add;
use super::orthonormal::Orthonormal;
use super::sylvester::Places;
use crate::architecture::SylvesterLayerConfig as Config;
use crate::offsets::Slots;

/// The matrices as a program reads them, row-major.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// `Q^T`, `[rank, channels]`.
    pub rows: Vec<f32>,
    /// R, `[rank, rank]`, upper triangular.
    pub outer: Vec<f32>,
    /// R~, likewise.
    pub inner: Vec<f32>,
    /// `r r~` of the diagonals.
    pub products: Vec<f32>,
    /// `R~ R`, upper triangular.
    pub both: Vec<f32>,
    /// `R~ Q^T`, `[rank, channels]`.
    pub a: Vec<f32>,
    /// `Q R`, `[channels, rank]`.
    pub b: Vec<f32>,
    pub bias: Vec<f32>,
}

/// The strictly upper part of a stored square, and the diagonal from its raw values.
fn triangle(square: &[f32], diagonal: &[f32]) -> Vec<f64> {
    let n = diagonal.len();
    let entry = |k: usize| match (k / n).cmp(&(k % n)) {
        std::cmp::Ordering::Less => f64::from(square[k]),
        std::cmp::Ordering::Equal => Config::DIAGONAL_BOUND * f64::from(diagonal[k / n]).tanh(),
        std::cmp::Ordering::Greater => 0.0,
    };
    (0..n * n).map(entry).collect()
}

fn triangles(rank: usize, at: Places, values: &[f32]) -> [Vec<f64>; 2] {
    let own = |at: usize, length: usize| &values[at..][..length];
    [(at.outer, at.outer_diagonal), (at.inner, at.inner_diagonal)]
        .map(|(square, diagonal)| triangle(own(square, rank * rank), own(diagonal, rank)))
}

fn narrow(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|value| value as f32).collect()
}

impl Weights {
    pub(super) fn read(config: &Config, at: Places, values: &[f32]) -> Self {
        let (n, rank) = (config.channels, config.rank());
        let made = Orthonormal::new(config.basis, &values[at.vectors..][..config.vectors() * n], n);
        let [outer, inner] = triangles(rank, at, values);
        let rows = &made.rows;
        let (mut a, mut b, mut both) = (vec![0.0; rank * n], vec![0.0; n * rank], vec![0.0; rank * rank]);
        for i in 0..rank {
            for j in i..rank {
                let (r, r_inner) = (outer[i * rank + j], inner[i * rank + j]);
                for k in 0..n {
                    a[i * n + k] += r_inner * rows[j * n + k];
                    b[k * rank + j] += rows[i * n + k] * r;
                }
                both[i * rank + j] = (i..=j).map(|k| inner[i * rank + k] * outer[k * rank + j]).sum();
            }
        }
        let products = (0..rank).map(|i| both[i * rank + i]).collect();
        let [outer, inner, a, b, both, products] = [outer, inner, a, b, both, products].map(narrow);
        let bias = values[at.bias..][..rank].to_vec();
        Self { rows: narrow(made.rows), outer, inner, products, both, a, b, bias }
    }

    /// From the sums that the layer adds up (of context and A, of B, of the bias, of the products) to the stored tensors.
    pub(super) fn finish(
        config: &Config,
        at: Places,
        values: &[f32],
        made: &Orthonormal,
        sums: &[f32],
        gradient: &mut Slots<'_>,
    ) {
        let (n, rank, context) = (config.channels, config.rank(), config.context);
        let (of_context, rest) = sums.split_at(context * rank);
        let (of_a, rest) = rest.split_at(n * rank);
        let (of_b, rest) = rest.split_at(rank * n);
        let (of_bias, of_products) = rest.split_at(rank);
        if context > 0 {
            add(gradient.at(at.context, context * rank), of_context);
        }
        add(gradient.at(at.bias, rank), of_bias);
        let [outer, inner] = triangles(rank, at, values);
        let a = |i: usize, k: usize| f64::from(of_a[k * rank + i]);
        let b = |k: usize, i: usize| f64::from(of_b[i * n + k]);
        let mut of_rows = vec![0.0; rank * n];
        let [mut of_outer, mut of_inner] = [0, 1].map(|_| vec![0.0; rank * rank]);
        for i in 0..rank {
            for j in i..rank {
                let here = i * rank + j;
                for k in 0..n {
                    of_inner[here] += a(i, k) * made.rows[j * n + k];
                    of_outer[here] += b(k, j) * made.rows[i * n + k];
                    of_rows[j * n + k] += inner[here] * a(i, k);
                    of_rows[i * n + k] += outer[here] * b(k, j);
                }
            }
            let (diagonal, product) = (i * rank + i, f64::from(of_products[i]));
            of_inner[diagonal] += product * outer[diagonal];
            of_outer[diagonal] += product * inner[diagonal];
        }
        for (of, matrix, square, diagonal) in
            [(of_outer, outer, at.outer, at.outer_diagonal), (of_inner, inner, at.inner, at.inner_diagonal)]
        {
            for i in 0..rank {
                let here = i * rank + i;
                let share = matrix[here] / Config::DIAGONAL_BOUND;
                let slope = Config::DIAGONAL_BOUND * (1.0 - share * share);
                gradient.at(diagonal, rank)[i] += (of[here] * slope) as f32;
                let above = here + 1..(i + 1) * rank;
                add(&mut gradient.at(square, rank * rank)[above.clone()], &narrow(of[above].to_vec()));
            }
        }
        add(gradient.at(at.vectors, config.vectors() * n), &narrow(made.pull(of_rows)));
    }
}
