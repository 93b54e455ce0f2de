//! Find out whether rows that a flow is evaluated on have trained it.

use super::{Prepared, Subset};
use crate::words::shell_word;
use crate::{Error, Result};
use flowstill::model::{Model, SplitFacts, TrainingFacts};
use std::path::Path;
use toml::Value;

/// How the remedy is typed.
#[derive(Clone, Copy)]
pub enum Remedy<'a> {
    /// As `--set data.KEY=VALUE`.
    Set,
    /// As whoever asks says it, for the settings that would cut as before.
    Said(&'a dyn Fn(&[(&'static str, String)]) -> String),
}

/// What is to be said about a part of a split.
#[derive(Debug, PartialEq)]
enum Finding {
    /// The flow has not seen these rows.
    Clean,
    /// It cannot be told.
    Doubt(String),
    /// It has seen some of them: the settings that would cut as before.
    Seen(Vec<(&'static str, String)>),
}

impl Prepared {
    /// Refuse to evaluate a flow on rows that have trained it; where that cannot be told, give what should be said.
    ///
    /// # Errors
    /// When the flow learned from another split of the same table.
    pub fn check_unseen(&self, facts: &TrainingFacts, part: Subset, remedy: Remedy<'_>) -> Result<Option<String>> {
        let settings = match find(facts, self, part) {
            Finding::Clean => return Ok(None),
            Finding::Doubt(why) => return Ok(Some(why)),
            Finding::Seen(settings) => settings,
        };
        let listed = |way: &dyn Fn(&(&str, String)) -> String, with: &str| {
            settings.iter().map(way).collect::<Vec<_>>().join(with)
        };
        let cut = listed(&|(key, value)| format!("{key} {value}"), ", ");
        let remedy = match remedy {
            Remedy::Set => listed(&|(key, value)| format!("--set data.{key}={value}"), " "),
            Remedy::Said(say) => say(&settings),
        };
        Err(Error::input(format!(
            "the flow was trained on another split of {} ({cut}), so that it has seen {} of this {} split; use {remedy}",
            self.source,
            what(self),
            part.name()
        )))
    }
}

/// What a data set consists of.
fn what(data: &Prepared) -> &'static str {
    if data.pictures.is_some() { "pictures" } else { "rows" }
}

/// Sets that are read from any file or folder: that two are called alike does not make them the same.
const OWN_FILES: [&str; 3] = ["table", "folder", "idx"];

fn find(facts: &TrainingFacts, data: &Prepared, part: Subset) -> Finding {
    if part == Subset::Train {
        return Finding::Clean;
    }
    let part = part.name();
    let Some(theirs) = &facts.split else {
        return Finding::Doubt(format!(
            "the flow does not say which {} it was trained on; make sure that it has not seen this {part} split",
            what(data)
        ));
    };
    let ours = &data.split;
    let what = what(data);
    let same_rows = theirs.table_fingerprint == ours.table_fingerprint;
    let named = !OWN_FILES.contains(&ours.set.as_str());
    if theirs.set != ours.set || !(named || same_rows || same_file(&facts.data, &data.source)) {
        return Finding::Clean;
    }
    // What a set brings along is the same whatever the seed.
    let own = data.own_splits[usize::from(part == "test")];
    if own {
        return Finding::Clean;
    }
    // The pictures of a named set are known; how many there are differs by the limits alone, which move none to another split.
    let limited = named && data.pictures.is_some();
    let same_test = theirs.test_fingerprint == ours.test_fingerprint;
    if !same_test && !limited && theirs.rows != ours.rows {
        return Finding::Doubt(format!(
            "{}: has {} {what}, and had {} when the flow was trained on it; make sure that it has not seen this {part} split",
            data.source, ours.rows, theirs.rows
        ));
    }
    // Where the test split comes with the set, that it is the same says nothing of the seed.
    let same_order = theirs.seed == ours.seed || (same_test && !data.own_splits[1]);
    if clean(theirs, ours, same_test, same_order, part) {
        return Finding::Clean;
    }
    let all = [
        ("seed", theirs.seed.to_string(), theirs.seed != ours.seed),
        ("test", theirs.test.to_string(), theirs.test != ours.test),
        ("validation", theirs.validation.to_string(), part == "validation" && theirs.validation != ours.validation),
    ];
    Finding::Seen(all.into_iter().filter(|(.., differs)| *differs).map(|(key, value, _)| (key, value)).collect())
}

/// Whether these rows were cut off before the other split took its rows to learn from. Test rows are cut off first, from the end, then the
/// rows that validate; so a smaller part of the same cut is a part of the larger one.
fn clean(theirs: &SplitFacts, ours: &SplitFacts, same_test: bool, same_order: bool, part: &str) -> bool {
    match part {
        "test" => same_test || (same_order && ours.test <= theirs.test),
        _ => same_order && ours.test == theirs.test && ours.validation <= theirs.validation,
    }
}

/// What to say of a table or folder that holds the rows or pictures that the flow was trained on, where its path tells: with the option that
/// counts its test split alone, as a shell takes it.
pub fn trained_on(model: &Model, path: &Path) -> Option<String> {
    let facts = &model.facts;
    let split = facts.split.as_ref().filter(|_| same_file(&facts.data, &path.to_string_lossy()))?;
    let (what, set) = if path.is_dir() { ("pictures", "folder") } else { ("rows", "table") };
    let mut spec = vec![("set", split.set.clone()), ("path", toml_text(&path.to_string_lossy()))];
    match model.pictures {
        Some(scaling) if scaling.bits != 8 => spec.push(("bits", scaling.bits.to_string())),
        Some(_) => {}
        // The table may have more columns than the flow was given, and which of them are conditions is not in it.
        None => {
            for (key, names) in [("columns", &facts.columns), ("context_columns", &facts.context_columns)] {
                let names: Vec<Value> = names.iter().map(|name| Value::String(name.clone())).collect();
                if !names.is_empty() {
                    spec.push((key, Value::Array(names).to_string()));
                }
            }
        }
    }
    spec.push(("seed", split.seed.to_string()));
    spec.push(("validation", split.validation.to_string()));
    spec.push(("test", split.test.to_string()));
    let spec = spec.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    Some(format!(
        "the flow was trained on {what} of this very {set}; --data {} counts only its test split",
        shell_word(&spec)
    ))
}

/// Text as a value of TOML, bare where it cannot be taken for anything else.
fn toml_text(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+ ".contains(c);
    let bare = text.starts_with(|c: char| c.is_alphabetic() || "/._".contains(c)) && text.contains(['/', '.']);
    if bare && text.chars().all(plain) { text.to_string() } else { Value::String(text.to_string()).to_string() }
}

fn same_file(one: &str, other: &str) -> bool {
    let real = |path: &str| std::fs::canonicalize(path).ok();
    one == other || real(one).is_some_and(|one| real(other) == Some(one))
}
