//! Take steps until the end: batch, loss, gradient, clip, update, validate, checkpoint.

use super::checkpoint::State;
use super::keep::fingerprint;
use super::optimiser::norm;
use super::order::Order;
use super::vector::{gather, scatter};
use super::{
    Control, Dataset, Event, Objective, Optimiser, RunFolder, Schedule, TrainConfig, Trainable, TrainingData,
    Validation,
};
use crate::param::{Param, to_f64, trainable_count};
use crate::{Error, Result, Role};
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use std::time::Instant;

/// What a training gives.
#[derive(Clone, Debug)]
pub struct Trained<M> {
    /// The model with the best weights, recording nothing.
    pub model: M,
    /// How it went.
    pub report: TrainReport,
}

/// How a training went.
#[derive(Clone, Debug, Serialize)]
pub struct TrainReport {
    /// Steps taken.
    pub steps: u64,
    /// Steps whose loss or gradient was not finite.
    pub skipped: u64,
    /// Seconds of training, over all its parts.
    pub seconds: f64,
    /// The validation that chose the weights.
    pub best: Option<Validation>,
    /// All validations.
    pub history: Vec<Validation>,
}

/// Train `model` by `objective`.
///
/// With a run folder, a checkpoint that lies there is gone on from, and the result is, bit for bit, that of a run that was never stopped.
///
/// # Errors
/// [`Error::Config`] and [`Error::Shape`] for settings and data that do not fit, [`Error::NotFinite`] when too many steps had to be skipped,
/// [`Error::Interrupted`] after `events` answered [`Control::Stop`], and what files report.
pub fn train<M: Trainable, D: Dataset<Batch = M::Batch>>(
    model: M,
    objective: &mut dyn Objective<M>,
    data: &TrainingData<D>,
    config: &TrainConfig,
    run: Option<&RunFolder>,
    events: &mut dyn FnMut(&Event) -> Control,
) -> Result<Trained<M>> {
    run_from(model, objective, data, config, None, run, events)
}

/// The same in the folder of a training that ended with fewer steps, whose settings `earlier` are the same but for [`TrainConfig::steps`]: its
/// last checkpoint is gone on from. Under a rate that does not depend on the number of steps, and if the earlier training ended on one of its
/// regular validations, the result is that of a training which had so many steps from the beginning.
///
/// # Errors
/// As [`train`].
pub fn train_further<M: Trainable, D: Dataset<Batch = M::Batch>>(
    model: M,
    objective: &mut dyn Objective<M>,
    data: &TrainingData<D>,
    config: &TrainConfig,
    earlier: &TrainConfig,
    run: &RunFolder,
    events: &mut dyn FnMut(&Event) -> Control,
) -> Result<Trained<M>> {
    run_from(model, objective, data, config, Some(earlier), Some(run), events)
}

fn run_from<M: Trainable, D: Dataset<Batch = M::Batch>>(
    model: M,
    objective: &mut dyn Objective<M>,
    data: &TrainingData<D>,
    config: &TrainConfig,
    earlier: Option<&TrainConfig>,
    run: Option<&RunFolder>,
    events: &mut dyn FnMut(&Event) -> Control,
) -> Result<Trained<M>> {
    config.check()?;
    for (name, rows) in [("training split", &data.train), ("validation split", &data.validation)] {
        if rows.is_empty() {
            return Err(Error::shape(
                name,
                "at least 1 row (use a longer table, or smaller parts for validation and test)",
                "0 rows",
            ));
        }
    }
    let mut training = Training::start(model, objective, data, config, earlier, run)?;
    let total = config.total_steps(data.train.len());
    let begun = Event::Started { step: training.state.step, total, parameters: trainable_count(&training.model) };
    if events(&begun) == Control::Stop {
        return training.stop();
    }
    while !training.state.finished {
        training.step(total, events)?;
        let step = training.state.step;
        let out_of_time = config.seconds.is_some_and(|limit| training.elapsed() >= limit);
        let last = step >= total || out_of_time;
        let validation = match last || step.is_multiple_of(config.validate_every) {
            true => Some(training.validate()?),
            false => None,
        };
        // Settled before anybody can ask for a stop, so that a run stopped at its last step is not trained on.
        training.state.finished = last || (config.patience > 0 && training.state.since_best >= config.patience);
        let saved = training.state.finished || step.is_multiple_of(config.checkpoint_every);
        if saved {
            training.save()?;
        }
        let news = [
            validation.map(Event::Validated),
            (saved && run.is_some()).then_some(Event::Checkpointed { step }),
            Some(Event::Step { step, total, loss: training.last_loss }),
        ];
        let asked = news.iter().flatten().map(&mut *events).filter(|answer| *answer == Control::Stop).count();
        if asked > 0 && !training.state.finished {
            return training.stop();
        }
    }
    training.finish()
}

