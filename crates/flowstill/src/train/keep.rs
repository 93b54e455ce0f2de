//! Keep what a training must not lose: the best weights by their validation, and all of it in a checkpoint.

use super::checkpoint::Checkpoint;
use super::dataset::batches;
use super::trainer::{Training, all_mut};
use super::vector::{gather, layout, scatter};
use super::{Dataset, Objective, TrainConfig, TrainReport, Trainable, Trained, TrainingData, Validation};
use crate::param::trainable_count;
use crate::{Error, Result, Role};
use burn::tensor::Tensor;
use std::path::Path;

impl<M: Trainable, D: Dataset<Batch = M::Batch>> Training<'_, M, D> {
    /// Whether the objective has parameters of its own that the optimiser moves.
    fn shares(&self) -> bool {
        self.objective.params().iter().any(|(_, param)| param.is_trainable())
    }

    /// Put a joined vector of all trainable values into `model` and the objective, off the tape.
    fn settle(&mut self, weights: &Tensor<1>, model: &mut M) {
        match self.shares() {
            true => scatter(weights, all_mut(model, self.objective), Role::Trainable, false),
            false => scatter(weights, model.params_mut(), Role::Trainable, false),
        }
    }

    /// Validate the averaged weights if there are any, and keep them if they are the best.
    pub(super) fn validate(&mut self) -> Result<Validation> {
        let mut model = self.model.clone().frozen();
        let weights = self.ema.clone().unwrap_or_else(|| self.weights.clone());
        self.settle(&weights, &mut model);
        let (data, rows) = (&self.data.validation, self.config.validation_rows);
        let value = self.objective.validate(&model, &mut batches(data, rows, &self.device))?;
        if self.shares() {
            self.put_weights();
        }
        let best = value.is_finite() && self.state.best.is_none_or(|before| value < before.value);
        let validation = Validation { step: self.state.step, value, best };
        self.schedule.validated(best);
        self.state.since_best = if best { 0 } else { self.state.since_best + 1 };
        if best {
            self.best = Some((weights, gather(&model.params(), Role::Buffer)));
            self.state.best = Some(validation);
        }
        self.state.history.push(validation);
        if let Some(run) = self.run {
            let name = format!("validation_{}", self.objective.measure());
            run.append(&serde_json::json!({ "step": validation.step, name: value, "best": best }))?;
        }
        Ok(validation)
    }

    /// Threads that sum gradients; elsewhere than on the CPU no bits depend on them.
    fn threads(&self) -> Option<usize> {
        (self.device == crate::device::cpu()).then(rayon::current_num_threads)
    }

    /// Go on from a checkpoint.
    pub(super) fn resume(&mut self, path: &Path) -> Result<()> {
        let length = self.weights.dims()[0];
        let buffers: usize = layout(&self.model.params(), Role::Buffer).iter().map(|(_, n)| n).sum();
        let mut lengths = vec![("weights".to_string(), length), ("first".into(), length), ("second".into(), length)];
        if buffers > 0 {
            lengths.push(("buffers".into(), buffers));
        }
        if self.ema.is_some() {
            lengths.push(("ema".into(), length));
        }
        let load = |lengths: &[_]| Checkpoint::load(path, &self.state.fingerprint, lengths, &self.device);
        let mut checkpoint = load(&lengths)?;
        if checkpoint.state.best.is_some() {
            if buffers > 0 {
                lengths.push(("best_buffers".into(), buffers));
            }
            let with_best = |kept| load(&[lengths.as_slice(), &[("best_weights".to_string(), kept)]].concat());
            // Before, the best projectors of a distillation were not kept beside the best weights of its flow.
            checkpoint =
                with_best(length).or_else(|error| with_best(trainable_count(&self.model)).map_err(|_| error))?;
        }
        checkpoint.check_threads(path, self.threads())?;
        let vector = |name: &str| checkpoint.vector(name);
        self.weights = vector("weights").unwrap_or_else(|| self.weights.clone());
        let moment = |name: &str| vector(name).unwrap_or_else(|| self.weights.zeros_like());
        self.optimiser.set_moments(moment("first"), moment("second"));
        self.optimiser.updates = checkpoint.state.updates;
        self.schedule.plateau = checkpoint.state.plateau;
        self.schedule.waited = checkpoint.state.waited;
        self.ema = vector("ema");
        self.best = vector("best_weights").map(|weights| {
            let kept = weights.dims()[0];
            let rest = || self.weights.clone().narrow(0, kept, length - kept);
            let weights = if kept < length { Tensor::cat(vec![weights, rest()], 0) } else { weights };
            (weights, vector("best_buffers"))
        });
        if let Some(buffers) = vector("buffers") {
            scatter(&buffers, self.model.params_mut(), Role::Buffer, false);
        }
        self.before = checkpoint.state.seconds;
        self.state = checkpoint.state;
        Ok(())
    }

    /// Write the checkpoint, if there is a folder for it.
    pub(super) fn save(&mut self) -> Result<()> {
        let Some(run) = self.run else { return Ok(()) };
        self.state.threads = self.threads();
        self.state.seconds = self.elapsed();
        self.state.updates = self.optimiser.updates;
        self.state.plateau = self.schedule.plateau;
        self.state.waited = self.schedule.waited;
        let mut vectors = vec![("weights".to_string(), self.weights.clone())];
        vectors.extend(["first", "second"].map(String::from).into_iter().zip(self.optimiser.moments()));
        vectors.extend(gather(&self.model.params(), Role::Buffer).map(|buffers| ("buffers".into(), buffers)));
        vectors.extend(self.ema.clone().map(|ema| ("ema".into(), ema)));
        if let Some((weights, buffers)) = &self.best {
            vectors.push(("best_weights".into(), weights.clone()));
            vectors.extend(buffers.clone().map(|buffers| ("best_buffers".into(), buffers)));
        }
        Checkpoint { state: self.state.clone(), vectors }.save(&run.checkpoint())
    }

    /// End before the end.
    pub(super) fn stop(mut self) -> Result<Trained<M>> {
        self.save()?;
        Err(Error::Interrupted { step: self.state.step })
    }

    /// The best weights, in the model and in the objective.
    pub(super) fn finish(mut self) -> Result<Trained<M>> {
        let Some((weights, buffers)) = self.best.take() else {
            return Err(Error::NotFinite {
                what: "training".into(),
                problem: format!("no validation gave a finite {}", self.objective.measure()),
                remedy: "lower train.optimiser.rate, or check the data".into(),
            });
        };
        let mut model = self.model.clone().frozen();
        self.settle(&weights, &mut model);
        if let Some(buffers) = buffers {
            scatter(&buffers, model.params_mut(), Role::Buffer, false);
        }
        let report = TrainReport {
            steps: self.state.step,
            skipped: self.state.skipped,
            seconds: self.elapsed(),
            best: self.state.best,
            history: self.state.history,
        };
        Ok(Trained { model, report })
    }
}

/// What a checkpoint must agree with before a run goes on from it.
pub(super) fn fingerprint<M: Trainable, D: Dataset>(
    model: &M,
    objective: &dyn Objective<M>,
    data: &TrainingData<D>,
    config: &TrainConfig,
) -> String {
    let text = format!("[{},{}]", model.description(), serde_json::to_string(config).unwrap_or_default());
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let identity = objective.identity();
    format!("{hash:016x}-{:016x}-{:016x}-{identity}", data.train.fingerprint(), data.validation.fingerprint())
}
