//! Evaluate a model of pictures: bits per dimension, samples by a feature network, speed, round trip.

use super::rows::median_seconds;
use super::{EvaluateConfig, Metrics, Reference};
use crate::{Error, Event, Events, Result};
use flowstill::model::Model;
use flowstill::pictures::Pictures;
use flowstill::to_f64;
use flowstill::train::Control;
use std::f64::consts::LN_2;

/// Pictures of the round trip and of the timings.
const NEAR: usize = 64;

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
    let near = test.head(NEAR);
    metrics.round_trip_error = round_trip(model, &near)?;
    if let Some(reference) = reference.filter(|_| config.samples > 0) {
        metrics = compare(model, test, reference, config, metrics, events)?;
    }
    speed(model, &near, config, &mut metrics)?;
    Ok(metrics)
}

fn round_trip(model: &Model, near: &Pictures) -> Result<Option<f64>> {
    let batch = near.range(0..near.len(), 0, &model.flow.device());
    let (latents, _) = model.flow.forward(batch.x.clone(), batch.context.as_ref())?;
    let (back, _) = model.flow.inverse(&latents, batch.context.as_ref())?;
    let worst = to_f64((back - batch.x).abs());
    let worst = worst.into_iter().fold(0.0, |most, gap| if gap.is_nan() || gap > most { gap } else { most });
    Ok(Some(worst).filter(|worst| worst.is_finite()))
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