/// A training between two steps.
pub(super) struct Training<'a, M: Trainable, D> {
    pub(super) model: M,
    pub(super) objective: &'a mut dyn Objective<M>,
    pub(super) data: &'a TrainingData<D>,
    pub(super) config: &'a TrainConfig,
    pub(super) run: Option<&'a RunFolder>,
    pub(super) device: Device,
    order: Order,
    pub(super) optimiser: Optimiser,
    pub(super) schedule: Schedule,
    pub(super) weights: Tensor<1>,
    pub(super) ema: Option<Tensor<1>>,
    /// All trainable values, and the model's buffers, of the best validation.
    pub(super) best: Option<(Tensor<1>, Option<Tensor<1>>)>,
    pub(super) state: State,
    begun: Instant,
    pub(super) before: f64,
    last_loss: f64,
}

/// The model's parameters, then the objective's: the order of every joined vector.
fn all<'a, M: Trainable>(model: &'a M, objective: &'a dyn Objective<M>) -> Vec<(String, &'a Param)> {
    let mut out = Vec::new();
    model.collect("model", &mut out);
    objective.collect("objective", &mut out);
    out
}

pub(super) fn all_mut<'a, M: Trainable>(
    model: &'a mut M,
    objective: &'a mut dyn Objective<M>,
) -> Vec<(String, &'a mut Param)> {
    let mut out = Vec::new();
    model.collect_mut("model", &mut out);
    objective.collect_mut("objective", &mut out);
    out
}

impl<'a, M: Trainable, D: Dataset<Batch = M::Batch>> Training<'a, M, D> {
    fn start(
        model: M,
        objective: &'a mut dyn Objective<M>,
        data: &'a TrainingData<D>,
        config: &'a TrainConfig,
        earlier: Option<&TrainConfig>,
        run: Option<&'a RunFolder>,
    ) -> Result<Self> {
        let device = model.device();
        let mut model = model.with_memory(config.memory);
        let count = data.train.len().min(config.initialize_rows).min(data.train.most_to_initialize());
        objective.initialize(&mut model, &data.train.range(0..count, &device))?;
        let weights = gather(&all(&model, objective), Role::Trainable)
            .ok_or_else(|| Error::config("model", "nothing to train", "use a model with trainable parameters"))?;
        let fingerprint = fingerprint(&model, objective, data, config);
        let mut training = Self {
            order: Order::new(config.seed, data.train.len()),
            optimiser: Optimiser::new(&config.optimiser, weights.dims()[0], &device),
            schedule: Schedule::new(&config.schedule),
            ema: (config.ema > 0.0).then(|| weights.clone()),
            state: State { plateau: 1.0, fingerprint, ..State::default() },
            best: None,
            begun: Instant::now(),
            before: 0.0,
            last_loss: f64::NAN,
            model,
            objective,
            data,
            config,
            run,
            device,
            weights,
        };
        if let Some(path) = run.map(RunFolder::checkpoint).filter(|path| path.exists()) {
            training.go_on(&path, earlier)?;
        }
        if let Some(run) = run {
            run.rewind(training.state.step)?;
        }
        training.put_weights();
        Ok(training)
    }

    pub(super) fn put_weights(&mut self) {
        scatter(&self.weights, all_mut(&mut self.model, self.objective), Role::Trainable, true);
        self.model.join(&self.weights);
    }

