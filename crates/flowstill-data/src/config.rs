//! Describe in a configuration file which table to load and how to split it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DataError, Header, Issue, Missing, Result, TransformSteps};

/// A table that this crate knows how to prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SetName {
    /// POWER: household electricity, 6 columns. Shuffled and dequantised as NumPy's `RandomState(seed)` does it, so that the
    /// archive's array and the default seed give the published split and noise.
    Power,
    /// GAS: chemical sensors, 8 columns. The archive's frame keeps its order; from UCI's text the seed draws a quarter of the
    /// rows, other ones than the published. Standardised by all rows, test rows included, as published.
    Gas,
    /// HEPMASS: simulated particle collisions, 21 columns. The published rows are a part of UCI's `1000_*` files; of UCI's
    /// `all_*` files only the rows of mass 1000 are kept. The files' own test rows test.
    Hepmass,
    /// MINIBOONE: neutrino events, 43 columns, in the file's order.
    Miniboone,
    /// BSDS300: 8x8 image patches, 63 columns, neither split nor standardised again.
    Bsds300,
    /// Any table of yours: shuffled by the seed, split, standardised by its train rows.
    Table,
    /// The sample of POWER's source that ships in this crate, prepared as POWER is.
    #[default]
    Household,
}

impl SetName {
    /// Every name, in the catalogue's order.
    pub const ALL: [Self; 7] =
        [Self::Power, Self::Gas, Self::Hepmass, Self::Miniboone, Self::Bsds300, Self::Table, Self::Household];

    /// The name as configuration files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Gas => "gas",
            Self::Hepmass => "hepmass",
            Self::Miniboone => "miniboone",
            Self::Bsds300 => "bsds300",
            Self::Table => "table",
            Self::Household => "household",
        }
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SetName {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| DataError::Config {
            field: "set",
            expected: Self::ALL.map(Self::as_str).join(", "),
            got: format!("`{}`", crate::error::shown(text, 40)),
            remedy: "use one of these names".into(),
        })
    }
}

/// How HEPMASS and MINIBOONE tell a column of recurring values, which they leave out: above 5 occurrences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recurring {
    /// Count the column's lowest value, as the code behind the published numbers does.
    #[default]
    LowestValue,
    /// Count the column's most frequent value, as the text describes it.
    MostFrequentValue,
}

/// What to load. Every field has a default, and unknown fields are errors.
///
/// ```
/// let config: flowstill_data::DataConfig = serde_json::from_str(r#"{ "set": "power", "path": "data/power" }"#)?;
/// assert_eq!(config.test, 0.1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Which table. Default: `household`, the one that ships inside.
    pub set: SetName,
    /// The file, or the folder that holds it. Default: none; every set but `household` needs it.
    pub path: Option<PathBuf>,
    /// The columns wanted, by name, in this order. Default: all that the set's preparation leaves.
    pub columns: Option<Vec<String>>,
    /// Columns that condition the density instead of being modelled; standardised on their own. Default: none.
    pub context_columns: Vec<String>,
    /// Columns of a `table` to leave out, by name. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// What is done to columns of a `table` before they are standardised, by name. Default: nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub transform: BTreeMap<String, TransformSteps>,
    /// The seed of the split, of samples and of dequantisation noise. Default: 42.
    pub seed: u64,
    /// The part of the rows not in the test split that validates, 0 to 1. Default: 0.1. `bsds300` brings its own split.
    pub validation: f64,
    /// The part of the rows that tests, 0 to 1. Default: 0.1. `bsds300` and `hepmass` bring their own test split.
    pub test: f64,
    /// Holes in a `table`: `error` or `drop_rows`. Default: `error`. The named sets follow their convention.
    pub missing: Missing,
    /// Constant columns of a `table`: `error`, `drop` or `keep`. Default: `error`.
    pub constant: Issue,
    /// Columns of a `table` that copy another: `error`, `drop` or `keep`. Default: `error`.
    pub duplicates: Issue,
    /// Trains on this many rows only, drawn by the seed; a smaller limit draws a part of a larger one's rows. Default: all.
    /// Standardisation still measures every row, so that runs with different limits compare.
    pub limit_rows: Option<usize>,
    /// Whether a text `table`'s first line names its columns: `auto`, `yes` or `no`. Default: `auto`.
    pub header: Header,
    /// The field separator of a text `table`. Default: found from its first lines.
    pub delimiter: Option<char>,
    /// The dataset of an HDF5 `table`. Default: the only one there is.
    pub dataset: Option<String>,
    /// How `hepmass` and `miniboone` tell recurring values: `lowest_value` or `most_frequent_value`. Default: `lowest_value`.
    pub recurring: Recurring,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            set: SetName::Household,
            path: None,
            columns: None,
            context_columns: Vec::new(),
            exclude: Vec::new(),
            transform: BTreeMap::new(),
            seed: 42,
            validation: 0.1,
            test: 0.1,
            missing: Missing::Error,
            constant: Issue::Error,
            duplicates: Issue::Error,
            limit_rows: None,
            header: Header::Auto,
            delimiter: None,
            dataset: None,
            recurring: Recurring::LowestValue,
        }
    }
}

