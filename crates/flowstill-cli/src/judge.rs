//! Judge one model on the test split: likelihood, samples, speed, round trip.

use crate::convert::Prepared;
use crate::failure::Outcome;
use crate::features::FeatureConfig;
use flowstill::model::Model;
use flowstill::train::Rows;
use flowstill::{to_f32, train::Batch};
use flowstill_metrics::{C2stConfig, LogLikelihood, MmdConfig, c2st, mmd_unbiased};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How models are judged; the same for every model of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JudgeConfig {
    /// Samples drawn for the two-sample tests, at most as many as there are test rows; default 10000, 0 for no tests.
    pub samples: usize,
    /// Seed of those samples and tests; default 20.
    pub seed: u64,
    /// Rows at once when speed is measured; default 8192.
    pub batch: usize,
    /// Repetitions of each timing after a warm-up, of which the median counts; default 5, 0 for no timings.
    pub repetitions: usize,
    /// Rows of the round trip; default 4096.
    pub round_trip_rows: usize,
    /// Pictures: draws of the noise per picture; several give the importance-weighted bound. Default 1.
    pub draws: usize,
    /// Pictures: temperature of the samples that are compared with real ones; default 1.
    pub temperature: f64,
    /// Pictures: the network whose features are compared; default none, and then no Frechet distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<FeatureConfig>,
}

impl Default for JudgeConfig {
    fn default() -> Self {
        Self {
            samples: 10_000,
            seed: 20,
            batch: 8192,
            repetitions: 5,
            round_trip_rows: 4096,
            draws: 1,
            temperature: 1.0,
            features: None,
        }
    }
}

impl JudgeConfig {
    /// Refuse what cannot be done.
    ///
    /// # Errors
    /// The setting that is out of range.
    pub fn check(&self) -> Result<(), String> {
        match (self.batch, self.samples, self.repetitions) {
            (0, ..) => Err("judge.batch: expected at least 1, got 0".into()),
            (.., 10_001..) => Err(format!("judge.repetitions: expected 0 to 10000, got {}", self.repetitions)),
            (_, 1..=99, _) => Err(format!("judge.samples: expected 0 or at least 100, got {}", self.samples)),
            _ if !(1..=10_000).contains(&self.draws) => {
                Err(format!("judge.draws: expected 1 to 10000, got {}", self.draws))
            }
            _ if !(self.temperature > 0.0 && self.temperature.is_finite()) => {
                Err(format!("judge.temperature: expected a number above 0, got {}", self.temperature))
            }
            _ if self.features.as_ref().is_some_and(|features| features.reference < 2) => {
                Err("judge.features.reference: expected at least 2 pictures".into())
            }
            _ => Ok(()),
        }
    }
}

/// What was found out about a model; nats are of standardised data unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Mean negative log-likelihood of the rows, nats, standardised data: what papers quote.
    pub test_nll_nats: f64,
    /// The same in the data's own units.
    pub test_nll_nats_data_units: f64,
    /// Standard error of the mean over the rows.
    pub standard_error: f64,
    /// Rows judged.
    pub test_rows: usize,
    /// Rows whose density was not finite; the mean leaves them out.
    pub test_rows_not_finite: usize,
    /// Rows drawn in a second, in batches.
    pub sample_rows_per_second: Option<f64>,
    /// Rows scored in a second, in batches.
    pub log_prob_rows_per_second: Option<f64>,
    /// Milliseconds to draw a single row.
    pub sample_latency_ms: Option<f64>,
    /// Milliseconds to score a single row.
    pub log_prob_latency_ms: Option<f64>,
    /// Accuracy of a classifier between samples and test rows: 0.5 is a perfect forgery.
    pub c2st: Option<f64>,
    /// Its standard error.
    pub c2st_standard_error: Option<f64>,
    /// Unbiased squared maximum mean discrepancy between samples and test rows.
    pub mmd2: Option<f64>,
    /// Its standard error.
    pub mmd2_standard_error: Option<f64>,
    /// Samples that were not finite; the tests leave them out.
    pub samples_not_finite: usize,
    /// `max |x - f^-1(f(x))|` over standardised rows; none when it is not finite.
    pub round_trip_error: Option<f64>,
    /// Pictures: bits per dimension of the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim: Option<f64>,
    /// Standard error of that mean over the pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim_standard_error: Option<f64>,
    /// Draws of noise per picture behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim_draws: Option<usize>,
    /// Squared Frechet distance between the features of samples and of train pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_distance: Option<f64>,
    /// The network of those features, with its side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_network: Option<String>,
    /// Samples behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_samples: Option<usize>,
    /// The temperature of those samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet_temperature: Option<f64>,
    /// Unbiased polynomial-kernel distance of the same features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_distance: Option<f64>,
    /// Its standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_distance_standard_error: Option<f64>,
    /// Part of the samples that lie among the real pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Part of the real pictures that lie among the samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
}

