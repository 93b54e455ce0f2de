//! Evaluate a model of a table: likelihood, samples, speed, round trip.

use super::health::{RoundTrip, densities, own_samples, parts};
use super::{EvaluateConfig, Metrics};
use crate::{Error, Result};
use flowstill::model::Model;
use flowstill::train::Rows;
use flowstill::{to_f32, train::Batch};
use flowstill_metrics::{Bandwidth, C2stConfig, LogLikelihood, MmdConfig, c2st, median_bandwidth, mmd_unbiased};
use std::time::{Duration, Instant};

/// Rows that are looked at for values that recur: what many rows share shows in a part of them.
const DIAGNOSED: usize = 20_000;

/// Evaluate a model on rows: likelihood, samples, speed, round trip.
///
/// # Errors
/// A setting out of range, and what the flow reports; [`Error::Diverged`] when fewer than two rows have a finite density. A statistic that
/// cannot be had is left out.
pub fn evaluate_rows(model: &Model, test: &Rows, config: &EvaluateConfig) -> Result<Metrics> {
    config.check().map_err(Error::Input)?;
    let densities = densities(model, test.values(), test.context_values())?;
    let likelihood = LogLikelihood::from_rows(&densities).map_err(|error| Error::Diverged(error.to_string()))?;
    let mut transforms = 0.0;
    if model.standardization.is_transformed() {
        let finite =
            test.values().chunks_exact(test.columns().max(1)).zip(&densities).filter(|(_, own)| own.is_finite());
        transforms = finite.map(|(row, _)| model.standardization.transforms_log_det(row)).sum::<f64>();
        transforms /= likelihood.rows.saturating_sub(likelihood.non_finite).max(1) as f64;
    }
    let mut metrics = Metrics {
        test_nll_nats: -likelihood.mean,
        test_nll_nats_data_units: -(likelihood.mean + model.standardization.log_det() + transforms),
        standard_error: likelihood.standard_error,
        test_rows: likelihood.rows,
        test_rows_not_finite: likelihood.non_finite,
        unbounded_columns: unbounded(model, test)?,
        ..Metrics::default()
    };
    let near = config.round_trip_rows.map(|most| test.head(most.max(1)));
    let near = near.as_ref().unwrap_or(test);
    let mut trip = RoundTrip::default();
    for (values, context) in parts(model, near.values(), near.context_values()) {
        trip.add(model, values, context)?;
    }
    metrics.put_round_trip(&trip);
    two_samples(model, test, config, &mut metrics)?;
    speed(model, test, config, &mut metrics)?;
    Ok(metrics)
}

/// So many rows, spread evenly over all: a table need not lie in an order that makes its first rows a fair part.
fn spread(rows: &Rows, count: usize) -> Result<Rows> {
    if count >= rows.len() {
        return Ok(rows.clone());
    }
    let gather = |data: &[f32], width: usize| -> Vec<f32> {
        let starts = (0..count).map(|index| index * rows.len() / count * width);
        starts.flat_map(|start| &data[start..start + width]).copied().collect()
    };
    let (values, context) =
        (gather(rows.values(), rows.columns()), gather(rows.context_values(), rows.context_columns()));
    Ok(Rows::with_context(values, rows.columns(), context, rows.context_columns())?)
}

/// The columns whose values recur in rows as the flow sees them, by a part of the rows.
fn unbounded(model: &Model, test: &Rows) -> Result<Vec<String>> {
    let test = spread(test, DIAGNOSED)?;
    let columns = test.columns();
    let named = model.facts.columns.len() == columns;
    let names = match named {
        true => model.facts.columns.clone(),
        false => (1..=columns).map(|at| format!("c{at}")).collect(),
    };
    let values: Vec<f64> = test.values().iter().map(|value| f64::from(*value)).collect();
    let found = flowstill_data::diagnose(&names, &values).into_iter();
    Ok(found.filter(flowstill_data::Finding::is_unbounded).map(|finding| finding.column).collect())
}

