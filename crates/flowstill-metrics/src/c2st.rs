//! Ask a classifier to tell two samples apart: the classifier two-sample test.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::MetricError;
use crate::classifier::{Activations, Adam, Perceptron};
use crate::matrix::{RowMatrix, pooled_moments};

/// How the classifier is trained and judged.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct C2stConfig {
    /// Decides the rows, the folds, the weights and the batches. Default 0.
    pub seed: u64,
    /// Parts of the cross-validation; each is judged by a classifier that never saw it. Default 5.
    pub folds: usize,
    /// Units of each of the two hidden layers. Default: ten per column (as sbi), from 32 to 128.
    pub hidden: Option<usize>,
    /// Passes over the training rows. Default 20.
    pub epochs: usize,
    /// Rows of a gradient step. Default 256.
    pub batch: usize,
    /// Adam's rate at the first step; it falls to 0 along a cosine. Default 0.005.
    pub learning_rate: f32,
    /// Decoupled weight decay. Default 0.0001.
    pub weight_decay: f32,
}

impl Default for C2stConfig {
    fn default() -> Self {
        Self { seed: 0, folds: 5, hidden: None, epochs: 20, batch: 256, learning_rate: 5e-3, weight_decay: 1e-4 }
    }
}

/// How well the classifier did on rows it had not seen: 0.5 is a perfect forgery, 1.0 an obvious one.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct C2st {
    /// Share of held-out rows put in their right class.
    pub accuracy: f64,
    /// Binomial standard error, `sqrt(accuracy (1 - accuracy) / rows)`.
    pub standard_error: f64,
    /// Area under the receiver operating characteristic, mean over the folds; less coarse than the accuracy.
    pub auc: f64,
    /// The accuracy of each fold.
    pub fold_accuracies: Vec<f64>,
    /// Rows of each class that entered; the larger set is thinned at random to the smaller.
    pub rows_per_class: usize,
}

/// The classifier two-sample test (Lopez-Paz & Oquab 2017), k-fold cross-validated as in sbi's `c2st`.
///
/// A perceptron with two hidden layers learns `real` from `fake`, each column standardised by both sets together.
/// The result depends on the rows, the settings and the seed alone (to the last digit on one kind of processor).
///
/// ```
/// use flowstill_metrics::{c2st, C2stConfig};
/// let real: Vec<f32> = (0..200).map(|i| (i as f32 * 0.7).sin()).collect();
/// let moved: Vec<f32> = real.iter().map(|x| x + 5.0).collect();
/// assert!(c2st(&real, &moved, 1, &C2stConfig::default())?.accuracy > 0.99);
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn c2st(real: &[f32], fake: &[f32], columns: usize, config: &C2stConfig) -> Result<C2st, MetricError> {
    let hidden = config.check(columns)?;
    let needed = 2 * config.folds;
    let real = RowMatrix::new("real", real, columns, needed)?;
    let fake = RowMatrix::new("fake", fake, columns, needed)?;
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let rows = real.rows.min(fake.rows);
    let moments = pooled_moments(&[real, fake]);
    let standardised = |set: RowMatrix<'_>, chosen: Vec<usize>| -> Vec<f32> {
        let scale = |(&v, &(mean, deviation)): (&f32, &(f64, f64))| ((f64::from(v) - mean) / deviation) as f32;
        chosen.into_iter().flat_map(|row| set.row(row).iter().zip(&moments).map(scale).collect::<Vec<_>>()).collect()
    };
    // `choose` shuffles, so a fold is a stretch of each class.
    let real = standardised(real, real.choose(rows, &mut rng));
    let fake = standardised(fake, fake.choose(rows, &mut rng));

    let (mut fold_accuracies, mut right, mut auc) = (Vec::new(), 0, 0.0);
    for fold in 0..config.folds {
        let held = fold * rows / config.folds * columns..(fold + 1) * rows / config.folds * columns;
        let train: Vec<f32> = [&real, &fake].into_iter().flat_map(|set| outside(set, &held)).collect();
        let net = fit(&train, columns, hidden, config, &mut rng);
        let mut activations = Activations::default();
        let mut logits = |set: &[f32]| {
            net.forward(&set[held.clone()], &mut activations);
            activations.logits.clone()
        };
        let (real_logits, fake_logits) = (logits(&real), logits(&fake));
        // The class real is 1; a logit of exactly 0 counts as fake.
        let correct =
            real_logits.iter().filter(|&&l| l > 0.0).count() + fake_logits.iter().filter(|&&l| l <= 0.0).count();
        fold_accuracies.push(correct as f64 / (2 * real_logits.len()) as f64);
        right += correct;
        auc += area_under_curve(&real_logits, &fake_logits) / config.folds as f64;
    }
    let accuracy = right as f64 / (2 * rows) as f64;
    let standard_error = (accuracy * (1.0 - accuracy) / (2 * rows) as f64).sqrt();
    Ok(C2st { accuracy, standard_error, auc, fold_accuracies, rows_per_class: rows })
}

