//! Lay each model's own settings over the common ones: teacher, student and variants.

use super::plan::{DISTILLED, LONGEST_NAME, ModelPlan, PLAIN, TEACHER, missing};
use super::{Part, Sections, Source, path};
use crate::{Result, words};
use flowstill::distill::DistillConfig;
use flowstill::flows::FlowConfig;
use flowstill::train::TrainConfig;
use toml::{Table, Value};

pub(super) fn model(source: &Source, common: &Table, part: &Part, section: &'static str) -> Result<ModelPlan> {
    let Some(table) = &part.flow else {
        return Err(source.fault(&path(&[section]), format!("{section}: expected `flow = {{ kind = ... }}`, got none")));
    };
    let at = path(&[section, "flow"]);
    let flow = flow(source, &at, table)?;
    Ok(ModelPlan {
        role: section.to_string(),
        flow,
        train: train(source, common, &part.train, &[section, "train"])?,
        distill: None,
        differs: None,
    })
}

/// `[train]` with what a part says over it; the part is read alone first, so that a fault is told at its own line.
fn train(source: &Source, common: &Table, own: &Table, section: &[&str]) -> Result<TrainConfig> {
    let _: TrainConfig = source.read(section, own.clone())?;
    let config: TrainConfig = source.read(section, merged(common, own))?;
    config.check().map_err(|error| source.fault(&path(section), error.to_string()))?;
    Ok(config)
}

/// Read a flow by its `kind`, so that misfits are told with their own path.
fn flow(source: &Source, at: &[String], table: &Table) -> Result<FlowConfig> {
    let section: Vec<&str> = at.iter().map(String::as_str).collect();
    let mut settings = table.clone();
    let kind = match settings.remove("kind") {
        Some(Value::String(kind)) => kind,
        Some(other) => {
            return Err(source.fault(at, format!("{}.kind: expected a name, got {other}", at.join("."))));
        }
        None => {
            let message = format!("{}: expected `kind`, one of {}", at.join("."), FlowConfig::KINDS.join(", "));
            return Err(source.fault(at, message));
        }
    };
    let Some(flow) = source.read_by(&section, settings, |settings| FlowConfig::read(&kind, settings))? else {
        let mut key = at.to_vec();
        key.push("kind".into());
        let hint = words::hint(&kind, FlowConfig::KINDS);
        return Err(source.fault(&key, format!("{}: no flow `{kind}`; {hint}", key.join("."))));
    };
    // Two columns are enough to find settings out of range before any data is read.
    flow.assemble(2, 0, 0).map_err(|error| source.fault(at, error.to_string()))?;
    Ok(flow)
}

/// The student with each variant of the comparison.
pub(super) fn variants(recipe: &Sections, source: &Source, plain: Option<&ModelPlan>) -> Result<Vec<ModelPlan>> {
    let mut out: Vec<ModelPlan> = Vec::new();
    for (index, table) in recipe.compare.variants.iter().enumerate() {
        let number = index.to_string();
        let section = ["compare", "variants", number.as_str()];
        let fault = |message: String| source.fault(&path(&section), message);
        let Some(Part { flow: Some(student_flow), train: student_train, .. }) = &recipe.student else {
            return Err(fault(
                "compare.variants: a variant is a student; the recipe has no [student] with a `flow`".into(),
            ));
        };
        let Some(plain) = plain else { return Err(missing(&recipe.name, "student")) };
        let mut own = table.clone();
        let name = match own.remove("name") {
            Some(Value::String(name)) => name,
            _ => return Err(fault(format!("variant {}: expected `name = \"...\"`", index + 1))),
        };
        let fine = (1..=LONGEST_NAME).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if !fine || [TEACHER, PLAIN, DISTILLED].contains(&name.as_str()) || out.iter().any(|v| v.role == name) {
            let remedy = format!(
                "use a new one of at most {LONGEST_NAME} letters, digits, `-` and `_`, not teacher, plain or distilled"
            );
            return Err(fault(format!("variant {}: name `{name}` is taken or unfit; {remedy}", index + 1)));
        }
        let mut layer = |key: &str| match own.remove(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table)),
            Some(_) => Err(fault(format!("variant `{name}`: `{key}` must be a table"))),
        };
        let (own_flow, own_train) = (layer("flow")?, layer("train")?);
        let _: DistillConfig = source.read(&section, own.clone())?;
        // Shallow: the values of [distill] are choices, and half of one choice over half of another is neither.
        let mut table = recipe.distill.clone();
        table.extend(own);
        let distill: DistillConfig = source.read(&section, table)?;
        distill.check().map_err(|error| fault(format!("variant `{name}`: {error}")))?;
        let mut differs = Vec::new();
        let flow = match own_flow {
            None => plain.flow.clone(),
            Some(own) => {
                let mut table = if own.contains_key("kind") && own.get("kind") != student_flow.get("kind") {
                    Table::new()
                } else {
                    student_flow.clone()
                };
                table.extend(own.clone());
                differs.push(format!("flow: {}", inline(&own)));
                self::flow(source, &path(&["compare", "variants", &number, "flow"]), &table)?
            }
        };
        let train = match own_train {
            None => plain.train.clone(),
            Some(own) => {
                differs.push(format!("train: {}", inline(&own)));
                let common = merged(&recipe.train, student_train);
                train(source, &common, &own, &["compare", "variants", &number, "train"])?
            }
        };
        let differs = (!differs.is_empty()).then(|| differs.join("; "));
        out.push(ModelPlan { role: name, flow, train, distill: Some(distill), differs });
    }
    Ok(out)
}

/// `over` written on `base`, tables merged key by key.
fn merged(base: &Table, over: &Table) -> Table {
    let mut out = base.clone();
    for (key, value) in over {
        match (out.get_mut(key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => *old = merged(old, new),
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    out
}

fn inline(table: &Table) -> String {
    table.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
}
