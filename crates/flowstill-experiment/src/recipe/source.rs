//! Remember where each value of a recipe was written: the line of the file, or the `--set` of the command line.

use super::Override;
use crate::error::one_line;
use crate::{Error, Result, words};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Deserializer, Track};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// A recipe's text with the name it is called by in messages, and what the command line changed.
pub struct Source {
    name: String,
    text: String,
    overrides: Vec<Override>,
    flag: &'static str,
}

impl Source {
    /// Keep the text of the file `name`.
    pub(super) fn new(name: impl Into<String>, text: impl Into<String>, overrides: Vec<Override>) -> Self {
        Self { name: name.into(), text: text.into(), overrides, flag: "--set" }
    }

    /// Values that came from the command line alone, by the option `flag`.
    pub fn option(flag: &'static str, overrides: Vec<Override>) -> Self {
        Self { flag, ..Self::new(flag, "", overrides) }
    }

    /// The text as a table, with what the command line changed.
    ///
    /// # Errors
    /// A syntax error with its line, or an override that finds no place.
    pub fn table(&self) -> Result<Table> {
        let mut table: Table = toml::from_str(&self.text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| self.line(span.start));
            Error::input(format!("{}:{line}: {}", self.name, one_line(error.message())))
        })?;
        self.overrides.iter().try_for_each(|set| set.apply(&mut table))?;
        Ok(table)
    }

    /// What the command line changed.
    pub(super) fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// A message about the value at `path`, saying where it was written.
    pub(super) fn fault(&self, path: &[String], message: impl AsRef<str>) -> Error {
        Error::input(format!("{}: {}", self.place(path), one_line(message.as_ref())))
    }

    /// Read a section, turning every misfit into a message with its place.
    ///
    /// # Errors
    /// Unknown keys with the nearest known one, and values of the wrong type.
    pub fn read<T: DeserializeOwned>(&self, section: &[&str], value: impl Into<Value>) -> Result<T> {
        self.read_by(section, value, |value| T::deserialize(value))
    }

    /// The same for what chooses its own way to be read.
    pub(super) fn read_by<T>(
        &self,
        section: &[&str],
        value: impl Into<Value>,
        read: impl FnOnce(Deserializer<'_, '_, Value>) -> Result<T, toml::de::Error>,
    ) -> Result<T> {
        let mut track = Track::new();
        read(Deserializer::new(value.into(), &mut track)).map_err(|error| {
            let inner = track.path().to_string();
            let inner = inner.split(['.', '[', ']']).filter(|part| !part.is_empty() && *part != "?");
            let path = section.iter().copied().chain(inner).map(str::to_string).collect();
            self.misfit(path, error.message())
        })
    }

    fn misfit(&self, mut path: Vec<String>, message: &str) -> Error {
        if let Some((choice, known)) = message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`')) {
            let hint = words::hint(choice, &words::quoted(known));
            return self.fault(&path, format!("`{}`: no choice `{choice}`; {hint}", path.join(".")));
        }
        let Some(rest) = message.strip_prefix("unknown field `") else {
            let key = path.join(".");
            return self.fault(&path, format!("`{key}`: {message}"));
        };
        let (field, known) = rest.split_once('`').unwrap_or((rest, ""));
        if path.last().is_none_or(|last| last != field) {
            path.push(field.to_string());
        }
        let hint = words::hint(field, &words::quoted(known));
        self.fault(&path, format!("unknown key `{}`; {hint}", path.join(".")))
    }

    /// "file:line", or the `--set` that wrote it.
    fn place(&self, path: &[String]) -> String {
        let mut sets = self.overrides.iter().rev();
        if let Some(set) = sets.clone().find(|set| set.path().len() <= path.len() && agree(set.path(), path)) {
            return format!("{} {set}", self.flag);
        }
        let offset = DeTable::parse(&self.text).ok().and_then(|tree| locate(tree.get_ref(), path));
        match (offset, sets.find(|set| agree(set.path(), path))) {
            (Some(offset), _) => format!("{}:{}", self.name, self.line(offset)),
            // A table that only the command line made.
            (None, Some(set)) => format!("{} {set}", self.flag),
            (None, None) => self.name.clone(),
        }
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }
}

/// Whether one path leads through the other; an entry of a list may go by its name in a `--set` and by its number in a message.
fn agree(set: &[String], path: &[String]) -> bool {
    let number = |part: &String| part.bytes().all(|byte| byte.is_ascii_digit());
    set.iter().zip(path).all(|(a, b)| a == b || (number(b) && !number(a)))
}

/// The offset of the deepest part of `path` that is written.
fn locate(table: &DeTable<'_>, path: &[String]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == first.as_str())?;
    Some(within(value, rest).unwrap_or(key.span().start))
}

fn within(value: &Spanned<DeValue<'_>>, path: &[String]) -> Option<usize> {
    match value.get_ref() {
        DeValue::Table(table) => locate(table, path),
        DeValue::Array(items) => {
            let (index, rest) = path.split_first()?;
            let item = items.get(index.parse::<usize>().ok()?)?;
            Some(within(item, rest).unwrap_or(item.span().start))
        }
        _ => None,
    }
}
