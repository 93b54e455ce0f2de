//! Read a flow file whole, with every check: its description, its weights, and what joins it to the data's units.

use crate::architecture::Architecture;
use crate::density::Density;
use crate::dequantizer::VariationalConfig;
use crate::stored::StoredTensors;
use crate::{Compiled, Document, Error, FORMAT_VERSION, KIND, Offsets, Result};
use std::path::Path;

/// A flow file as it is run.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub flow: Compiled,
    pub base: Density,
    pub dequantizer: Option<Compiled>,
    pub document: Document,
}

/// From the bytes of a file; `path` is what errors call it.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Loaded> {
    let (mut tensors, document): (StoredTensors, Document) = StoredTensors::parse(bytes, path, KIND, FORMAT_VERSION)?;
    document.check(path, &tensors)?;
    let (offsets, values) = take(path, &document.architecture, &mut tensors, str::to_string)?;
    let noise = document.dequantizer(path)?;
    let noise = noise.map(|noise| {
        let taken = take(path, &noise, &mut tensors, VariationalConfig::name_in_file);
        taken.map(|(offsets, values)| (noise, offsets, values))
    });
    let noise = noise.transpose()?;
    if let Some(extra) = tensors.left().first() {
        return Err(Error::file(path, format!("tensor {extra} belongs to no layer"), "update flowstill"));
    }
    let top = document.architecture.latent_events().map_err(|error| Document::unbuildable(path, &error))?;
    let top = top.last().map_or(0, |event| event.iter().product());
    let named = |name: &str| offsets.range(name).map_or(&[][..], |range| &values[range]);
    let [mean, log_std, logits] = ["base.mean", "base.log_std", "base.logits"].map(named);
    let base = Density::new(&document.architecture.base, top, mean, log_std, logits);
    let refused =
        |refused| Error::file(path, format!("holds a layer that cannot be run ({refused})"), "update flowstill");
    let flow = Compiled::new(document.architecture.clone(), offsets, values).map_err(refused)?;
    let dequantizer = noise.map(|(noise, offsets, values)| Compiled::new(noise, offsets, values)).transpose();
    Ok(Loaded { flow, base, dequantizer: dequantizer.map_err(refused)?, document })
}

/// The tensors of a flow out of those of a file, where they have these names.
fn take(
    path: &Path,
    architecture: &Architecture,
    tensors: &mut StoredTensors,
    in_file: impl Fn(&str) -> String,
) -> Result<(Offsets, Vec<f32>)> {
    let mut list = architecture.tensors().map_err(|error| Document::unbuildable(path, &error))?;
    let offsets = Offsets::new(list.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.iter().product())));
    let mut values = Vec::with_capacity(offsets.len());
    for tensor in &mut list {
        tensor.name = in_file(&tensor.name);
        values.extend(tensors.take_within(path, tensor)?);
    }
    Ok((offsets, values))
}
