//! Evaluate a model of pictures: bits per dimension, samples by a feature network, speed, round trip.

use super::health::{RoundTrip, chunk, own_samples};
use super::rows::median_seconds;
use super::{EvaluateConfig, Metrics, Reference};
use crate::events::go_on;
use crate::{Error, Event, Events, Result};
use flowstill::model::Model;
use flowstill::pictures::Pictures;
use flowstill::to_f32;
use flowstill::train::Control;
use std::f64::consts::LN_2;

/// Pictures of the timings.
const NEAR: usize = 64;

/// Samples that the model is asked about, at most.
const OWN: usize = 1024;

/// Evaluate on pictures; samples are compared with `reference` where there is one.
///
/// # Errors
/// A setting out of range, what the flow reports, and a stop asked for on the way.
pub fn evaluate_pictures(
    model: &Model,
    test: &Pictures,
    reference: Option<&Reference>,
    config: &EvaluateConfig,
    events: &mut Events<'_>,
) -> Result<Metrics> {
    config.check().map_err(Error::Input)?;
    if test.len() < 2 {
        return Err(Error::input(format!("expected at least 2 pictures to judge on, got {}", test.len())));
    }
    let score = model.bits_per_dim(test, config.draws, config.seed, |pictures| {
        events(Event::Scored { pictures }) == Control::Continue
    })?;
    let (mean, error) = score.mean_and_standard_error();
    let nats = |bits: f64| bits * model.flow.architecture().dimensions() as f64 * LN_2;
    let mut metrics = Metrics {
        test_nll_nats: nats(mean),
        test_nll_nats_data_units: nats(mean),
        standard_error: nats(error),
        test_rows: test.len(),
        bits_per_dim: Some(mean),
        bits_per_dim_standard_error: Some(error),
        bits_per_dim_draws: Some(score.draws),
        ..Metrics::default()
    };
    let trip = round_trip(model, &test.head(config.round_trip_rows.map_or(test.len(), |most| most.max(1))), events)?;
    metrics.put_round_trip(&trip);
    let own = config.samples.min(test.len()).min(OWN);
    if own > 0 {
        let classes = model.flow.architecture().context;
        let mut context = vec![0.0; own * classes];
        let labels = labels(model, test, own);
        labels.iter().enumerate().for_each(|(row, &label)| context[row * classes + label as usize] = 1.0);
        metrics.own_samples = Some(own_samples(model, own, config.seed, &context)?.1);
        metrics.samples_not_finite = metrics.own_samples.map_or(0, |own| own.not_finite);
    }
    if let Some(reference) = reference.filter(|_| config.samples > 0) {
        metrics = compare(model, test, reference, config, metrics, events)?;
    }
    speed(model, &test.head(NEAR), config, &mut metrics)?;
    Ok(metrics)
}

fn round_trip(model: &Model, near: &Pictures, events: &mut Events<'_>) -> Result<RoundTrip> {
    let mut trip = RoundTrip::default();
    let (step, device) = (chunk(model), model.flow.device());
    for start in (0..near.len()).step_by(step) {
        let batch = near.range(start..(start + step).min(near.len()), 0, &device);
        let context = batch.context.map(to_f32).unwrap_or_default();
        trip.add(model, &to_f32(batch.x), &context)?;
        go_on(events, Event::Scored { pictures: trip.rows })?;
    }
    Ok(trip)
}

/// One class for each sample, in the shares of the test pictures.
fn labels(model: &Model, test: &Pictures, count: usize) -> Vec<u32> {
    match (model.flow.architecture().context, test.labels()) {
        (0, _) | (_, None) => Vec::new(),
        (_, Some(labels)) => labels.iter().copied().cycle().take(count).collect(),
    }
}

fn compare(
    model: &Model,
    test: &Pictures,
    reference: &Reference,
    config: &EvaluateConfig,
    metrics: Metrics,
    events: &mut Events<'_>,
) -> Result<Metrics> {
    let labels = labels(model, test, config.samples);
    let drawn = model.sample_pictures(config.samples, config.seed, config.temperature, &labels)?;
    let distance = reference.distance(&shown_pixels(model, drawn), test.event(), config.seed, events)?;
    let (kernel, near) = (distance.kid, distance.precision_recall);
    Ok(Metrics {
        frechet_distance: Some(distance.frechet),
        frechet_network: Some(distance.network),
        frechet_samples: Some(distance.samples),
        frechet_temperature: Some(config.temperature),
        kernel_distance: kernel.map(|(value, _)| value),
        kernel_distance_standard_error: kernel.map(|(_, error)| error),
        precision: near.map(|(precision, _)| precision),
        recall: near.map(|(_, recall)| recall),
        ..metrics
    })
}

/// Pixel values as bytes that a network or a person sees.
pub fn shown_pixels(model: &Model, mut pixels: Vec<u8>) -> Vec<u8> {
    if let Some(scaling) = model.pictures.filter(|scaling| scaling.bits < 8) {
        pixels.iter_mut().for_each(|value| *value = scaling.shown(*value));
    }
    pixels
}

fn speed(model: &Model, near: &Pictures, config: &EvaluateConfig, metrics: &mut Metrics) -> Result<()> {
    if config.repetitions == 0 {
        return Ok(());
    }
    let one = near.head(1);
    let score = |pictures: &Pictures| -> Result<()> {
        model.bits_per_dim(pictures, 1, 0, |_| true)?;
        Ok(())
    };
    let draw = |pictures: &Pictures| -> Result<()> {
        model.sample_pictures(pictures.len(), config.seed, 1.0, &labels(model, pictures, pictures.len()))?;
        Ok(())
    };
    let count = near.len() as f64;
    metrics.log_prob_rows_per_second = Some(count / median_seconds(config.repetitions, || score(near))?);
    metrics.sample_rows_per_second = Some(count / median_seconds(config.repetitions, || draw(near))?);
    metrics.log_prob_latency_ms = Some(1e3 * median_seconds(5 * config.repetitions, || score(&one))?);
    metrics.sample_latency_ms = Some(1e3 * median_seconds(5 * config.repetitions, || draw(&one))?);
    Ok(())
}