impl C2stConfig {
    /// The number of hidden units, if every setting lies in its range.
    fn check(&self, columns: usize) -> Result<usize, MetricError> {
        let hidden = self.hidden.unwrap_or_else(|| columns.saturating_mul(10).clamp(32, 128));
        for (name, value, least, expected) in [
            ("folds", self.folds, 2, "at least 2"),
            ("hidden", hidden, 1, "at least 1"),
            ("epochs", self.epochs, 1, "at least 1"),
            ("batch", self.batch, 1, "at least 1"),
        ] {
            if value < least {
                return Err(MetricError::Setting { name, expected, got: value.to_string() });
            }
        }
        for (name, value) in [("learning_rate", self.learning_rate), ("weight_decay", self.weight_decay)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(MetricError::Setting { name, expected: "a number from 0 to 1", got: value.to_string() });
            }
        }
        Ok(hidden)
    }
}

/// The values before and after the held-out stretch.
fn outside<'a>(set: &'a [f32], held: &std::ops::Range<usize>) -> impl Iterator<Item = f32> + use<'a> {
    set[..held.start].iter().chain(&set[held.end..]).copied()
}

/// Trains on rows whose first half is real and whose second half is fake.
fn fit(train: &[f32], columns: usize, hidden: usize, config: &C2stConfig, rng: &mut ChaCha8Rng) -> Perceptron {
    let rows = train.len() / columns;
    let mut net = Perceptron::new(columns, hidden, rng);
    let mut gradient = vec![0.0; net.parameters.len()];
    let mut adam = Adam::new(gradient.len());
    let mut order: Vec<usize> = (0..rows).collect();
    let (mut x, mut y, mut activations) = (Vec::new(), Vec::new(), Activations::default());
    let steps = (config.epochs * rows.div_ceil(config.batch)) as f32;
    let mut step = 0.0;
    for _ in 0..config.epochs {
        order.shuffle(rng);
        for batch in order.chunks(config.batch) {
            x.clear();
            y.clear();
            for &row in batch {
                x.extend_from_slice(&train[row * columns..(row + 1) * columns]);
                y.push(if row < rows / 2 { 1.0 } else { 0.0 });
            }
            net.forward(&x, &mut activations);
            net.backward(&x, &y, &mut activations, &mut gradient);
            let rate = 0.5 * config.learning_rate * (1.0 + (std::f32::consts::PI * step / steps).cos());
            adam.update(&mut net.parameters, &gradient, rate, config.weight_decay);
            step += 1.0;
        }
    }
    net
}

/// `P(real logit > fake logit) + P(equal) / 2`, by mid-ranks (Hanley & McNeil 1982).
fn area_under_curve(real: &[f32], fake: &[f32]) -> f64 {
    let mut all: Vec<(f32, bool)> = real.iter().map(|&l| (l, true)).chain(fake.iter().map(|&l| (l, false))).collect();
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins) = (0.0, 0.0);
    for ties in all.chunk_by(|a, b| a.0 == b.0) {
        let real_here = ties.iter().filter(|tie| tie.1).count() as f64;
        let fake_here = ties.len() as f64 - real_here;
        wins += real_here * (below + 0.5 * fake_here);
        below += fake_here;
    }
    wins / (real.len() as f64 * fake.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_counts_pairs() {
        assert_eq!(area_under_curve(&[1.0, 2.0], &[-1.0, 0.0]), 1.0);
        assert_eq!(area_under_curve(&[0.0, 0.0], &[0.0]), 0.5);
        assert_eq!(area_under_curve(&[0.0, 3.0], &[1.0, 2.0]), 0.5);
        assert_eq!(area_under_curve(&[2.0, 3.0], &[1.0, 2.0]), 0.875);
    }

    #[test]
    fn settings_are_checked() {
        let data = [0.5f32; 40];
        let with = |config: C2stConfig| c2st(&data, &data, 1, &config).unwrap_err().to_string();
        assert_eq!(with(C2stConfig { folds: 1, ..Default::default() }), "`folds` is 1, expected at least 2");
        assert!(with(C2stConfig { learning_rate: f32::NAN, ..Default::default() }).contains("`learning_rate` is NaN"));
        assert!(with(C2stConfig { folds: 40, ..Default::default() }).contains("at least 80"));
    }

    #[test]
    fn constants_are_indistinguishable() {
        let result = c2st(&[1.0; 60], &[1.0; 40], 2, &C2stConfig::default()).unwrap();
        assert_eq!((result.accuracy, result.auc, result.rows_per_class), (0.5, 0.5, 20));
    }
}
