//! Save a model as one self-describing file, and load it with every check.

use super::{Store, StoredTensors};
use crate::flows::Flow;
use crate::model::Model;
use crate::pictures::{VariationalConfig, VariationalDequantizer};
use crate::{Error, Parameters, Result, Role};
use burn::tensor::Device;
use flowstill_runtime::architecture::{Range, TensorSpec};
use flowstill_runtime::{Conventions, Document, KIND};
use std::collections::HashMap;
use std::path::Path;

pub use flowstill_runtime::FORMAT_VERSION;

/// Under this stand the tensors of the dequantiser.
const DEQUANTIZER: &str = "dequantizer";

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
    document.check(path, &tensors)?;
    let unbuildable = |error| Document::unbuildable(path, &error);
    let mut flow = Flow::new(&document.architecture, 0, device).map_err(unbuildable)?;
    let event = flow.architecture().event;
    let made = |config| VariationalDequantizer::new(config, event, 0, device);
    let mut dequantizer = document.dequantizer.as_ref().map(made).transpose().map_err(unbuildable)?;
    let mut params = flow.params_mut();
    dequantizer.collect_mut(DEQUANTIZER, &mut params);
    let mut specs = document.architecture.tensors().map_err(unbuildable)?;
    if let Some(noise) = document.dequantizer(path)? {
        let of_noise = noise.tensors().map_err(unbuildable)?.into_iter();
        specs.extend(of_noise.map(|spec| TensorSpec { name: VariationalConfig::name_in_file(&spec.name), ..spec }));
    }
    let ranges: HashMap<&str, Range> = specs.iter().map(|spec| (spec.name.as_str(), spec.range)).collect();
    for (name, param) in params.into_iter().filter(|(_, param)| param.role() != Role::Constant) {
        let range = ranges.get(name.as_str()).copied().unwrap_or(Range::Finite);
        let tensor = TensorSpec { shape: param.shape().to_vec(), role: param.role(), range, name };
        param.set_values(tensors.take_within(path, &tensor)?);
    }
    if let Some(extra) = tensors.left().first() {
        return Err(Error::file(path, format!("tensor {extra} belongs to no layer"), "update flowstill"));
    }
    let Document { standardization, pictures, facts, .. } = document;
    Ok(Model { flow, standardization, pictures, dequantizer, facts })
}
