//! Take steps until the end: batch, loss, gradient, clip, update, validate, checkpoint.

use super::checkpoint::{Checkpoint, State};
use super::data::Order;
use super::optimiser::norm;
use super::vector::{gather, layout, scatter};
use super::{
    Control, Event, Examples, Objective, Optimiser, RunFolder, Schedule, TrainConfig, TrainingData, Validation,
};
use crate::flows::Flow;
use crate::param::{Param, Parameters, to_f64};
use crate::pictures::VariationalDequantizer;
use crate::{Error, Result, Role};
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use std::time::Instant;

/// What a training gives.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The flow with the best weights, recording nothing.
    pub flow: Flow,
    /// What drew the noise of pictures, with the best weights, recording nothing; none for uniform noise.
    pub dequantizer: Option<VariationalDequantizer>,
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

/// Mean negative log-likelihood, summed in f64: nats per row of a table, bits per dimension of pictures.
///
/// # Errors
/// As [`Flow::log_prob`].
pub fn mean_nll(flow: &Flow, examples: &Examples, device: &Device) -> Result<f64> {
    mean_nll_with(flow, None, examples, device)
}

/// The same with noise of a dequantiser, its `log q` included.
///
/// # Errors
/// As [`mean_nll`] and [`VariationalDequantizer::apply`].
pub fn mean_nll_with(
    flow: &Flow,
    dequantizer: Option<&VariationalDequantizer>,
    examples: &Examples,
    device: &Device,
) -> Result<f64> {
    let chunk = examples.chunk();
    let mut total = 0.0;
    for start in (0..examples.len()).step_by(chunk) {
        let batch = examples.range(start..(start + chunk).min(examples.len()), device);
        let batch = match dequantizer {
            Some(dequantizer) => dequantizer.apply(&batch)?,
            None => batch,
        };
        total -= to_f64(flow.log_prob(batch.x, batch.context.as_ref())?).iter().sum::<f64>();
        total -= batch.log_dets.iter().sum::<f64>();
    }
    Ok(total / examples.len() as f64 * flow.architecture().unit_of_loss())
}

/// Train `flow` by `objective`.
///
/// With a run folder, a checkpoint that lies there is gone on from, and the result is, bit for bit, that of a run that was never stopped.
///
/// # Errors
/// [`Error::Config`] and [`Error::Shape`] for settings and data that do not fit, [`Error::NotFinite`] when too many steps had to be skipped,
/// [`Error::Interrupted`] after `events` answered [`Control::Stop`], and what files report.
pub fn train(
    flow: Flow,
    objective: &mut dyn Objective,
    data: &TrainingData,
    config: &TrainConfig,
    run: Option<&RunFolder>,
    events: &mut dyn FnMut(&Event) -> Control,
) -> Result<Trained> {
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
    let mut training = Training::start(flow, objective, data, config, run)?;
    let total = config.total_steps(data.train.len());
    let begun = Event::Started { step: training.state.step, total, parameters: training.flow.parameter_count() };
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

struct Training<'a> {
    flow: Flow,
    objective: &'a mut dyn Objective,
    data: &'a TrainingData,
    validation: Examples,
    config: &'a TrainConfig,
    run: Option<&'a RunFolder>,
    device: Device,
    order: Order,
    optimiser: Optimiser,
    schedule: Schedule,
    weights: Tensor<1>,
    ema: Option<Tensor<1>>,
    best: Option<(Tensor<1>, Option<Tensor<1>>)>,
    state: State,
    begun: Instant,
    before: f64,
    last_loss: f64,
}

/// The flow's parameters, then the objective's: the order of every joined vector.
fn all<'a>(flow: &'a Flow, objective: &'a dyn Objective) -> Vec<(String, &'a Param)> {
    let mut out = Vec::new();
    flow.collect("flow", &mut out);
    objective.collect("objective", &mut out);
    out
}

fn all_mut<'a>(flow: &'a mut Flow, objective: &'a mut dyn Objective) -> Vec<(String, &'a mut Param)> {
    let mut out = Vec::new();
    flow.collect_mut("flow", &mut out);
    objective.collect_mut("objective", &mut out);
    out
}

