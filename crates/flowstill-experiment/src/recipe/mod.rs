//! Read what the user typed: one TOML file is one experiment.

mod difference;
mod models;
mod overrides;
mod plan;
mod resolved;
mod source;

use crate::{Error, Result};
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};
use toml::{Table, Value};

pub use overrides::Override;
pub use plan::{DataPlan, ModelPlan, Plan};
pub use source::Source;

pub(crate) use difference::{Difference, differences, training_differences};
pub(crate) use plan::{DISTILLED, PLAIN, TEACHER, missing};
pub(crate) use resolved::resolved;

/// A recipe as typed, beside the text that it was read from, so that every fault is told with its line; [`Plan`] is what it means.
pub struct Recipe {
    sections: Sections,
    source: Source,
}

/// The sections of a recipe.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sections {
    /// What the run folder is called; default: the file's name without its ending.
    name: String,
    /// `cpu` or `gpu`; default `cpu`.
    device: String,
    /// The table: see `flowstill_data::DataConfig`; or pictures: see `flowstill_data::PictureConfig`.
    data: Table,
    /// What the flow sees of pictures: see [`crate::PictureOptions`].
    pictures: Table,
    /// Training of every model: see `flowstill::train::TrainConfig`.
    train: Table,
    /// The teacher.
    teacher: Option<Part>,
    /// Every student.
    student: Option<Part>,
    /// Distillation of every variant: see `flowstill::distill::DistillConfig`.
    distill: Table,
    /// What is compared.
    compare: Compare,
    /// How models are evaluated: see [`crate::EvaluateConfig`].
    #[serde(rename = "judge")]
    evaluate: Table,
}

/// A teacher or a student.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Part {
    /// The flow: `kind` and the settings of its family.
    flow: Option<Table>,
    /// What differs from `[train]`.
    train: Table,
    /// A flow file to use instead of training; for a teacher only.
    file: Option<PathBuf>,
}

/// What a comparison holds beside the teacher and the plain student.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Compare {
    /// One teacher and one set of students for each; default `[1, 2, 3]`.
    seeds: Vec<u64>,
    /// Each has a `name`, any keys of `[distill]`, and perhaps `train` and `flow`.
    variants: Vec<Table>,
}

impl Default for Compare {
    fn default() -> Self {
        Self { seeds: vec![1, 2, 3], variants: Vec::new() }
    }
}

impl Recipe {
    /// Read a recipe file; relative paths inside it start at its folder, those of `overrides` at the current one.
    ///
    /// # Errors
    /// One line with file and line for anything that is not a recipe.
    pub fn read(path: &Path, overrides: Vec<Override>) -> Result<Self> {
        let text = text(path).map_err(|error| {
            Error::input(format!("{}: cannot read: {error}; give the path of a recipe file", path.display()))
        })?;
        let mut recipe = Self::parse(&path.display().to_string(), &text, overrides)?;
        recipe.sections.base_paths(path.parent().unwrap_or(Path::new("")), &recipe.source);
        let named = recipe.source.overrides().iter().any(|set| set.path() == ["name"]);
        if recipe.sections.name.is_empty() && !named {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            recipe.sections.name = stem.unwrap_or_default();
        }
        Ok(recipe)
    }

    /// Read a recipe from text that messages call `name`; it must give its own `name`.
    ///
    /// # Errors
    /// As [`Recipe::read`].
    pub fn parse(name: &str, text: &str, overrides: Vec<Override>) -> Result<Self> {
        let source = Source::new(name, text, overrides);
        let sections = source.read(&[], source.table()?)?;
        Ok(Self { sections, source })
    }

    /// What it means, every value checked.
    ///
    /// # Errors
    /// One line with the place of the value that does not fit.
    pub fn plan(&self) -> Result<Plan> {
        Plan::new(&self.sections, &self.source)
    }

    /// Where an override of `[train]` does not reach, because a part of the recipe says otherwise; one line each.
    pub fn shadowed(&self) -> Vec<String> {
        let mut told = Vec::new();
        let parts = [("teacher", &self.sections.teacher), ("student", &self.sections.student)];
        for set in self.source.overrides().iter().filter(|set| set.path().first().is_some_and(|part| part == "train")) {
            for (name, part) in &parts {
                let own = part.as_ref().and_then(|part| holds(&part.train, &set.path()[1..]));
                let again = [&[(*name).to_string()], set.path()].concat();
                let set_too = self.source.overrides().iter().any(|other| again.starts_with(other.path()));
                if let Some(value) = own.filter(|value| !set_too && *value != set.value()) {
                    let key = set.path().join(".");
                    told.push(format!(
                        "--set {set} does not reach the {name}: the recipe has {name}.{key} = {value}; set that as well"
                    ));
                }
            }
        }
        told
    }
}

/// The longest recipe that is read, in bytes: reading one takes some hundred times its size.
const LONGEST: u64 = 1 << 20;

/// A recipe's text; a device, a pipe or a file of another kind is no recipe.
fn text(path: &Path) -> std::io::Result<String> {
    let facts = std::fs::metadata(path)?;
    if facts.is_file() && facts.len() <= LONGEST || facts.is_dir() {
        return std::fs::read_to_string(path);
    }
    let got = if facts.is_file() { format!("{} bytes", facts.len()) } else { "a device or a pipe".into() };
    let message = format!("expected a text file of at most {LONGEST} bytes, got {got}");
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message))
}

/// The value at a path.
fn holds<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(first)?, |value, key| value.get(key))
}

/// A path by its parts.
fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(ToString::to_string).collect()
}

impl Sections {
    /// Resolve the paths written in the file against its folder; those of the command line stay relative to where it was typed.
    fn base_paths(&mut self, folder: &Path, source: &Source) {
        let typed = |path: &[&str]| source.overrides().iter().any(|set| set.path() == path);
        if let Some(Value::String(path)) = self.data.get_mut("path")
            && !typed(&["data", "path"])
        {
            *path = joined(folder, Path::new(&*path)).to_string_lossy().into_owned();
        }
        let weights = self.evaluate.get_mut("features").and_then(|features| features.get_mut("weights"));
        if let Some(Value::String(path)) = weights
            && !typed(&["judge", "features", "weights"])
        {
            *path = joined(folder, Path::new(&*path)).to_string_lossy().into_owned();
        }
        if let Some(file) = self.teacher.as_mut().and_then(|part| part.file.as_mut())
            && !typed(&["teacher", "file"])
        {
            *file = joined(folder, file);
        }
    }
}

/// `folder/path` without the detours of `..`, for messages that can be read.
fn joined(folder: &Path, path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in folder.join(path).components() {
        let steps_back =
            part == Component::ParentDir && matches!(out.components().next_back(), Some(Component::Normal(_)));
        if steps_back {
            out.pop();
        } else {
            out.push(part);
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}
