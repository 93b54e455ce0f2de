//! Turn a recipe into what it means, once; only checked values run.

use crate::failure::{Failure, Outcome};
use crate::judge::JudgeConfig;
use crate::picture_data::{PicturePlan, is_picture_set};
use crate::recipe::{Part, Read};
use crate::source::Source;
use crate::suggest;
use flowstill::distill::DistillConfig;
use flowstill::flows::FlowConfig;
use flowstill::pictures::Dequantization;
use flowstill::train::TrainConfig;
use flowstill_data::DataConfig;
use serde::Serialize;
use std::path::PathBuf;
use toml::{Table, Value};

/// Roles that the comparison itself fills.
pub const TEACHER: &str = "teacher";
/// The student that learns from data alone.
pub const PLAIN: &str = "plain";
/// The student of `flowstill distill` when no variant is named.
pub const DISTILLED: &str = "distilled";

/// A checked experiment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the run folder is called.
    pub name: String,
    /// `cpu` or `gpu`.
    pub device: String,
    /// The table, or the pictures.
    pub data: DataPlan,
    /// The teacher's training, if it is trained here.
    pub teacher: Option<ModelPlan>,
    /// The teacher's file, if it is not.
    pub teacher_file: Option<PathBuf>,
    /// The student without distillation.
    pub plain: Option<ModelPlan>,
    /// The student with `[distill]` alone.
    pub distilled: Option<ModelPlan>,
    /// The student with each variant.
    pub variants: Vec<ModelPlan>,
    /// The seeds of a comparison.
    pub seeds: Vec<u64>,
    /// How models are judged.
    pub judge: JudgeConfig,
}

/// Where the data come from.
#[derive(Clone, Debug, PartialEq)]
pub enum DataPlan {
    /// A table.
    Table(Box<DataConfig>),
    /// Pictures.
    Pictures(Box<PicturePlan>),
}

/// `[data]`, and `[pictures]` where it names a set of pictures.
fn data(read: &Read) -> Outcome<DataPlan> {
    let Read { recipe, source } = read;
    let pictures = recipe.data.get("set").and_then(Value::as_str).is_some_and(is_picture_set);
    if !pictures {
        if let Some((key, _)) = recipe.pictures.iter().next() {
            let message = format!(
                "pictures.{key}: [pictures] goes with pictures, and data.set names a table; remove it, or set data.set to one of {}",
                flowstill_data::PictureSetName::ALL.map(flowstill_data::PictureSetName::as_str).join(", ")
            );
            return Err(source.fault(&path(&["pictures", key]), message));
        }
        return Ok(DataPlan::Table(Box::new(source.read(&["data"], recipe.data.clone())?)));
    }
    let plan = PicturePlan {
        set: source.read(&["data"], recipe.data.clone())?,
        options: source.read(&["pictures"], recipe.pictures.clone())?,
    };
    plan.scaling().check().map_err(|error| source.fault(&path(&["pictures"]), error.to_string()))?;
    if let Dequantization::Variational(config) = &plan.options.dequantization {
        config.check().map_err(|error| source.fault(&path(&["pictures", "dequantization"]), error.to_string()))?;
    }
    Ok(DataPlan::Pictures(Box::new(plan)))
}

/// One model to be trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelPlan {
    /// Its name in tables and folders.
    pub role: String,
    /// Its flow.
    pub flow: FlowConfig,
    /// Its training.
    pub train: TrainConfig,
    /// What it learns from a teacher; `None` for likelihood alone.
    pub distill: Option<DistillConfig>,
    /// In what a variant differs from the plain student beside its distillation, for the table.
    pub differs: Option<String>,
}

impl ModelPlan {
    /// The same with another seed.
    pub fn with_seed(&self, seed: u64) -> Self {
        let mut plan = self.clone();
        plan.train.seed = seed;
        plan
    }
}