impl<'a> Training<'a> {
    fn start(
        mut flow: Flow,
        objective: &'a mut dyn Objective,
        data: &'a TrainingData,
        config: &'a TrainConfig,
        run: Option<&'a RunFolder>,
    ) -> Result<Self> {
        let device = flow.device();
        flow = flow.with_memory(config.memory);
        let count = data.train.len().min(config.initialize_rows).min(data.train.initial_count());
        let first = data.train.range(0..count, &device);
        objective.initialize(&first)?;
        flow.initialize(&first.x, first.context.as_ref())?;
        let weights = gather(&all(&flow, objective), Role::Trainable)
            .ok_or_else(|| Error::config("flow", "nothing to train", "use a flow with trainable parameters"))?;
        let mut training = Self {
            order: Order::new(config.seed, data.train.len()),
            optimiser: Optimiser::new(&config.optimiser, weights.dims()[0], &device),
            schedule: Schedule::new(&config.schedule),
            ema: (config.ema > 0.0).then(|| weights.clone()),
            validation: data.validation.head(config.validation_rows),
            state: State { plateau: 1.0, fingerprint: fingerprint(&flow, objective, data, config), ..State::default() },
            best: None,
            begun: Instant::now(),
            before: 0.0,
            last_loss: f64::NAN,
            flow,
            objective,
            data,
            config,
            run,
            device,
            weights,
        };
        if let Some(path) = run.map(RunFolder::checkpoint).filter(|path| path.exists()) {
            training.resume(&path)?;
        }
        if let Some(run) = run {
            run.rewind(training.state.step)?;
        }
        training.put_weights();
        Ok(training)
    }

    fn resume(&mut self, path: &std::path::Path) -> Result<()> {
        let length = self.weights.dims()[0];
        let buffers: usize = layout(&self.flow.params(), Role::Buffer).iter().map(|(_, n)| n).sum();
        let flow_length: usize = layout(&self.flow.params(), Role::Trainable).iter().map(|(_, n)| n).sum();
        let mut lengths = vec![("weights".to_string(), length), ("first".into(), length), ("second".into(), length)];
        if buffers > 0 {
            lengths.push(("buffers".into(), buffers));
        }
        if self.ema.is_some() {
            lengths.push(("ema".into(), length));
        }
        let probe = Checkpoint::load(path, &self.state.fingerprint, &lengths, &self.device)?;
        if probe.state.best.is_some() {
            let kept = if self.objective.dequantizer().is_some() { length } else { flow_length };
            lengths.push(("best_weights".into(), kept));
            if buffers > 0 {
                lengths.push(("best_buffers".into(), buffers));
            }
        }
        let checkpoint = Checkpoint::load(path, &self.state.fingerprint, &lengths, &self.device)?;
        let vector = |name: &str| checkpoint.vector(name);
        self.weights = vector("weights").unwrap_or_else(|| self.weights.clone());
        let moment = |name: &str| vector(name).unwrap_or_else(|| self.weights.zeros_like());
        self.optimiser.set_moments(moment("first"), moment("second"));
        self.optimiser.updates = checkpoint.state.updates;
        self.schedule.plateau = checkpoint.state.plateau;
        self.schedule.waited = checkpoint.state.waited;
        self.ema = vector("ema");
        self.best = vector("best_weights").map(|weights| (weights, vector("best_buffers")));
        if let Some(buffers) = vector("buffers") {
            scatter(&buffers, self.flow.params_mut(), Role::Buffer, false);
        }
        self.before = checkpoint.state.seconds;
        self.state = checkpoint.state;
        Ok(())
    }

    fn put_weights(&mut self) {
        scatter(&self.weights, all_mut(&mut self.flow, self.objective), Role::Trainable, true);
        self.flow.join(&self.weights);
    }

