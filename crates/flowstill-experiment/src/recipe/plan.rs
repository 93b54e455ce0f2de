//! Turn a recipe into what it means, once; only checked values run.

use super::{Part, Sections, Source, models, path};
use crate::data::{PicturePlan, is_picture_set};
use crate::evaluate::EvaluateConfig;
use crate::{Error, Result, words};
use flowstill::distill::{DistillConfig, Inheritance};
use flowstill::flows::FlowConfig;
use flowstill::pictures::Dequantization;
use flowstill::train::TrainConfig;
use flowstill_data::DataConfig;
use serde::Serialize;
use std::path::PathBuf;
use toml::Value;

/// Roles that the comparison itself fills.
pub(crate) const TEACHER: &str = "teacher";
/// The student that learns from data alone.
pub(crate) const PLAIN: &str = "plain";
/// The student of `flowstill distill` when no variant is named.
pub(crate) const DISTILLED: &str = "distilled";

/// A checked experiment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the run folder is called.
    pub name: String,
    /// `cpu` or `gpu`.
    pub device: String,
    /// The table, or the pictures.
    pub data: DataPlan,
    /// `[train]`, which each model's own settings lie over.
    pub train: TrainConfig,
    /// The teacher's training, if it is trained here.
    pub teacher: Option<ModelPlan>,
    /// The teacher's file, if it is not.
    pub teacher_file: Option<PathBuf>,
    /// The student without distillation.
    pub plain: Option<ModelPlan>,
    /// The student with `[distill]` alone.
    pub distilled: Option<ModelPlan>,
    /// Whether the recipe has a `[distill]`.
    pub distill_given: bool,
    /// The student with each variant; of a recipe without variants the distilled one, where it has a `[distill]` that teaches.
    pub variants: Vec<ModelPlan>,
    /// The seeds of a comparison.
    pub seeds: Vec<u64>,
    /// How models are evaluated.
    pub evaluate: EvaluateConfig,
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
fn data(recipe: &Sections, source: &Source) -> Result<DataPlan> {
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
    /// Whether it learns anything from a teacher: recipes of a comparison may give every loss the weight 0, which makes a plain student.
    pub fn is_distilled(&self) -> bool {
        self.distill.as_ref().is_some_and(|config| {
            let weights = [config.lkd, config.ilkd, config.skd, config.teacher_samples, config.norm_control];
            weights.iter().any(|weight| *weight != 0.0) || !matches!(config.inherit, Inheritance::None)
        })
    }

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
    pub(super) fn new(recipe: &Sections, source: &Source) -> Result<Self> {
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
        let data = data(recipe, source)?;
        let evaluate: EvaluateConfig = source.read(&["judge"], recipe.evaluate.clone())?;
        evaluate.check().map_err(|message| source.fault(&path(&["judge"]), message))?;
        let common: TrainConfig = source.read(&["train"], recipe.train.clone())?;
        common.check().map_err(|error| source.fault(&path(&["train"]), error.to_string()))?;
        let distill: DistillConfig = source.read(&["distill"], recipe.distill.clone())?;
        distill.check().map_err(|error| source.fault(&path(&["distill"]), error.to_string()))?;
        let part = |part: &Part, section: &'static str| models::model(source, &recipe.train, part, section);
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
        let mut variants = models::variants(recipe, source, plain.as_ref())?;
        if variants.is_empty() && !recipe.distill.is_empty() {
            variants.extend(distilled.clone().filter(ModelPlan::is_distilled));
        }
        let seeds = recipe.compare.seeds.clone();
        check_seeds(&seeds).map_err(|message| source.fault(&path(&["compare", "seeds"]), message))?;
        Ok(Self {
            name: recipe.name.clone(),
            device: device.to_string(),
            data,
            train: common,
            teacher,
            teacher_file,
            plain,
            distilled,
            distill_given: !recipe.distill.is_empty(),
            variants,
            seeds,
            evaluate,
        })
    }

    /// The student's plan, or what is missing.
    ///
    /// # Errors
    /// When the recipe has no `[student]`.
    pub fn student(&self) -> Result<&ModelPlan> {
        self.plain.as_ref().ok_or_else(|| missing(&self.name, "student"))
    }

    /// The variant called `name`.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub fn variant(&self, name: &str) -> Result<&ModelPlan> {
        self.variants.iter().find(|variant| variant.role == name).ok_or_else(|| {
            let known: Vec<&str> = self.variants.iter().map(|variant| variant.role.as_str()).collect();
            Error::input(format!("recipe {}: no variant `{name}`; {}", self.name, words::hint(name, &known)))
        })
    }
}

/// The message for a recipe that lacks a part.
pub(crate) fn missing(name: &str, section: &str) -> Error {
    Error::input(format!("recipe {name}: has no [{section}]; add one with `flow = {{ kind = \"glow\" }}`"))
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

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