/// Judge a model on the test rows.
///
/// # Errors
/// What the flow reports; a statistic that cannot be had is left out.
pub fn judge(model: &Model, test: &Rows, config: &JudgeConfig) -> Outcome<Verdict> {
    let device = model.flow.device();
    let mut densities = Vec::with_capacity(test.len());
    for start in (0..test.len()).step_by(8192) {
        let Batch { x, context, .. } = test.range(start..(start + 8192).min(test.len()), &device);
        densities.extend(to_f32(model.flow.log_prob(x, context.as_ref())?).into_iter().map(f64::from));
    }
    let likelihood = LogLikelihood::from_rows(&densities)?;
    let mut verdict = Verdict {
        test_nll_nats: -likelihood.mean,
        test_nll_nats_data_units: -(likelihood.mean + model.standardization.log_det()),
        standard_error: likelihood.standard_error,
        test_rows: likelihood.rows,
        test_rows_not_finite: likelihood.non_finite,
        ..Verdict::default()
    };
    let near = test.head(config.round_trip_rows.max(1));
    verdict.round_trip_error =
        Some(model.round_trip_error(near.values(), near.context_values())?).filter(|error| error.is_finite());
    two_samples(model, test, config, &mut verdict)?;
    speed(model, test, config, &mut verdict)?;
    Ok(verdict)
}

fn two_samples(model: &Model, test: &Rows, config: &JudgeConfig, verdict: &mut Verdict) -> Outcome<()> {
    let real = test.head(config.samples);
    if real.len() < 100 {
        return Ok(());
    }
    let columns = real.columns();
    let drawn = model.sample_standardised(real.len(), config.seed, 1.0, real.context_values())?;
    let finite = |row: &&[f32]| row.iter().all(|value| value.is_finite());
    let kept: Vec<f32> = drawn.chunks_exact(columns).filter(finite).flatten().copied().collect();
    verdict.samples_not_finite = real.len() - kept.len() / columns;
    // With a context the question is whether pairs look alike, so the conditioning values stand beside both.
    let with_context = |values: &[f32]| beside(values, columns, real.context_values(), real.context_columns());
    let (real, kept, columns) = if model.context_columns() > 0 && verdict.samples_not_finite == 0 {
        (with_context(real.values()), with_context(&kept), columns + real.context_columns())
    } else {
        (real.values().to_vec(), kept, columns)
    };
    // A model that samples nothing but NaN is judged by that count; no statistic is made up for it.
    if let Ok(result) = c2st(&real, &kept, columns, &C2stConfig { seed: config.seed, ..C2stConfig::default() }) {
        verdict.c2st = Some(result.accuracy);
        verdict.c2st_standard_error = Some(result.standard_error);
    }
    if let Ok(result) = mmd_unbiased(&real, &kept, columns, &MmdConfig { seed: config.seed, ..MmdConfig::default() }) {
        verdict.mmd2 = Some(result.mmd2).filter(|value| value.is_finite());
        verdict.mmd2_standard_error = Some(result.standard_error).filter(|value| value.is_finite());
    }
    Ok(())
}

fn beside(values: &[f32], columns: usize, context: &[f32], width: usize) -> Vec<f32> {
    let pairs = values.chunks_exact(columns).zip(context.chunks_exact(width.max(1)));
    pairs.flat_map(|(row, context)| row.iter().chain(context).copied()).collect()
}

fn speed(model: &Model, test: &Rows, config: &JudgeConfig, verdict: &mut Verdict) -> Outcome<()> {
    if config.repetitions == 0 {
        return Ok(());
    }
    let device = model.flow.device();
    let batch = test.head(config.batch);
    let one = test.head(1);
    let score = |rows: &Rows| -> Outcome<()> {
        let Batch { x, context, .. } = rows.range(0..rows.len(), &device);
        to_f32(model.flow.log_prob(x, context.as_ref())?);
        Ok(())
    };
    let draw = |rows: &Rows| -> Outcome<()> {
        model.sample_standardised(rows.len(), config.seed, 1.0, rows.context_values())?;
        Ok(())
    };
    let rows = batch.len() as f64;
    verdict.log_prob_rows_per_second = Some(rows / median_seconds(config.repetitions, || score(&batch))?);
    verdict.sample_rows_per_second = Some(rows / median_seconds(config.repetitions, || draw(&batch))?);
    verdict.log_prob_latency_ms = Some(1e3 * median_seconds(5 * config.repetitions, || score(&one))?);
    verdict.sample_latency_ms = Some(1e3 * median_seconds(5 * config.repetitions, || draw(&one))?);
    Ok(())
}

/// The median time of a piece of work after a warm-up; slow work is repeated fewer times, but never less than thrice.
pub fn median_seconds(repetitions: usize, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    const BUDGET: Duration = Duration::from_secs(3);
    work()?;
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < repetitions && (times.len() < 3 || begun.elapsed() < BUDGET) {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2].max(1e-9))
}

/// Judge on a prepared table's test split.
///
/// # Errors
/// As [`judge`].
pub fn judge_test(model: &Model, data: &Prepared, config: &JudgeConfig) -> Outcome<Verdict> {
    judge(model, data.test_rows()?, config)
}
