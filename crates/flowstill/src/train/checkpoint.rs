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
}

impl State {
    /// Refuse what no training comes to, whatever its checksum says.
    fn check(&self, path: &Path) -> Result<()> {
        let counts = [self.step, self.updates, self.skipped, self.since_best, self.waited];
        let most = counts.into_iter().max().unwrap_or_default();
        let problem = match () {
            () if most >= 1 << 53 => format!("damaged: counts to {most}"),
            () if !(0.0..=1.0).contains(&self.plateau) => format!("damaged: a plateau factor of {:e}", self.plateau),
            () => return Ok(()),
        };
        Err(Error::file(path, problem, "restore it from a copy"))
    }
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
        state.check(path).map_err(afresh)?;
        let mut vectors = Vec::new();
        for (name, length) in lengths {
            let values = tensors.take(path, name, &[*length]).map_err(afresh)?;
            vectors.push((name.clone(), Tensor::from_data(TensorData::new(values, [*length]), device)));
        }
        Ok(Self { state, vectors })
    }

    pub(super) fn vector(&self, name: &str) -> Option<Tensor<1>> {
        self.vectors.iter().find(|(own, _)| own == name).map(|(_, vector)| vector.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_factors_that_no_training_has_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoint.safetensors");
        let load = |state: State| {
            Checkpoint { state, vectors: Vec::new() }.save(&path).expect("writes");
            Checkpoint::load(&path, "", &[], &Device::default())
                .map(|loaded| loaded.state.step)
                .map_err(|e| e.to_string())
        };
        let fine = State { step: 7, plateau: 0.5, ..State::default() };
        assert_eq!(load(fine.clone()), Ok(7));
        let error = load(State { step: u64::MAX, ..fine.clone() }).expect_err("no step");
        assert!(error.contains("counts to 18446744073709551615") && error.contains("afresh"), "{error}");
        for plateau in [-1.0, 2.0, f64::INFINITY, f64::NAN] {
            let error = load(State { plateau, ..fine.clone() }).expect_err("no factor");
            assert!(error.contains("plateau factor"), "{error}");
        }
    }

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
