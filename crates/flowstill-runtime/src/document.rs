//! Say what a flow file holds beside its tensors: one description, which whoever writes and whoever reads files shares.

use crate::architecture::Architecture;
use crate::dequantizer::VariationalConfig;
use crate::facts::TrainingFacts;
use crate::pictures::PictureScaling;
use crate::stored::StoredTensors;
use crate::{Error, Result, Standardization};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The newest format of flow files that is read, and the one that flowstill writes.
pub const FORMAT_VERSION: u32 = 1;

/// The kind that a flow file says it is.
pub const KIND: &str = "flowstill-flow";

/// The JSON document of a flow file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    /// What rebuilds the flow, weights aside.
    pub architecture: Architecture,
    /// From the data's units to the flow's.
    pub standardization: Standardization,
    /// How pixels become the flow's values, for a flow over pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PictureScaling>,
    /// What draws the noise that makes pixels continuous, where it is learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dequantizer: Option<VariationalConfig>,
    /// How numbers are to be read.
    #[serde(default)]
    pub conventions: Conventions,
    /// How the flow came to be.
    #[serde(default)]
    pub facts: TrainingFacts,
}

/// Said in every file, so that it can be read without this code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Conventions {
    /// What is data, what is latent, and the order of the steps.
    pub direction: String,
    /// What a log-determinant is of.
    pub log_det: String,
    /// The unit of densities.
    pub units: String,
    /// How tensors lie.
    pub layout: String,
}

impl Default for Conventions {
    fn default() -> Self {
        Self {
            direction: "forward maps standardised data x to latents z; steps are listed data side first".into(),
            log_det: "log |det dz/dx|".into(),
            units: "nats".into(),
            layout:
                "row-major f32; dense weights are [inputs, outputs] (y = x W + b), mixing matrices [outputs, inputs]"
                    .into(),
        }
    }
}

impl Document {
    /// Check what can be checked before anything is built from it; `path` is what errors call the file.
    ///
    /// # Errors
    /// [`Error::File`] says what is wrong.
    pub fn check(&self, path: &Path, tensors: &StoredTensors) -> Result<()> {
        let unbuildable = |error| Self::unbuildable(path, &error);
        self.architecture.check().map_err(unbuildable)?;
        // A description costs a forger nothing: nothing is made from it before the file is seen to hold what it speaks of.
        let mut count = self.architecture.value_count().map_err(unbuildable)?;
        if let Some(config) = self.dequantizer {
            // Fewer than its couplings have.
            let least = [config.steps, config.hidden, self.architecture.event[2]].map(|n| n as u128);
            tensors.must_hold(path, count.saturating_add(least.iter().product()))?;
        }
        if let Some(dequantizer) = self.dequantizer(path)? {
            count += dequantizer.value_count().map_err(unbuildable)?;
        }
        tensors.must_hold(path, count)?;
        self.standardization.check(self.architecture.event[2], self.architecture.context, path)?;
        match &self.pictures {
            Some(scaling) => {
                scaling.check().map_err(|error| Error::file(path, error.to_string(), "write the file again"))
            }
            None => Ok(()),
        }
    }

    /// The learned dequantiser as a flow.
    ///
    /// # Errors
    /// [`Error::File`] if it does not fit the flow.
    pub fn dequantizer(&self, path: &Path) -> Result<Option<Architecture>> {
        let Some(config) = self.dequantizer else { return Ok(None) };
        if self.pictures.is_none() {
            return Err(Error::file(path, "has a dequantiser for a flow over tables", "write the file again"));
        }
        let made = config.architecture(self.architecture.event).and_then(|made| made.check().map(|()| made));
        let unfit =
            |error| Error::file(path, format!("has a dequantiser that cannot be built ({error})"), "update flowstill");
        made.map(Some).map_err(unfit)
    }

    /// What is told of a flow that no layer can be made of.
    pub fn unbuildable(path: &Path, error: &Error) -> Error {
        Error::file(path, format!("describes a flow that cannot be built ({error})"), "update flowstill")
    }
}
