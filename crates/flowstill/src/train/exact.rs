//! Keep numbers that JSON has no word for: NaN and the infinities are written as text and read back as what they were.

use serde::{Deserialize, Deserializer, Serializer};

/// A number, or its name where JSON has none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Name(String),
    /// What serde_json makes of a NaN by itself.
    Nothing(()),
}

pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match value.is_finite() {
        true => serializer.serialize_f64(*value),
        // "NaN", "inf" or "-inf".
        false => serializer.serialize_str(&value.to_string()),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Written::deserialize(deserializer)? {
        Written::Number(value) => Ok(value),
        Written::Name(name) => name.parse().map_err(serde::de::Error::custom),
        Written::Nothing(()) => Ok(f64::NAN),
    }
}