    fn elapsed(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    fn step(&mut self, total: u64, events: &mut dyn FnMut(&Event) -> Control) -> Result<()> {
        let step = self.state.step;
        let indices = self.order.batch(step, self.config.batch);
        let batch = self.data.train.batch(&indices, self.config.seed, step, &self.device);
        if step > 0 && step.is_multiple_of(self.config.calibrate_every) && self.flow.has_statistics() {
            let mut still = self.flow.clone().frozen();
            // The statistics settle as the rate does: their noise would otherwise be the last thing that moves the flow.
            let momentum = self.config.calibrate_momentum * self.schedule.fraction(step, total);
            let drawn = self.objective.dequantizer().map(|dequantizer| dequantizer.apply(&batch)).transpose()?;
            let seen = drawn.as_ref().unwrap_or(&batch);
            still.calibrate(&seen.x, seen.context.as_ref(), momentum)?;
            if let Some(buffers) = gather(&still.params(), Role::Buffer) {
                scatter(&buffers, self.flow.params_mut(), Role::Buffer, false);
            }
        }
        let loss = self.objective.loss(&self.flow, &batch, step, total)?;
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
        let joined = self.flow.joined().and_then(|leaf| leaf.grad_remove(&mut grads));
        let parts = all(&self.flow, self.objective).into_iter().filter(|(_, param)| param.is_trainable());
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

    /// The flow as it is validated and kept: with the averaged weights if there are any.
    fn candidate(&self) -> Flow {
        let mut flow = self.flow.clone().frozen();
        if let Some(ema) = &self.ema {
            // The flow's own parameters come first in the joined vector.
            scatter(ema, flow.params_mut(), Role::Trainable, false);
        }
        flow
    }

    fn validate(&mut self) -> Result<Validation> {
        let mut flow = self.candidate();
        let joint = self.objective.dequantizer().is_some().then(|| self.ema.clone().unwrap_or(self.weights.clone()));
        if let Some(weights) = &joint {
            scatter(weights, all_mut(&mut flow, self.objective), Role::Trainable, false);
        }
        let nll = mean_nll_with(&flow, self.objective.dequantizer(), &self.validation, &self.device)?;
        if joint.is_some() {
            self.put_weights();
        }
        let best = nll.is_finite() && self.state.best.is_none_or(|before| nll < before.nll);
        let validation = Validation { step: self.state.step, nll, best };
        self.schedule.validated(best);
        self.state.since_best = if best { 0 } else { self.state.since_best + 1 };
        if best {
            let params = flow.params();
            let weights = joint.or_else(|| gather(&params, Role::Trainable));
            self.best = weights.map(|weights| (weights, gather(&params, Role::Buffer)));
            self.state.best = Some(validation);
        }
        self.state.history.push(validation);
        if let Some(run) = self.run {
            run.append(&serde_json::json!({ "step": validation.step, "validation_nll": nll, "best": best }))?;
        }
        Ok(validation)
    }

    fn save(&mut self) -> Result<()> {
        let Some(run) = self.run else { return Ok(()) };
        self.state.seconds = self.elapsed();
        self.state.updates = self.optimiser.updates;
        self.state.plateau = self.schedule.plateau;
        self.state.waited = self.schedule.waited;
        let mut vectors = vec![("weights".to_string(), self.weights.clone())];
        vectors.extend(["first", "second"].map(String::from).into_iter().zip(self.optimiser.moments()));
        vectors.extend(gather(&self.flow.params(), Role::Buffer).map(|buffers| ("buffers".into(), buffers)));
        vectors.extend(self.ema.clone().map(|ema| ("ema".into(), ema)));
        if let Some((weights, buffers)) = &self.best {
            vectors.push(("best_weights".into(), weights.clone()));
            vectors.extend(buffers.clone().map(|buffers| ("best_buffers".into(), buffers)));
        }
        Checkpoint { state: self.state.clone(), vectors }.save(&run.checkpoint())
    }

    fn stop(mut self) -> Result<Trained> {
        self.save()?;
        Err(Error::Interrupted { step: self.state.step })
    }

    fn finish(self) -> Result<Trained> {
        let mut flow = self.flow.clone().frozen();
        let Some((weights, buffers)) = &self.best else {
            return Err(Error::NotFinite {
                what: "training".into(),
                problem: "no validation gave a finite likelihood".into(),
                remedy: "lower train.optimiser.rate, or check the data".into(),
            });
        };
        match self.objective.dequantizer().is_some() {
            true => scatter(weights, all_mut(&mut flow, self.objective), Role::Trainable, false),
            false => scatter(weights, flow.params_mut(), Role::Trainable, false),
        }
        if let Some(buffers) = buffers {
            scatter(buffers, flow.params_mut(), Role::Buffer, false);
        }
        let report = TrainReport {
            steps: self.state.step,
            skipped: self.state.skipped,
            seconds: self.elapsed(),
            best: self.state.best,
            history: self.state.history.clone(),
        };
        let dequantizer = self.objective.dequantizer().map(|dequantizer| dequantizer.clone().frozen());
        Ok(Trained { flow, dequantizer, report })
    }
}

/// What a checkpoint must agree with before a run goes on from it.
fn fingerprint(flow: &Flow, objective: &dyn Objective, data: &TrainingData, config: &TrainConfig) -> String {
    let text = serde_json::to_string(&(flow.architecture(), config)).unwrap_or_default();
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let identity = objective.identity();
    format!("{hash:016x}-{:016x}-{:016x}-{identity}", data.train.fingerprint(), data.validation.fingerprint())
}
