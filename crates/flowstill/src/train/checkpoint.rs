//! Save everything that a training needs to go on to the same bits.

use super::events::Validation;
use crate::file::{Store, StoredTensors};
use crate::param::to_f32;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::path::Path;

const KIND: &str = "flowstill-checkpoint";
const VERSION: u32 = 1;

fn afresh(error: Error) -> Error {
    error.or_remove("the training starts afresh")
}

/// The state of a training that is not a tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done; randomness and data order follow from it.
    pub step: u64,
    /// Updates made by the optimiser.
    pub updates: u64,
    /// Skipped steps.
    pub skipped: u64,
    /// Best validation so far.
    pub best: Option<Validation>,
    /// Validations since the best.
    pub since_best: u64,
    /// The schedule's plateau factor.
    #[serde(with = "super::exact")]
    pub plateau: f64,
    /// The schedule's count of validations.
    pub waited: u64,
    /// Seconds of training so far.
    #[serde(with = "super::exact")]
    pub seconds: f64,
    /// All validations so far.
    pub history: Vec<Validation>,
    /// What recipe and data the training belongs to.
    pub fingerprint: String,
    /// Whether the training had ended.
    pub finished: bool,
    /// Threads that computed it, where its bits depend on them; checkpoints of before do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

/// A training between two steps. Vectors join all parameters of a role in the model's order, then the objective's.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Scalars.
    pub state: State,
    /// Named flat vectors: weights, buffers, first, second, ema, best_weights, best_buffers.
    pub vectors: Vec<(String, Tensor<1>)>,
}

impl Checkpoint {
    /// Write atomically.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written; the previous checkpoint is untouched then.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut store = Store::default();
        for (name, vector) in &self.vectors {
            let values = to_f32(vector.clone());
            store.push(name.clone(), &[values.len()], &values);
        }
        store.write(path, KIND, VERSION, &self.state)
    }

    /// Read back what [`Checkpoint::save`] wrote; `lengths` names the vectors that must be there.
    ///
    /// # Errors
    /// [`Error::File`] for a truncated, damaged, foreign or newer file, and for one of another training.
    pub fn load(path: &Path, fingerprint: &str, lengths: &[(String, usize)], device: &Device) -> Result<Self> {
        let (mut tensors, state): (StoredTensors, State) = StoredTensors::read(path, KIND, VERSION).map_err(afresh)?;
        if state.fingerprint != fingerprint {
            return Err(Error::file(
                path,
                "belongs to another recipe, other data or another version of either",
                "use another run folder (--out), or remove this one to start afresh",
            ));
        }
        let mut vectors = Vec::new();
        for (name, length) in lengths {
            let values = tensors.take(path, name, &[*length]).map_err(afresh)?;
            vectors.push((name.clone(), Tensor::from_data(TensorData::new(values, [*length]), device)));
        }
        Ok(Self { state, vectors })
    }

    /// Refuse to go on with another number of threads than before: each sums gradients of its own, so the bits would be others.
    pub(super) fn check_threads(&self, path: &Path, now: Option<usize>) -> Result<()> {
        match (self.state.threads, now) {
            (Some(before), Some(now)) if before != now && !self.state.finished => Err(Error::file(
                path,
                format!("was computed by {before} threads, and this call has {now}: it would go on to other bits"),
                format!("go on with {before} (--threads {before}), or use another run folder (--out)"),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn vector(&self, name: &str) -> Option<Tensor<1>> {
        self.vectors.iter().find(|(own, _)| own == name).map(|(_, vector)| vector.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_come_back_as_they_were() {
        let history = [1.0 / 3.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300];
        let history = history.map(|value| Validation { step: 1, value, best: false }).to_vec();
        let state = State { history, plateau: f64::NAN, ..State::default() };
        let text = serde_json::to_string(&state).expect("writes");
        let again: State = serde_json::from_str(&text).expect("reads");
        assert!(again.plateau.is_nan());
        for (one, other) in state.history.iter().zip(&again.history) {
            assert!(one.value == other.value || (one.value.is_nan() && other.value.is_nan()), "{text}");
        }
        // As checkpoints of before wrote it.
        let old: Validation = serde_json::from_str(r#"{"step":1,"nll":null,"best":false}"#).expect("reads");
        assert!(old.value.is_nan());
    }
}
