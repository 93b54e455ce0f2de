//! Lay out the folder of one training: checkpoint, metrics, and the flow at the end.

use crate::{Error, Result};
use serde::Serialize;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder that holds one training; see ARCHITECTURE.md for its files.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Make the folder if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(|source| Error::io(&path, "cannot make the folder", source))?;
        Ok(Self { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// One JSON object per line: losses and validations by step.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The flow of a finished training.
    pub fn flow(&self) -> PathBuf {
        self.path.join("flow.safetensors")
    }

    pub(super) fn append(&self, line: &impl Serialize) -> Result<()> {
        let path = self.metrics();
        let mut text =
            serde_json::to_string(line).map_err(|error| Error::file(&path, error.to_string(), "report this bug"))?;
        text.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&path);
        let written = file.as_mut().map_err(|e| std::io::Error::new(e.kind(), e.to_string()));
        written
            .and_then(|file| file.write_all(text.as_bytes()))
            .map_err(|source| Error::io(&path, "cannot write", source))
    }

    /// Drop the lines past `step`: they were written after the checkpoint that a resumed run goes on from.
    pub(super) fn rewind(&self, step: u64) -> Result<()> {
        let path = self.metrics();
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let keep = |line: &&str| {
            let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
            value.and_then(|v| v.get("step").and_then(serde_json::Value::as_u64)).is_some_and(|at| at <= step)
        };
        let kept: String = text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect();
        crate::file::write_atomically(&path, kept.as_bytes())
    }
}
