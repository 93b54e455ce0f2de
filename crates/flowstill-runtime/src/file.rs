//! Read a flow file whole, with every check: its description, its weights, and what joins it to the data's units.

use crate::architecture::Architecture;
use crate::density::Density;
use crate::pictures::PictureScaling;
use crate::stored::StoredTensors;
use crate::{Error, Places, Program, Purpose, Result, Standardization, limits, named};
use serde::Deserialize;
use std::path::Path;

/// The newest format of flow files that is read, and the one that flowstill writes.
pub const FORMAT_VERSION: u32 = 1;

/// The kind that a flow file says it is.
pub const KIND: &str = "flowstill-flow";

/// What is known about how a flow came to be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The role in a comparison: teacher, plain, ilkd, ...
    pub role: String,
    /// The family and size in words.
    pub flow: String,
    /// The data set.
    pub data: String,
    /// The columns, in order.
    pub columns: Vec<String>,
    /// The conditioning columns, in order.
    pub context_columns: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    architecture: Architecture,
    standardization: Standardization,
    #[serde(default)]
    pictures: Option<PictureScaling>,
    #[serde(default)]
    dequantizer: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    facts: Facts,
}

/// A flow file as it is run.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub program: Program,
    pub base: Density,
    pub standardization: Standardization,
    pub pictures: Option<PictureScaling>,
    pub dequantizer: bool,
    pub facts: Facts,
}

/// From the bytes of a file; `path` is what errors call it.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Loaded> {
    let (mut tensors, document): (StoredTensors, Document) = StoredTensors::parse(bytes, path, KIND, FORMAT_VERSION)?;
    let Document { architecture, standardization, pictures, dequantizer, facts } = document;
    limits::check(&architecture).map_err(|problem| {
        Error::file(path, format!("describes a flow that cannot be built ({problem})"), "update flowstill")
    })?;
    let list = named::tensors(&architecture, &architecture.latents());
    let places = Places::new(list.iter().map(|(name, shape)| (name.as_str(), shape.iter().product())));
    let mut values = Vec::new();
    let mut base = [Vec::new(), Vec::new(), Vec::new()];
    for (name, shape) in &list {
        let own = tensors.take_finite(path, name, shape)?;
        values.extend_from_slice(&own);
        match name.as_str() {
            "base.mean" => base[0] = own,
            "base.log_std" => base[1] = own,
            "base.logits" => base[2] = own,
            _ => {}
        }
    }
    // The weights of a dequantiser may lie there, unused: sampling does without.
    let extra = tensors.left().into_iter().find(|name| dequantizer.is_none() || !name.starts_with("dequantizer."));
    if let Some(extra) = extra {
        return Err(Error::file(path, format!("tensor {extra} belongs to no layer"), "update flowstill"));
    }
    if dequantizer.is_some() && pictures.is_none() {
        return Err(Error::file(path, "has a dequantiser for a flow over tables", "write the file again"));
    }
    standardization.check(architecture.event[2], architecture.context, path)?;
    if let Some(scaling) = &pictures {
        scaling.check().map_err(|error| Error::file(path, error.to_string(), "write the file again"))?;
    }
    let mut program = Program::new(&architecture, &places).map_err(|refused| {
        Error::file(path, format!("holds a layer that cannot be run ({refused})"), "update flowstill")
    })?;
    program.load(&values, Purpose { forward: true, backward: false, inverse: true });
    let top = program.latents().last().map_or(0, |event| event.iter().product());
    let [mean, log_std, logits] = base;
    let base = Density::new(&architecture.base, top, &mean, &log_std, &logits);
    Ok(Loaded { program, base, standardization, pictures, dequantizer: dequantizer.is_some(), facts })
}
