//! Say in which settings two of a kind differ.

use crate::{Error, Result};
use flowstill::train::TrainConfig;
use serde::Serialize;
use serde_json::Value;

/// A setting that has two values: its key, the one and the other; `none` where a value is not there.
pub(crate) type Difference = (String, String, String);

/// Every leaf in which two values differ, by its dotted key.
///
/// # Errors
/// When one cannot be written as JSON.
pub(crate) fn differences(one: &impl Serialize, other: &impl Serialize) -> Result<Vec<Difference>> {
    let json = |error| Error::run(format!("cannot describe the settings: {error}"));
    let mut out = Vec::new();
    let (one, other) = (serde_json::to_value(one).map_err(json)?, serde_json::to_value(other).map_err(json)?);
    walk("", Some(&one), Some(&other), &mut out);
    Ok(out)
}

fn walk(key: &str, one: Option<&Value>, other: Option<&Value>, out: &mut Vec<Difference>) {
    if let (Some(Value::Object(one)), Some(Value::Object(other))) = (one, other) {
        let more = other.keys().filter(|key| !one.contains_key(*key));
        for inner in one.keys().chain(more) {
            let path = if key.is_empty() { inner.clone() } else { format!("{key}.{inner}") };
            walk(&path, one.get(inner), other.get(inner), out);
        }
        return;
    }
    // What is not written and what is written as nothing are the same.
    let (one, other) = (one.filter(|value| !value.is_null()), other.filter(|value| !value.is_null()));
    if one != other {
        let shown = |value: Option<&Value>| match value {
            None => "none".to_string(),
            Some(value) => value.to_string(),
        };
        out.push((key.to_string(), shown(one), shown(other)));
    }
}

/// In what two trainings differ, seed, files and memory aside: what a fair comparison of their models holds equal.
///
/// # Errors
/// As [`differences`].
pub(crate) fn training_differences(one: &TrainConfig, other: &TrainConfig) -> Result<Vec<Difference>> {
    const ASIDE: [&str; 4] = ["seed", "checkpoint_every", "log_every", "memory"];
    let mut all = differences(one, other)?;
    all.retain(|(key, ..)| !ASIDE.contains(&key.as_str()));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_leaf_is_named_and_what_is_equal_is_not() {
        let one = json!({ "steps": 5, "optimiser": { "rate": 0.1, "kind": "adam" }, "seconds": null });
        let other = json!({ "steps": 9, "optimiser": { "rate": 0.1, "kind": "adamax" }, "epochs": 2 });
        let found = differences(&one, &other).unwrap();
        let say = |(key, one, other): &Difference| format!("{key} {one} {other}");
        let found: Vec<String> = found.iter().map(say).collect();
        assert_eq!(found, ["optimiser.kind \"adam\" \"adamax\"", "steps 5 9", "epochs none 2"]);
        let train = TrainConfig::default();
        let same = TrainConfig { seed: 7, log_every: 1, checkpoint_every: 3, ..train.clone() };
        assert!(training_differences(&train, &same).unwrap().is_empty());
        let longer = TrainConfig { steps: 7, ..train.clone() };
        assert_eq!(training_differences(&longer, &train).unwrap(), [("steps".into(), "7".into(), "5000".into())]);
    }
}
