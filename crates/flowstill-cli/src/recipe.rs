//! Read what the user typed: one TOML file is one experiment.

use crate::failure::{Failure, Outcome};
use crate::overrides::Override;
use crate::source::Source;
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};
use toml::Table;

/// A recipe as typed; [`crate::plan::Plan`] is what it means.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// What the run folder is called; default: the file's name without its ending.
    pub name: String,
    /// `cpu` or `gpu`; default `cpu`.
    pub device: String,
    /// The table: see `flowstill_data::DataConfig`; or pictures: see `flowstill_data::PictureConfig`.
    pub data: Table,
    /// What the flow sees of pictures: see [`crate::picture_data::PictureOptions`].
    pub pictures: Table,
    /// Training of every model: see `flowstill::train::TrainConfig`.
    pub train: Table,
    /// The teacher.
    pub teacher: Option<Part>,
    /// Every student.
    pub student: Option<Part>,
    /// Distillation of every variant: see `flowstill::distill::DistillConfig`.
    pub distill: Table,
    /// What is compared.
    pub compare: Compare,
    /// How models are judged: see [`crate::judge::JudgeConfig`].
    pub judge: Table,
}

/// A teacher or a student.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Part {
    /// The flow: `kind` and the settings of its family.
    pub flow: Option<Table>,
    /// What differs from `[train]`.
    pub train: Table,
    /// A flow file to use instead of training; for a teacher only.
    pub file: Option<PathBuf>,
}

/// What a comparison holds beside the teacher and the plain student.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compare {
    /// One teacher and one set of students for each; default `[1, 2, 3]`.
    pub seeds: Vec<u64>,
    /// Each has a `name`, any keys of `[distill]`, and perhaps `train` and `flow`.
    pub variants: Vec<Table>,
}

impl Default for Compare {
    fn default() -> Self {
        Self { seeds: vec![1, 2, 3], variants: Vec::new() }
    }
}

/// A recipe beside the text that it was read from.
pub struct Read {
    /// The recipe.
    pub recipe: Recipe,
    /// Its text, for messages with lines.
    pub source: Source,
}

/// Read a recipe file; relative paths inside it start at its folder.
///
/// # Errors
/// One line with file and line for anything that is not a recipe.
pub fn read_file(path: &Path, overrides: Vec<Override>) -> Outcome<Read> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::input(format!("{}: cannot read: {error}; give the path of a recipe file", path.display()))
    })?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut read = read_text(&path.display().to_string(), &text, overrides)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    read.recipe.base_paths(folder, &read.source);
    let named = read.source.overrides().iter().any(|set| set.path() == ["name"]);
    if read.recipe.name.is_empty() && !named {
        read.recipe.name = stem;
    }
    Ok(read)
}

/// Read a recipe from text that messages call `name`.
///
/// # Errors
/// As [`read_file`].
pub fn read_text(name: &str, text: &str, overrides: Vec<Override>) -> Outcome<Read> {
    let source = Source::new(name, text, overrides);
    let table = source.table()?;
    let recipe = source.read(&[], table)?;
    Ok(Read { recipe, source })
}

impl Recipe {
    /// Resolve the paths written in the file against its folder; those of the command line stay relative to where it was typed.
    fn base_paths(&mut self, folder: &Path, source: &Source) {
        let typed = |path: &[&str]| source.overrides().iter().any(|set| set.path() == path);
        if let Some(toml::Value::String(path)) = self.data.get_mut("path")
            && !typed(&["data", "path"])
        {
            *path = joined(folder, Path::new(&*path)).to_string_lossy().into_owned();
        }
        let weights = self.judge.get_mut("features").and_then(|features| features.get_mut("weights"));
        if let Some(toml::Value::String(path)) = weights
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
