//! Save a model as one self-describing file, and load it with every check.

use super::{Store, StoredTensors};
use crate::flows::{Architecture, Flow};
use crate::model::{Model, Standardization, TrainingFacts};
use crate::pictures::{PictureScaling, VariationalConfig, VariationalDequantizer};
use crate::{Error, Parameters, Result, Role};
use burn::tensor::Device;
use flowstill_runtime::architecture::{Range, TensorSpec};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The newest format that this version reads, and the one it writes.
pub const FORMAT_VERSION: u32 = 1;

const KIND: &str = "flowstill-flow";
/// Under this stand the tensors of the dequantiser.
const DEQUANTIZER: &str = "dequantizer";

#[derive(Serialize, Deserialize)]
struct Document {
    architecture: Architecture,
    standardization: Standardization,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pictures: Option<PictureScaling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dequantizer: Option<VariationalConfig>,
    conventions: Conventions,
    facts: TrainingFacts,
}

/// Said in every file, so that it can be read without this code.
#[derive(Serialize, Deserialize)]
struct Conventions {
    direction: String,
    log_det: String,
    units: String,
    layout: String,
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

/// Write a model to `path`, atomically.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written; whatever stood there before is untouched then. [`Error::Config`] names a layer of the user's own.
pub fn save(model: &Model, path: &Path) -> Result<()> {
    model.flow.check_saved()?;
    let mut store = Store::default();
    let mut params = model.flow.params();
    model.dequantizer.collect(DEQUANTIZER, &mut params);
    for (name, param) in params.into_iter().filter(|(_, param)| param.role() != Role::Constant) {
        store.push(name, param.shape(), &param.values());
    }
    let mut facts = model.facts.clone();
    facts.flowstill = env!("CARGO_PKG_VERSION").to_string();
    let document = Document {
        architecture: model.flow.architecture().clone(),
        standardization: model.standardization.clone(),
        pictures: model.pictures,
        dequantizer: model.dequantizer.as_ref().map(VariationalDequantizer::config),
        conventions: Conventions::default(),
        facts,
    };
    store.write(path, KIND, FORMAT_VERSION, &document)
}

/// Read a model from `path` onto `device`.
///
/// # Errors
/// [`Error::File`] for a truncated, damaged, foreign or newer file, [`Error::Io`] if it cannot be read.
pub fn load(path: &Path, device: &Device) -> Result<Model> {
    let (mut tensors, document): (StoredTensors, Document) = StoredTensors::read(path, KIND, FORMAT_VERSION)?;
    let unbuildable = |error: Error| {
        Error::file(path, format!("describes a flow that cannot be built ({error})"), "update flowstill")
    };
    document.architecture.check().map_err(unbuildable)?;
    // A description costs a forger nothing: nothing is made from it before the file is seen to hold what it speaks of.
    tensors.must_hold(path, document.architecture.value_count().map_err(unbuildable)?)?;
    let mut flow = Flow::new(&document.architecture, 0, device).map_err(unbuildable)?;
    let mut dequantizer = match (&document.dequantizer, &document.pictures) {
        (None, _) => None,
        (Some(_), None) => {
            return Err(Error::file(path, "has a dequantiser for a flow over tables", "write the file again"));
        }
        (Some(config), Some(_)) => {
            let made = VariationalDequantizer::new(config, flow.architecture().event, 0, device);
            let unfit = |error| {
                Error::file(path, format!("has a dequantiser that cannot be built ({error})"), "update flowstill")
            };
            Some(made.map_err(unfit)?)
        }
    };
    let mut params = flow.params_mut();
    dequantizer.collect_mut(DEQUANTIZER, &mut params);
    let ranges = document.architecture.tensors().map_err(unbuildable)?;
    let ranges: HashMap<&str, Range> = ranges.iter().map(|tensor| (tensor.name.as_str(), tensor.range)).collect();
    for (name, param) in params.into_iter().filter(|(_, param)| param.role() != Role::Constant) {
        let range = ranges.get(name.as_str()).copied().unwrap_or(Range::Finite);
        let tensor = TensorSpec { shape: param.shape().to_vec(), role: param.role(), range, name };
        param.set_values(tensors.take_within(path, &tensor)?);
    }
    if let Some(extra) = tensors.left().first() {
        return Err(Error::file(path, format!("tensor {extra} belongs to no layer"), "update flowstill"));
    }
    let Architecture { event, context, .. } = *flow.architecture();
    document.standardization.check(event[2], context, path)?;
    if let Some(scaling) = &document.pictures {
        scaling.check().map_err(|error| Error::file(path, error.to_string(), "write the file again"))?;
    }
    let Document { standardization, pictures, facts, .. } = document;
    Ok(Model { flow, standardization, pictures, dequantizer, facts })
}
