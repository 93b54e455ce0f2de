//! Write a plan back as a recipe with every value spelt out: what a run folder keeps.

use super::{DISTILLED, DataPlan, ModelPlan, Plan};
use crate::{Error, Result};
use flowstill::distill::DistillConfig;
use serde::Serialize;
use std::path::PathBuf;
use toml::{Table, Value};

/// The recipe that gives this plan again, wherever it is read from.
///
/// # Errors
/// When a value cannot be written as TOML.
pub(crate) fn resolved(plan: &Plan) -> Result<String> {
    let mut out = Table::new();
    out.insert("name".into(), plan.name.clone().into());
    out.insert("device".into(), plan.device.clone().into());
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    match plan.data.clone() {
        DataPlan::Table(mut data) => {
            data.path = data.path.map(absolute);
            out.insert("data".into(), value(&data)?);
        }
        DataPlan::Pictures(mut pictures) => {
            pictures.set.path = pictures.set.path.map(absolute);
            out.insert("data".into(), value(&pictures.set)?);
            out.insert("pictures".into(), value(&pictures.options)?);
        }
    }
    let part = |model: &ModelPlan| -> Result<Table> {
        Ok(Table::from_iter([("flow".to_string(), value(&model.flow)?), ("train".to_string(), value(&model.train)?)]))
    };
    if let Some(teacher) = &plan.teacher {
        out.insert("teacher".into(), part(teacher)?.into());
    }
    if let Some(file) = &plan.teacher_file {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let file = Value::String(file.to_string_lossy().into_owned());
        out.insert("teacher".into(), Table::from_iter([("file".to_string(), file)]).into());
    }
    if let Some(plain) = &plan.plain {
        out.insert("student".into(), part(plain)?.into());
    }
    if plan.teacher.is_none() && plan.plain.is_none() {
        // Elsewhere each model's part has it.
        out.insert("train".into(), value(&plan.train)?);
    }
    let distill = plan.distilled.as_ref().and_then(|model| model.distill.as_ref());
    if let Some(distill) = distill.filter(|_| plan.distill_given) {
        out.insert("distill".into(), distillation(distill)?.into());
    }
    let mut variants = Vec::new();
    // The distilled student of a recipe without variants is what its [distill] says.
    for variant in plan.variants.iter().filter(|variant| variant.role != DISTILLED) {
        let mut table = Table::from_iter([("name".to_string(), Value::String(variant.role.clone()))]);
        if let Some(distill) = variant.distill.as_ref().map(distillation).transpose()? {
            table.extend(distill);
        }
        if variant.differs.is_some() {
            table.extend(part(variant)?);
        }
        variants.push(Value::Table(table));
    }
    let seeds = plan.seeds.iter().map(|&seed| Value::Integer(seed as i64)).collect::<Vec<_>>();
    let compare = [("seeds".to_string(), Value::Array(seeds)), ("variants".to_string(), Value::Array(variants))];
    out.insert("compare".into(), Table::from_iter(compare).into());
    let mut evaluate = plan.evaluate.clone();
    if let Some(features) = &mut evaluate.features {
        features.weights = absolute(std::mem::take(&mut features.weights));
    }
    out.insert("judge".into(), value(&evaluate)?);
    toml::to_string(&out).map_err(|error| Error::run(format!("cannot write the recipe: {error}")))
}

/// With all spelt out that is left unsaid where it is nothing special: a variant's may stand over another one in `[distill]`.
fn distillation(config: &DistillConfig) -> Result<Table> {
    let Value::Table(mut table) = value(config)? else { return Ok(Table::new()) };
    table.insert("dequantization".into(), value(&config.dequantization)?);
    table.insert("scale".into(), value(&config.scale)?);
    table.insert("terms".into(), value(&config.terms)?);
    Ok(table)
}

fn value(config: &impl Serialize) -> Result<Value> {
    Value::try_from(config).map_err(|error| Error::run(format!("cannot write the recipe: {error}")))
}