impl Plan {
    /// Check a recipe.
    ///
    /// # Errors
    /// One line with the place of the value that does not fit.
    pub fn new(read: &Read) -> Outcome<Self> {
        let Read { recipe, source } = read;
        if recipe.name.is_empty() {
            return Err(source.fault(&path(&["name"]), "name: expected a name for the run folder, got none; give one"));
        }
        if !recipe.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) || recipe.name.starts_with('.')
        {
            let message = format!("name: `{}` is no folder name; use letters, digits, `-`, `_` and `.`", recipe.name);
            return Err(source.fault(&path(&["name"]), message));
        }
        let device = if recipe.device.is_empty() { "cpu" } else { &recipe.device };
        if !["cpu", "gpu"].contains(&device) {
            return Err(source.fault(&path(&["device"]), format!("device: expected cpu or gpu, got `{device}`")));
        }
        let data = data(read)?;
        let judge: JudgeConfig = source.read(&["judge"], recipe.judge.clone())?;
        judge.check().map_err(|message| source.fault(&path(&["judge"]), message))?;
        let common: TrainConfig = source.read(&["train"], recipe.train.clone())?;
        common.check().map_err(|error| source.fault(&path(&["train"]), error.to_string()))?;
        let distill: DistillConfig = source.read(&["distill"], recipe.distill.clone())?;
        distill.check().map_err(|error| source.fault(&path(&["distill"]), error.to_string()))?;
        let part = |part: &Part, section: &'static str| model(source, &recipe.train, part, section);
        let mut teacher = None;
        let mut teacher_file = None;
        if let Some(given) = &recipe.teacher {
            teacher_file = given.file.clone();
            match (&given.flow, &teacher_file) {
                (Some(_), Some(_)) => {
                    let message = "teacher: has both `flow` and `file`; keep the one to use";
                    return Err(source.fault(&path(&["teacher", "file"]), message));
                }
                (None, None) => {
                    let message = "teacher: expected `flow` (trained here) or `file` (a flow file), got neither";
                    return Err(source.fault(&path(&["teacher"]), message));
                }
                (Some(_), None) => teacher = Some(part(given, TEACHER)?),
                (None, Some(_)) => {}
            }
        }
        let plain = match &recipe.student {
            Some(given) if given.file.is_some() => {
                let message = "unknown key `student.file`; a student is trained, only a teacher may come from a file";
                return Err(source.fault(&path(&["student", "file"]), message));
            }
            Some(given) => Some(ModelPlan { role: PLAIN.into(), ..part(given, "student")? }),
            None => None,
        };
        let distilled =
            plain.as_ref().map(|plain| ModelPlan { role: DISTILLED.into(), distill: Some(distill), ..plain.clone() });
        let variants = variants(read, plain.as_ref())?;
        let seeds = recipe.compare.seeds.clone();
        check_seeds(&seeds).map_err(|message| source.fault(&path(&["compare", "seeds"]), message))?;
        Ok(Self {
            name: recipe.name.clone(),
            device: device.to_string(),
            data,
            teacher,
            teacher_file,
            plain,
            distilled,
            variants,
            seeds,
            judge,
        })
    }

    /// The student's plan, or what is missing.
    ///
    /// # Errors
    /// When the recipe has no `[student]`.
    pub fn student(&self) -> Outcome<&ModelPlan> {
        self.plain.as_ref().ok_or_else(|| missing(&self.name, "student"))
    }

    /// The variant called `name`.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub fn variant(&self, name: &str) -> Outcome<&ModelPlan> {
        self.variants.iter().find(|variant| variant.role == name).ok_or_else(|| {
            let known: Vec<&str> = self.variants.iter().map(|variant| variant.role.as_str()).collect();
            Failure::input(format!("recipe {}: no variant `{name}`; {}", self.name, suggest::hint(name, &known)))
        })
    }
}

/// The message for a recipe that lacks a part.
pub fn missing(name: &str, section: &str) -> Failure {
    Failure::input(format!("recipe {name}: has no [{section}]; add one with `flow = {{ kind = \"glow\" }}`"))
}

fn check_seeds(seeds: &[u64]) -> Result<(), String> {
    let twice = seeds.iter().enumerate().find(|(at, seed)| seeds[..*at].contains(seed));
    match (seeds.is_empty(), twice) {
        (true, _) => Err("compare.seeds: expected at least one seed, got none".into()),
        (_, Some((_, seed))) => {
            Err(format!("compare.seeds: seed {seed} stands twice; the same run is no second sample"))
        }
        _ => Ok(()),
    }
}

fn model(source: &Source, common: &Table, part: &Part, section: &'static str) -> Outcome<ModelPlan> {
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
fn train(source: &Source, common: &Table, own: &Table, section: &[&str]) -> Outcome<TrainConfig> {
    let _: TrainConfig = source.read(section, own.clone())?;
    let config: TrainConfig = source.read(section, merged(common, own))?;
    config.check().map_err(|error| source.fault(&path(section), error.to_string()))?;
    Ok(config)
}

/// Read a flow by its `kind`, so that misfits are told with their own path.
fn flow(source: &Source, at: &[String], table: &Table) -> Outcome<FlowConfig> {
    const KINDS: [&str; 5] = ["glow", "realnvp", "maf", "iaf", "nsf"];
    let section: Vec<&str> = at.iter().map(String::as_str).collect();
    let mut settings = table.clone();
    let kind = match settings.remove("kind") {
        Some(Value::String(kind)) => kind,
        Some(other) => {
            return Err(source.fault(at, format!("{}.kind: expected a name, got {other}", at.join("."))));
        }
        None => {
            let message = format!("{}: expected `kind`, one of {}", at.join("."), KINDS.join(", "));
            return Err(source.fault(at, message));
        }
    };
    let flow = match kind.as_str() {
        "glow" => FlowConfig::Glow(source.read(&section, settings)?),
        "realnvp" => FlowConfig::Realnvp(source.read(&section, settings)?),
        "maf" => FlowConfig::Maf(source.read(&section, settings)?),
        "iaf" => FlowConfig::Iaf(source.read(&section, settings)?),
        "nsf" => FlowConfig::Nsf(source.read(&section, settings)?),
        _ => {
            let mut key = at.to_vec();
            key.push("kind".into());
            let hint = suggest::hint(&kind, &KINDS);
            return Err(source.fault(&key, format!("{}: no flow `{kind}`; {hint}", key.join("."))));
        }
    };
    // Two columns are enough to find settings out of range before any data is read.
    flow.assemble(2, 0, 0).map_err(|error| source.fault(at, error.to_string()))?;
    Ok(flow)
}

fn variants(read: &Read, plain: Option<&ModelPlan>) -> Outcome<Vec<ModelPlan>> {
    let Read { recipe, source } = read;
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
        let fine = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if !fine || [TEACHER, PLAIN, DISTILLED].contains(&name.as_str()) || out.iter().any(|v| v.role == name) {
            let remedy = "use a new one of letters, digits, `-` and `_`, not teacher, plain or distilled";
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

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