    pub(super) fn elapsed(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    fn step(&mut self, total: u64, events: &mut dyn FnMut(&Event) -> Control) -> Result<()> {
        let step = self.state.step;
        let indices = self.order.batch(step, self.config.batch);
        let batch = self.data.train.batch(&indices, self.config.seed, step, &self.device);
        if step > 0 && step.is_multiple_of(self.config.calibrate_every) && self.model.has_statistics() {
            let mut still = self.model.clone().frozen();
            // The statistics settle as the rate does: their noise would otherwise be the last thing that moves the model.
            let momentum = self.config.calibrate_momentum * self.schedule.fraction(step, total);
            self.objective.calibrate(&mut still, &batch, momentum)?;
            if let Some(buffers) = gather(&still.params(), Role::Buffer) {
                scatter(&buffers, self.model.params_mut(), Role::Buffer, false);
            }
        }
        let loss = self.objective.loss(&self.model, &batch, step, total)?;
        let value = to_f64(loss.total.clone())[0];
        let gradient = if value.is_finite() { Some(self.gradient(&loss.total)) } else { None };
        let norm = gradient.as_ref().map(norm);
        self.state.step += 1;
        match (gradient, norm) {
            (Some(gradient), Some(norm)) if norm.is_finite() => {
                let clip = self.config.clip_norm;
                let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
                let fraction = self.schedule.fraction(step, total);
                let decay = self.ema_decay();
                let ema = self.ema.take().map(|ema| (ema, decay));
                let updated = self.optimiser.update(self.weights.clone(), gradient, scale, fraction, ema);
                (self.weights, self.ema) = (updated.weights, updated.ema);
                self.put_weights();
                self.last_loss = value;
                if (step + 1).is_multiple_of(self.config.log_every) {
                    self.log(&loss.terms, value, norm, fraction)?;
                }
            }
            _ => {
                self.state.skipped += 1;
                events(&Event::Skipped { step: step + 1, skipped: self.state.skipped });
                let (skipped, done) = (self.state.skipped, self.state.step);
                if skipped > 20 && skipped as f64 > self.config.skip_limit * done as f64 {
                    return Err(Error::NotFinite {
                        what: "training".into(),
                        problem: format!("{skipped} of {done} steps had a non-finite loss or gradient"),
                        remedy: "lower train.optimiser.rate or the weight of SKD, or bound the log-scales; the last checkpoint is kept".into(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The average's decay after the coming update: small at first, so that the untrained weights do not linger in a short run.
    fn ema_decay(&self) -> f64 {
        let updates = (self.optimiser.updates + 1) as f64;
        self.config.ema.min((1.0 + updates) / (10.0 + updates))
    }

    fn gradient(&self, loss: &Tensor<1>) -> Tensor<1> {
        let mut grads = loss.backward();
        // A program's gradient comes as one vector; whatever else the loss did with single tensors comes beside it.
        let joined = self.model.joined().and_then(|leaf| leaf.grad_remove(&mut grads));
        let parts = all(&self.model, self.objective).into_iter().filter(|(_, param)| param.is_trainable());
        let own: Vec<(usize, Option<Tensor<1>>)> =
            parts.map(|(_, param)| (param.len(), param.flat().grad_remove(&mut grads))).collect();
        match joined {
            Some(joined)
                if own.iter().all(|(_, gradient)| gradient.is_none()) && joined.dims() == self.weights.dims() =>
            {
                joined
            }
            joined => {
                let zeros = |length: &usize| Tensor::zeros([*length], &self.device);
                let parts = own.iter().map(|(length, gradient)| gradient.clone().unwrap_or_else(|| zeros(length)));
                let single = Tensor::cat(parts.collect(), 0);
                match joined {
                    None => single,
                    Some(joined) => {
                        let rest = single.dims()[0] - joined.dims()[0];
                        let joined = if rest > 0 { Tensor::cat(vec![joined, zeros(&rest)], 0) } else { joined };
                        single + joined
                    }
                }
            }
        }
    }

    fn log(&self, terms: &[(&'static str, Tensor<1>)], loss: f64, norm: f64, fraction: f64) -> Result<()> {
        let Some(run) = self.run else { return Ok(()) };
        let terms = terms.iter().map(|(name, value)| (name.to_string(), to_f64(value.clone())[0].into())).collect();
        let line = serde_json::json!({
            "step": self.state.step,
            "loss": loss,
            "terms": serde_json::Value::Object(terms),
            "gradient_norm": norm,
            "rate": self.config.optimiser.rate * fraction,
            "skipped": self.state.skipped,
        });
        run.append(&line)
    }
}
