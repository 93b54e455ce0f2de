//! Bring settings from Python into a recipe, and results from JSON into Python.

use crate::errors::{input, raised};
use flowstill_experiment::{Override, Plan, Recipe};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A value of a recipe.
fn value(key: &str, given: &Bound<'_, PyAny>) -> PyResult<Value> {
    if given.is_instance_of::<PyBool>() {
        Ok(Value::Boolean(given.extract()?))
    } else if given.is_instance_of::<PyInt>() {
        let number = given.extract().map_err(|_| input(format!("{key}: expected a number below 2^63, got {given}")))?;
        Ok(Value::Integer(number))
    } else if given.is_instance_of::<PyFloat>() {
        Ok(Value::Float(given.extract()?))
    } else if given.is_instance_of::<PyString>() {
        Ok(Value::String(given.extract()?))
    } else if let Ok(given) = given.cast::<PyDict>() {
        table(key, given).map(Value::Table)
    } else if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() {
        let items = given.try_iter()?.map(|item| value(key, &item?));
        items.collect::<PyResult<Vec<_>>>().map(Value::Array)
    } else if let Ok(number) = given.extract() {
        // Numbers of numpy.
        Ok(Value::Integer(number))
    } else if let Ok(number) = given.extract() {
        Ok(Value::Float(number))
    } else if let Ok(path) = given.extract::<PathBuf>() {
        Ok(Value::String(path.to_string_lossy().into_owned()))
    } else {
        let kind = given.get_type().name()?;
        Err(input(format!("{key}: expected a number, text, a list or a dict, got {kind}")))
    }
}

/// A section of a recipe; what is `None` is left out.
pub fn table(key: &str, given: &Bound<'_, PyDict>) -> PyResult<Table> {
    let mut out = Table::new();
    for (name, item) in given {
        let name: String = name.extract().map_err(|_| input(format!("{key}: expected names as keys, got {name}")))?;
        if !item.is_none() {
            let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            out.insert(name, value(&inner, &item)?);
        }
    }
    Ok(out)
}

/// Write one table over another, key by key; a flow is replaced whole.
pub fn lay_over(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if key != "flow" => lay_over(old, new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// What an experiment is asked to do: a recipe's file, its sections, or nothing but the defaults.
pub struct Asked {
    /// What messages call it.
    pub name: &'static str,
    /// A recipe as a file.
    pub file: Option<PathBuf>,
    /// Sections that lie below the settings.
    pub base: Table,
    /// Sections that lie above it.
    pub settings: Table,
}

impl Asked {
    /// The recipe `given`, a path or a dict, or else the text `default`.
    ///
    /// # Errors
    /// `InputError` for a value that no recipe holds.
    pub fn new(
        name: &'static str,
        given: Option<&Bound<'_, PyAny>>,
        default: &str,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let settings = settings.map(|settings| table("", settings)).transpose()?.unwrap_or_default();
        let (mut file, mut base) = (None, Table::new());
        match given {
            None => base = toml::from_str(default).map_err(|error| input(format!("{name}: {error}")))?,
            Some(given) => match given.cast::<PyDict>() {
                Ok(sections) => base = table("", sections)?,
                Err(_) => {
                    let path =
                        given.extract().map_err(|_| input("recipe: expected a path or a dict of its sections"))?;
                    file = Some(path);
                }
            },
        }
        Ok(Self { name, file, base, settings })
    }

    /// Put a setting above all others.
    pub fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        let Some((last, way)) = path.split_last() else { return };
        let mut place = &mut self.settings;
        for key in way {
            let entry = place.entry(key.to_string()).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            let Value::Table(inner) = entry else { return };
            place = inner;
        }
        place.insert(last.to_string(), value.into());
    }

    /// What it means, every value checked.
    ///
    /// # Errors
    /// `InputError` names the value that does not fit.
    pub fn plan(self) -> PyResult<Plan> {
        let Self { name, file, mut base, settings } = self;
        if let Some(path) = file {
            let mut sets = Vec::new();
            flatten(&mut Vec::new(), settings, &mut sets);
            return Recipe::read(Path::new(&path), sets).and_then(|recipe| recipe.plan()).map_err(raised);
        }
        lay_over(&mut base, settings);
        base.entry("name").or_insert_with(|| name.into());
        let text = toml::to_string(&base).map_err(|error| input(format!("{name}: {error}")))?;
        Recipe::parse(name, &text, Vec::new()).and_then(|recipe| recipe.plan()).map_err(raised)
    }
}

/// Every setting with its way from the top; a flow is one setting.
fn flatten(way: &mut Vec<String>, table: Table, out: &mut Vec<Override>) {
    for (key, value) in table {
        let whole = key == "flow";
        way.push(key);
        match value {
            Value::Table(inner) if !whole => flatten(way, inner, out),
            value => out.push(Override::new(&way.iter().map(String::as_str).collect::<Vec<_>>(), value)),
        }
        way.pop();
    }
}

/// A result as dicts, lists, numbers and text.
pub fn to_python<'py>(py: Python<'py>, value: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}
