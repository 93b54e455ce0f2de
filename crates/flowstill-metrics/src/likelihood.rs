//! Summarise per-row log densities as a mean with its standard error.

use std::collections::BTreeMap;
use std::fmt;

use crate::{MetricError, half_width_95};

/// A mean and how far it may be from the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MeanAndError {
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation over the square root of the count.
    pub standard_error: f64,
    /// How many values entered.
    pub count: usize,
}

/// The mean of `values` and its standard error, `s / sqrt(n)` with `s^2 = sum (v - mean)^2 / (n - 1)`.
///
/// Two values are the fewest that have a standard error, and every value must be finite.
///
/// ```
/// let summary = flowstill_metrics::mean_and_standard_error(&[1.0, 2.0, 3.0, 4.0])?;
/// assert_eq!(summary.mean, 2.5);
/// assert!((summary.standard_error - (5.0f64 / 12.0).sqrt()).abs() < 1e-12);
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn mean_and_standard_error(values: &[f64]) -> Result<MeanAndError, MetricError> {
    if let Some(row) = values.iter().position(|v| !v.is_finite()) {
        return Err(MetricError::NotFinite { what: "values".into(), value: values[row], row, column: 0 });
    }
    if values.len() < 2 {
        return Err(MetricError::TooFewRows { what: "values".into(), needed: 2, got: values.len() });
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Ok(MeanAndError { mean, standard_error: (variance / n).sqrt(), count: values.len() })
}

/// The mean of `values` and its standard error where values of one group, such as those of one photograph's crops, are not independent:
/// `SE^2 = G / (G - 1) sum_g (sum_{i in g} (v_i - mean))^2 / n^2` over G groups (Liang & Zeger 1986, for a mean). `count` is G. With every value
/// its own group it is [`mean_and_standard_error`].
///
/// Two groups are the fewest, every value must be finite, and `groups` gives each value's.
///
/// ```
/// let summary = flowstill_metrics::mean_and_clustered_error(&[1.0, 1.0, 3.0, 3.0], &[7, 7, 2, 2])?;
/// assert_eq!((summary.mean, summary.standard_error, summary.count), (2.0, 1.0, 2));
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn mean_and_clustered_error(values: &[f64], groups: &[u32]) -> Result<MeanAndError, MetricError> {
    if groups.len() != values.len() {
        return Err(MetricError::Count { what: "groups".into(), expected: values.len(), got: groups.len() });
    }
    let MeanAndError { mean, .. } = mean_and_standard_error(values)?;
    let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
    values.iter().zip(groups).for_each(|(value, group)| *sums.entry(*group).or_default() += value - mean);
    if sums.len() < 2 {
        return Err(MetricError::TooFewRows { what: "groups".into(), needed: 2, got: sums.len() });
    }
    let (n, count) = (values.len() as f64, sums.len());
    let scatter = sums.values().map(|sum| sum * sum).sum::<f64>() * count as f64 / (count - 1) as f64;
    Ok(MeanAndError { mean, standard_error: scatter.sqrt() / n, count })
}

/// The mean log density of held-out rows, in nats: what a flow's training maximises, measured where it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogLikelihood {
    /// Mean of `log p(x)` over the finite rows, in nats.
    pub mean: f64,
    /// Standard error of that mean.
    pub standard_error: f64,
    /// The half-width of the 95 % interval of that mean, by Student's t.
    pub half_width_95: f64,
    /// All rows that were given.
    pub rows: usize,
    /// Rows whose log density was NaN or infinite; the mean leaves them out, and a report must name them.
    pub non_finite: usize,
}

impl LogLikelihood {
    /// Summarises one log density per row; it needs two finite ones.
    ///
    /// ```
    /// use flowstill_metrics::LogLikelihood;
    /// let summary = LogLikelihood::from_rows(&[-1.0, -3.0, f64::NEG_INFINITY])?;
    /// assert_eq!((summary.mean, summary.rows, summary.non_finite), (-2.0, 3, 1));
    /// assert_eq!(summary.to_string(), "-2.0000 ± 12.7062 nats over 2 of 3 rows (1 not finite)");
    /// # Ok::<(), flowstill_metrics::MetricError>(())
    /// ```
    pub fn from_rows(log_densities: &[f64]) -> Result<Self, MetricError> {
        let finite: Vec<f64> = log_densities.iter().copied().filter(|v| v.is_finite()).collect();
        if finite.len() < 2 {
            let what = "finite log densities".into();
            return Err(MetricError::TooFewRows { what, needed: 2, got: finite.len() });
        }
        let MeanAndError { mean, standard_error, count } = mean_and_standard_error(&finite)?;
        let rows = log_densities.len();
        let half_width_95 = half_width_95(standard_error, count).unwrap_or(f64::NAN);
        Ok(Self { mean, standard_error, half_width_95, rows, non_finite: rows - count })
    }
}

impl fmt::Display for LogLikelihood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} ± {:.4} nats over ", self.mean, self.half_width_95)?;
        match self.non_finite {
            0 => write!(f, "{} rows", self.rows),
            n => write!(f, "{} of {} rows ({n} not finite)", self.rows - n, self.rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_finite_rows_are_the_fewest() {
        let error = LogLikelihood::from_rows(&[f64::NAN, -1.0, f64::INFINITY]).unwrap_err();
        assert!(matches!(error, MetricError::TooFewRows { got: 1, needed: 2, .. }));
        assert!(matches!(mean_and_standard_error(&[0.0, f64::NAN]), Err(MetricError::NotFinite { row: 1, .. })));
    }

    #[test]
    fn groups_of_one_are_rows_and_copies_add_no_knowledge() {
        let values = [0.3, -1.0, 2.5, 0.1, 7.0];
        let rows = mean_and_standard_error(&values).unwrap();
        let single = mean_and_clustered_error(&values, &[4, 9, 1, 0, 2]).unwrap();
        assert!((single.standard_error - rows.standard_error).abs() < 1e-12 && single.count == 5);
        // Every value four times: as rows the error halves, as groups it stays.
        let copies: Vec<f64> = values.iter().flat_map(|value| [*value; 4]).collect();
        let groups: Vec<u32> = (0..20).map(|at| at / 4).collect();
        let clustered = mean_and_clustered_error(&copies, &groups).unwrap();
        assert!((clustered.standard_error - rows.standard_error).abs() < 1e-12);
        assert!(mean_and_standard_error(&copies).unwrap().standard_error < 0.5 * rows.standard_error);
        assert!(matches!(mean_and_clustered_error(&values, &[1; 5]), Err(MetricError::TooFewRows { got: 1, .. })));
        assert!(matches!(mean_and_clustered_error(&values, &[1]), Err(MetricError::Count { .. })));
    }

    #[test]
    fn a_constant_has_no_error() {
        let summary = LogLikelihood::from_rows(&[-4.5; 9]).unwrap();
        assert_eq!((summary.mean, summary.half_width_95, summary.non_finite), (-4.5, 0.0, 0));
    }
}