fn two_samples(model: &Model, test: &Rows, config: &EvaluateConfig, metrics: &mut Metrics) -> Result<()> {
    if config.samples == 0 {
        return Ok(());
    }
    let real = spread(test, config.samples)?;
    let (drawn, own) = own_samples(model, real.len(), config.seed, real.context_values())?;
    metrics.samples_not_finite = own.not_finite;
    metrics.own_samples = Some(own);
    if real.len() < 100 {
        return Ok(());
    }
    // With a context the question is whether pairs look alike, so the conditioning values stand beside both.
    let columns = real.columns() + real.context_columns();
    let pairs = |values: &[f32]| beside(values, real.columns(), real.context_values(), real.context_columns());
    let finite = |row: &&[f32]| row.iter().all(|value| value.is_finite());
    let kept: Vec<f32> = pairs(&drawn).chunks_exact(columns).filter(finite).flatten().copied().collect();
    let real = pairs(real.values());
    // A model that samples nothing but NaN is known by that count; no statistic is made up for it.
    if let Ok(result) = c2st(&real, &kept, columns, &C2stConfig { seed: config.seed, ..C2stConfig::default() }) {
        metrics.c2st = Some(result.accuracy);
        metrics.c2st_standard_error = Some(result.standard_error);
        metrics.c2st_rows = Some(result.rows_per_class);
    }
    // Of the data alone, so that all models of a comparison are measured by one kernel.
    let usual = MmdConfig::default();
    let Ok(width) = median_bandwidth(&real, columns, usual.max_rows, config.seed) else { return Ok(()) };
    metrics.mmd2_bandwidth = Some(width);
    let settings = MmdConfig { seed: config.seed, bandwidth: Bandwidth::Explicit(width), ..usual };
    if let Ok(result) = mmd_unbiased(&real, &kept, columns, &settings) {
        metrics.mmd2 = Some(result.mmd2).filter(|value| value.is_finite());
        metrics.mmd2_standard_error = Some(result.standard_error).filter(|value| value.is_finite());
    }
    Ok(())
}

/// Rows with their context behind them.
pub(super) fn beside(values: &[f32], columns: usize, context: &[f32], width: usize) -> Vec<f32> {
    if width == 0 {
        return values.to_vec();
    }
    let pairs = values.chunks_exact(columns).zip(context.chunks_exact(width));
    pairs.flat_map(|(row, context)| row.iter().chain(context).copied()).collect()
}

fn speed(model: &Model, test: &Rows, config: &EvaluateConfig, metrics: &mut Metrics) -> Result<()> {
    if config.repetitions == 0 {
        return Ok(());
    }
    let device = model.flow.device();
    let batch = test.head(config.batch);
    let one = test.head(1);
    let score = |rows: &Rows| -> Result<()> {
        let Batch { x, context, .. } = rows.range(0..rows.len(), &device);
        to_f32(model.flow.log_prob(x, context.as_ref())?);
        Ok(())
    };
    let draw = |rows: &Rows| -> Result<()> {
        model.sample_standardised(rows.len(), config.seed, 1.0, rows.context_values())?;
        Ok(())
    };
    let rows = batch.len() as f64;
    metrics.log_prob_rows_per_second = Some(rows / median_seconds(config.repetitions, || score(&batch))?);
    metrics.sample_rows_per_second = Some(rows / median_seconds(config.repetitions, || draw(&batch))?);
    metrics.log_prob_latency_ms = Some(1e3 * median_seconds(5 * config.repetitions, || score(&one))?);
    metrics.sample_latency_ms = Some(1e3 * median_seconds(5 * config.repetitions, || draw(&one))?);
    Ok(())
}

/// The median time of a piece of work after a warm-up; slow work is repeated fewer times, but never less than thrice.
pub(super) fn median_seconds(repetitions: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_rows_reach_from_the_first_to_the_last_part() {
        let rows =
            Rows::with_context((0..20).map(|v| v as f32).collect(), 2, (0..10).map(|v| v as f32).collect(), 1).unwrap();
        let some = spread(&rows, 4).unwrap();
        assert_eq!(
            (some.values(), some.context_values()),
            (&[0., 1., 4., 5., 10., 11., 14., 15.][..], &[0., 2., 5., 7.][..])
        );
        assert_eq!(spread(&rows, 10).unwrap(), rows);
    }
}
