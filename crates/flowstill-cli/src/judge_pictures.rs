//! Judge a model of pictures on the test split: bits per dimension, samples by a feature network, speed, round trip.

use crate::convert::Prepared;
use crate::failure::{Failure, Outcome};
use crate::features::Reference;
use crate::interrupt;
use crate::judge::{JudgeConfig, Verdict, median_seconds};
use flowstill::model::Model;
use flowstill::pictures::Pictures;
use flowstill::to_f64;
use std::f64::consts::LN_2;

/// Pictures of the round trip and of the timings.
const NEAR: usize = 64;

/// Judge on pictures; samples are compared with `reference` where there is one.
///
/// # Errors
/// What the flow reports, and a stop asked for on the way.
pub fn judge(model: &Model, test: &Pictures, reference: Option<&Reference>, config: &JudgeConfig) -> Outcome<Verdict> {
    if test.len() < 2 {
        return Err(Failure::input(format!("expected at least 2 pictures to judge on, got {}", test.len())));
    }
    let score = model.bits_per_dim(test, config.draws, config.seed, |_| !interrupt::asked())?;
    let (mean, error) = score.mean_and_standard_error();
    let nats = |bits: f64| bits * model.flow.architecture().dimensions() as f64 * LN_2;
    let mut verdict = Verdict {
        test_nll_nats: nats(mean),
        test_nll_nats_data_units: nats(mean),
        standard_error: nats(error),
        test_rows: test.len(),
        bits_per_dim: Some(mean),
        bits_per_dim_standard_error: Some(error),
        bits_per_dim_draws: Some(score.draws),
        ..Verdict::default()
    };
    let near = test.head(NEAR);
    verdict.round_trip_error = round_trip(model, &near)?;
    if let Some(reference) = reference.filter(|_| config.samples > 0) {
        compare(model, test, reference, config, &mut verdict)?;
    }
    speed(model, &near, config, &mut verdict)?;
    Ok(verdict)
}

/// Judge on a prepared set's test split.
///
/// # Errors
/// As [`judge`].
pub fn judge_test(
    model: &Model,
    data: &Prepared,
    reference: Option<&Reference>,
    config: &JudgeConfig,
) -> Outcome<Verdict> {
    let test = data.test.pictures().ok_or_else(|| Failure::run("expected pictures; report this bug"))?;
    judge(model, test, reference, config)
}

fn round_trip(model: &Model, near: &Pictures) -> Outcome<Option<f64>> {
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
    config: &JudgeConfig,
    verdict: &mut Verdict,
) -> Outcome<()> {
    let labels = labels(model, test, config.samples);
    let drawn = model.sample_pictures(config.samples, config.seed, config.temperature, &labels)?;
    let distance = reference.distance(&shown(model, drawn), test.event(), config.seed)?;
    verdict.frechet_distance = Some(distance.frechet);
    verdict.frechet_network = Some(distance.network);
    verdict.frechet_samples = Some(distance.samples);
    verdict.frechet_temperature = Some(config.temperature);
    verdict.kernel_distance = distance.kid.map(|(value, _)| value);
    verdict.kernel_distance_standard_error = distance.kid.map(|(_, error)| error);
    verdict.precision = distance.precision_recall.map(|(precision, _)| precision);
    verdict.recall = distance.precision_recall.map(|(_, recall)| recall);
    Ok(())
}

/// Pixel values as bytes that a network or a person sees.
pub fn shown(model: &Model, mut pixels: Vec<u8>) -> Vec<u8> {
    if let Some(scaling) = model.pictures.filter(|scaling| scaling.bits < 8) {
        pixels.iter_mut().for_each(|value| *value = scaling.shown(*value));
    }
    pixels
}

fn speed(model: &Model, near: &Pictures, config: &JudgeConfig, verdict: &mut Verdict) -> Outcome<()> {
    if config.repetitions == 0 {
        return Ok(());
    }
    let one = near.head(1);
    let score = |pictures: &Pictures| -> Outcome<()> {
        model.bits_per_dim(pictures, 1, 0, |_| true)?;
        Ok(())
    };
    let draw = |pictures: &Pictures| -> Outcome<()> {
        model.sample_pictures(pictures.len(), config.seed, 1.0, &labels(model, pictures, pictures.len()))?;
        Ok(())
    };
    let count = near.len() as f64;
    verdict.log_prob_rows_per_second = Some(count / median_seconds(config.repetitions, || score(near))?);
    verdict.sample_rows_per_second = Some(count / median_seconds(config.repetitions, || draw(near))?);
    verdict.log_prob_latency_ms = Some(1e3 * median_seconds(5 * config.repetitions, || score(&one))?);
    verdict.sample_latency_ms = Some(1e3 * median_seconds(5 * config.repetitions, || draw(&one))?);
    Ok(())
}
