//! Measure how many samples lie among the data, and how much of the data lies among the samples.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::MetricError;
use crate::matrix::RowMatrix;
use crate::product::{View, multiply_f32};

/// How to estimate precision and recall.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PrecisionRecallConfig {
    /// Chooses the rows, where there are too many. Default 0.
    pub seed: u64,
    /// A point's ball reaches to its k-th nearest neighbour in its own set. Default 3.
    pub neighbours: usize,
    /// At most so many rows of each set enter, for the cost grows with their square. Default 10,000.
    pub max_rows: usize,
}

impl Default for PrecisionRecallConfig {
    fn default() -> Self {
        Self { seed: 0, neighbours: 3, max_rows: 10_000 }
    }
}

/// Shares of points that lie in the other set's balls, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PrecisionRecall {
    /// Share of `fake` within the balls about `real`: how good samples are.
    pub precision: f64,
    /// Share of `real` within the balls about `fake`: how much of the data is covered.
    pub recall: f64,
    /// Rows of each set that entered.
    pub rows: usize,
}

/// Precision and recall of `fake` against `real`, row-major features with `columns` of them.
///
/// The support of a set is taken to be the balls about its points that reach to each one's k-th nearest neighbour
/// (Kynkaanniemi et al. 2019). As many rows of both sets enter, for both numbers depend on the count: compare
/// only values from equal numbers of rows. Two sets of one distribution share less than 1 of one another.
///
/// ```
/// use flowstill_metrics::{PrecisionRecallConfig, precision_recall};
/// let real = [0.0, 1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 103.0];
/// let fake = [0.1, 0.5, 0.9, 1.2, 1.8, 2.1, 2.5, 2.9];
/// let found = precision_recall(&real, &fake, 1, &PrecisionRecallConfig::default())?;
/// assert_eq!((found.precision, found.recall), (1.0, 0.5));
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn precision_recall(
    real: &[f32],
    fake: &[f32],
    columns: usize,
    config: &PrecisionRecallConfig,
) -> Result<PrecisionRecall, MetricError> {
    let k = config.neighbours;
    if k == 0 {
        return Err(MetricError::Setting { name: "neighbours", expected: "at least 1", got: k.to_string() });
    }
    if config.max_rows <= k {
        let got = config.max_rows.to_string();
        return Err(MetricError::Setting { name: "max_rows", expected: "more than `neighbours`", got });
    }
    let needed = k.saturating_add(1);
    let (real, fake) = (RowMatrix::new("real", real, columns, needed)?, RowMatrix::new("fake", fake, columns, needed)?);
    let rows = real.rows.min(fake.rows).min(config.max_rows);
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let mut chosen = |set: &RowMatrix<'_>| {
        if set.rows == rows { (0..rows).collect() } else { set.choose(rows, &mut rng) }
    };
    let (left, right) = (chosen(&real), chosen(&fake));
    // Distances do not change with the origin; about the mean of the real rows their squares cancel least.
    let mut origin = vec![0.0f64; columns];
    for &row in &left {
        origin.iter_mut().zip(real.row(row)).for_each(|(o, &v)| *o += f64::from(v) / rows as f64);
    }
    let real = Points::new("real", &real, &left, &origin)?;
    let fake = Points::new("fake", &fake, &right, &origin)?;
    Ok(PrecisionRecall { precision: real.share_inside(&fake, k), recall: fake.share_inside(&real, k), rows })
}

/// The chosen rows about an origin, and the square of each one's length.
struct Points {
    values: Vec<f32>,
    columns: usize,
    squares: Vec<f32>,
}

/// Rows of a tile of distances.
const TILE: usize = 256;
/// Rounding of a squared distance, relative to the squares it is the difference of.
const ROUNDING: f32 = 4.0 * f32::EPSILON;

impl Points {
    fn new(what: &str, set: &RowMatrix<'_>, chosen: &[usize], origin: &[f64]) -> Result<Self, MetricError> {
        let columns = set.columns;
        let centred = |&row: &usize| set.row(row).iter().zip(origin).map(|(&v, o)| (f64::from(v) - o) as f32);
        let values: Vec<f32> = chosen.iter().flat_map(centred).collect();
        let square = |row: &[f32]| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() as f32;
        let squares: Vec<f32> = values.chunks_exact(columns).map(square).collect();
        // Four times a square bounds every squared distance.
        if let Some(at) = squares.iter().position(|&s| !(4.0 * s).is_finite()) {
            let (what, value) = (format!("the squared length of rows of {what}"), f64::from(squares[at]));
            return Err(MetricError::NotFinite { what, value, row: chosen[at], column: 0 });
        }
        Ok(Self { values, columns, squares })
    }

    fn rows(&self) -> usize {
        self.squares.len()
    }

    /// Applies `one` to every row: its index, and its squared distances to all rows of `other`.
    fn map_distances<T: Send>(&self, other: &Self, one: impl Fn(usize, &mut [f32]) -> T + Sync) -> Vec<T> {
        let tiles = self.values.par_chunks(TILE * self.columns).enumerate();
        let tile = |distances: &mut Vec<f32>, (k, tile): (usize, &[f32])| -> Vec<T> {
            let rows = tile.len() / self.columns;
            distances.resize(rows * other.rows(), 0.0);
            let (left, right) =
                (View::new(tile, rows, self.columns), View::new(&other.values, other.rows(), self.columns));
            multiply_f32(-2.0, left, right.t(), 0.0, distances);
            let lines = (k * TILE..).zip(distances.chunks_exact_mut(other.rows()));
            lines
                .map(|(row, line)| {
                    let own = self.squares[row];
                    line.iter_mut().zip(&other.squares).for_each(|(d, s)| *d = (*d + own + s).max(0.0));
                    one(row, line)
                })
                .collect()
        };
        tiles.map_init(Vec::new, tile).flatten_iter().collect()
    }

    /// The squared distance of each row to its `k`-th nearest other row.
    fn radii(&self, k: usize) -> Vec<f32> {
        self.map_distances(self, |row, line| {
            line[row] = f32::INFINITY;
            *line.select_nth_unstable_by(k - 1, f32::total_cmp).1
        })
    }

    /// The share of `other` that lies, to rounding, in a ball about a row of this set.
    fn share_inside(&self, other: &Self, k: usize) -> f64 {
        let radii = self.radii(k);
        let inside = other.map_distances(self, |row, line| {
            let own = other.squares[row];
            let mut balls = radii.iter().zip(&self.squares);
            line.iter().any(|&d| balls.next().is_some_and(|(r, s)| d <= r + ROUNDING * (own + s)))
        });
        inside.iter().filter(|&&is| is).count() as f64 / other.rows() as f64
    }
}
