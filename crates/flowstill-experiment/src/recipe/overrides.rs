//! Change values of a recipe from the command line: `--set train.steps=500`.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;
use toml::{Table, Value};

/// One `--set`.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    path: Vec<String>,
    value: Value,
}

impl Override {
    /// Set the value at a path given by its parts.
    pub fn new(path: &[&str], value: impl Into<Value>) -> Self {
        Self { path: path.iter().map(ToString::to_string).collect(), value: value.into() }
    }

    /// The parts of the path.
    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    /// The value.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// Write the value into a recipe; tables on the way are made, and a list is entered by an entry's number from 0 or by its `name`.
    ///
    /// # Errors
    /// When the way leads through something that is no table, or names no entry of a list.
    pub(super) fn apply(&self, table: &mut Table) -> Result<()> {
        let Some((last, way)) = self.path.split_last() else { return Ok(()) };
        let mut place = table;
        let mut way = way.iter();
        while let Some(key) = way.next() {
            let mut value = place.entry(key.as_str()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Array(items) = value {
                let entry = way.next().ok_or_else(|| self.lost(key, "name the whole list, or one of its entries"))?;
                let at = entry.parse().ok().or_else(|| items.iter().position(|item| named(item, entry)));
                value = at.and_then(|at: usize| items.get_mut(at)).ok_or_else(|| {
                    self.lost(entry, &format!("`{key}` has no such entry; give a number from 0 or a name"))
                })?;
            }
            place = match value {
                Value::Table(inner) => inner,
                _ => return Err(self.lost(key, "it holds a value, not a table")),
            };
        }
        place.insert(last.clone(), self.value.clone());
        Ok(())
    }

    fn lost(&self, key: &str, why: &str) -> Error {
        Error::input(format!("--set {self}: cannot go into `{key}`: {why}"))
    }
}

fn named(item: &Value, name: &str) -> bool {
    item.get("name").and_then(Value::as_str) == Some(name)
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path.join("."), self.value)
    }
}

impl FromStr for Override {
    type Err = String;

    /// `path.to.key=value`; the value is TOML, or plain text when it is none.
    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text
            .split_once('=')
            .ok_or_else(|| format!("expected KEY=VALUE, got `{text}`; for example train.steps=500"))?;
        let path: Vec<String> = path.split('.').map(|part| part.trim().to_string()).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("expected a dotted path before `=`, got `{text}`; for example train.steps=500"));
        }
        let value = value.trim();
        let parsed = toml::from_str::<Table>(&format!("value = {value}")).ok().filter(|table| table.len() == 1);
        let value = parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(value.into()));
        Ok(Self { path, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str, sets: &[&str]) -> Result<Table, String> {
        let mut table: Table = toml::from_str(text).unwrap();
        for set in sets {
            let set: Override = set.parse()?;
            set.apply(&mut table).map_err(|error| error.to_string())?;
        }
        Ok(table)
    }

    #[test]
    fn values_are_toml_and_else_plain_text() {
        let table =
            applied("", &["a.b=3", "a.c=1e-3", "a.d=[1, 2]", "e=power", "f=\"x y\"", "g={ kind = \"maf\" }"]).unwrap();
        let expected = "e = \"power\"\nf = \"x y\"\n[a]\nb = 3\nc = 1e-3\nd = [1, 2]\n[g]\nkind = \"maf\"";
        assert_eq!(table, toml::from_str::<Table>(expected).unwrap());
    }

    #[test]
    fn lists_are_entered_by_number_and_by_name() {
        let text = "[[v]]\nname = \"ilkd\"\nilkd = 0.1\n[[v]]\nname = \"skd\"";
        let table = applied(text, &["v.ilkd.ilkd=0.5", "v.1.skd=0.2"]).unwrap();
        assert_eq!(table["v"][0]["ilkd"].as_float(), Some(0.5));
        assert_eq!(table["v"][1]["skd"].as_float(), Some(0.2));
        assert!(applied(text, &["v.lkd.x=1"]).unwrap_err().contains("no such entry"));
        assert!(applied("a = 1", &["a.b=1"]).unwrap_err().contains("not a table"));
    }

    #[test]
    fn malformed_sets_are_refused() {
        for bad in ["", "steps", "=3", "a..b=3"] {
            assert!(bad.parse::<Override>().unwrap_err().contains("for example"), "{bad}");
        }
    }
}
