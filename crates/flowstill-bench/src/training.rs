//! Time optimiser steps of the trainer that users call, from its first step to its last.

use crate::timing::Timing;
use flowstill::Error;
use flowstill::flows::Flow;
use flowstill::train::{
    Control, Event, Examples, Objective, ScheduleConfig, ScheduleKind, TrainConfig, TrainingData, train,
};
use std::time::Instant;

/// Train a copy of `flow` for about `seconds`. The first step warms up and is not counted; nothing is validated or written.
pub fn steps(
    flow: &Flow,
    objective: &mut dyn Objective,
    examples: &Examples,
    batch: usize,
    seconds: f64,
) -> Result<Timing, String> {
    let never = 1_000_000_000;
    let config = TrainConfig {
        batch,
        steps: never,
        validate_every: never,
        checkpoint_every: never,
        log_every: never,
        clip_norm: 0.0,
        // The flow is initialised already; a longer first batch would only raise the peak of memory.
        initialize_rows: batch.max(2),
        schedule: ScheduleConfig { kind: ScheduleKind::Constant, ..ScheduleConfig::default() },
        ..TrainConfig::default()
    };
    let data = TrainingData { train: examples.clone(), validation: examples.head(1) };
    let (mut begun, mut last, mut counted, mut skipped) = (None, None, 0_u64, false);
    let mut watch = |event: &Event| {
        skipped |= matches!(event, Event::Skipped { .. });
        if !matches!(event, Event::Step { .. }) {
            return Control::Continue;
        }
        let now = Instant::now();
        let Some(begun) = begun else {
            begun = Some(now);
            return Control::Continue;
        };
        counted += 1;
        last = Some(now - begun);
        if (now - begun).as_secs_f64() >= seconds { Control::Stop } else { Control::Continue }
    };
    match train(flow.clone(), objective, &data, &config, None, &mut watch) {
        Err(Error::Interrupted { .. }) if !skipped => {}
        Err(Error::Interrupted { .. }) => return Err("a step had a non-finite loss or gradient".into()),
        Err(error) => return Err(error.to_string()),
        Ok(_) => return Err("the training ended by itself".into()),
    }
    let passed = last.ok_or("no step was timed")?;
    Ok(Timing { count: counted as f64, seconds: passed.as_secs_f64() })
}