impl DataConfig {
    /// Loads `set` from `path`, with every other field at its default.
    pub fn new(set: SetName, path: impl Into<PathBuf>) -> Self {
        Self { set, path: Some(path.into()), ..Self::default() }
    }

    /// Refuses settings that make no sense, before anything is read.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |field, expected: &str, got: String, remedy: &str| {
            Err(DataError::Config { field, expected: expected.into(), got, remedy: remedy.into() })
        };
        for (field, part) in [("validation", self.validation), ("test", self.test)] {
            if !(0.0..1.0).contains(&part) {
                return wrong(field, "a part from 0 to below 1", part.to_string(), "0.1 is the usual part");
            }
        }
        if self.limit_rows == Some(0) {
            return wrong("limit_rows", "at least 1", "0".into(), "leave it out to train on every row");
        }
        match (self.set, &self.path) {
            (SetName::Household, Some(path)) => {
                let got = path.display().to_string();
                let remedy = "leave it out, or set = \"power\" to read a file of your own";
                return wrong("path", "no path, as the household table ships inside", got, remedy);
            }
            (SetName::Household, None) | (_, Some(_)) => {}
            (set, None) => {
                let remedy = format!("give the file of set `{set}`, or the folder that holds it");
                return wrong("path", "a path", "none".into(), &remedy);
            }
        }
        for (field, list) in [("columns", self.columns.as_ref()), ("context_columns", Some(&self.context_columns))] {
            let list = list.map(Vec::as_slice).unwrap_or_default();
            if let Some(twice) = list.iter().enumerate().find(|(at, name)| list[..*at].contains(name)) {
                return wrong(field, "each column once", format!("`{}` twice", twice.1), "name it once");
            }
        }
        let table = self.set == SetName::Table;
        // The household table is nobody's benchmark.
        let changes = [
            ("transform", !self.transform.is_empty(), table || self.set == SetName::Household),
            ("exclude", !self.exclude.is_empty(), table),
        ];
        if let Some((field, ..)) = changes.into_iter().find(|(_, given, may)| *given && !may) {
            let remedy = "leave it out, or read the file as set = \"table\"";
            let expected = "none, as a named set is prepared as published";
            return wrong(field, expected, format!("some for set `{}`", self.set), remedy);
        }
        let wanted = |name: &&String| self.columns.iter().flatten().chain(&self.context_columns).any(|it| it == *name);
        if let Some(name) = self.exclude.iter().find(wanted) {
            let remedy = "take it out of one of the two";
            return wrong("exclude", "columns that are not asked for", format!("`{name}` in both lists"), remedy);
        }
        if let Some(name) = self.transform.keys().find(|name| self.context_columns.contains(name)) {
            let remedy = "take it out of `transform`";
            return wrong("transform", "columns that are modelled", format!("`{name}`, which conditions"), remedy);
        }
        let both = self.columns.iter().flatten().find(|name| self.context_columns.contains(name));
        if let Some(name) = both {
            let remedy = "take it out of `columns` to condition on it, or out of `context_columns` to model it";
            return wrong(
                "context_columns",
                "columns that are not modelled",
                format!("`{name}` in both lists"),
                remedy,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for name in SetName::ALL {
            assert_eq!(name.to_string().parse::<SetName>().unwrap(), name);
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
        }
        let error = "cifar".parse::<SetName>().unwrap_err().to_string();
        assert!(error.starts_with("setting `set`: expected power, gas,") && error.contains("got `cifar`"));
    }

    #[test]
    fn unknown_fields_are_errors_and_missing_ones_take_their_default() {
        assert!(serde_json::from_str::<DataConfig>(r#"{ "seeds": 1 }"#).is_err());
        let config: DataConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(config, DataConfig::default());
        let again = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(config, again);
    }

    #[test]
    fn senseless_settings_are_refused() {
        let bad = |change: fn(&mut DataConfig)| {
            let mut config = DataConfig::new(SetName::Table, "t.csv");
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(bad(|c| c.test = 1.0).starts_with("setting `test`: expected a part from 0 to below 1, got 1;"));
        assert!(bad(|c| c.validation = f64::NAN).starts_with("setting `validation`"));
        assert!(bad(|c| c.limit_rows = Some(0)).starts_with("setting `limit_rows`"));
        assert!(bad(|c| c.path = None).contains("give the file of set `table`"));
        assert!(bad(|c| c.set = SetName::Household).contains("ships inside"));
        assert!(bad(|c| (c.set, c.exclude) = (SetName::Power, vec!["a".into()])).starts_with("setting `exclude`"));
        assert!(
            bad(|c| (c.columns, c.exclude) = (Some(vec!["a".into()]), vec!["a".into()])).contains("`a` in both lists")
        );
        let both = bad(|c| (c.columns, c.context_columns) = (Some(vec!["a".into(), "b".into()]), vec!["b".into()]));
        assert!(both.contains("got `b` in both lists; take it out of `columns`"), "{both}");
        assert!(bad(|c| c.context_columns = vec!["a".into(), "a".into()]).contains("got `a` twice"));
    }
}
