//! Describe in a configuration what is done to a column before it is standardised.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepKind {
    /// Spreads the values of a grid over its steps by uniform noise; samples are on the grid. Takes `step` and `origin`, found from the train rows by default.
    Dequantise,
    /// Spreads values that many rows share over rooms of their own; samples from a room have the value. Takes `atoms`, found from the train rows by default.
    Spread,
    /// The logarithm of values above `-offset`. Takes `offset`; default 0.
    Log,
    /// The logit of values between two limits. Takes `low` and `high`, found from the train rows by default.
    Logit,
    /// The power transform of Yeo and Johnson. Takes `lambda`, 0 to 2, the likeliest on the train rows by default.
    YeoJohnson,
    /// Ranks to normal scores, by straight lines between quantiles of the train rows. Takes `knots`; default 128.
    RankNormal,
    /// An angle. Takes `period` and `low`, where the turn of samples begins; both found from the train rows by default.
    Circle,
    /// Values beyond `low` and `high` count as these, both of which it takes.
    Clip,
}

/// One step: its kind, and what it is told. In a recipe `"log"` or `{ kind = "log", offset = 1 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformStep {
    /// What it does.
    pub kind: StepKind,
    /// `dequantise`: the distance of neighbours, above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// `dequantise`: a value of the grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<f64>,
    /// `spread`: the shared values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atoms: Option<Vec<f64>>,
    /// `log`: added before the logarithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// `logit`, `clip`: the lower limit; `circle`: where a turn begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// `logit`, `clip`: the upper limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// `yeo_johnson`: the power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// `rank_normal`: quantiles, at least 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knots: Option<usize>,
    /// `circle`: a whole turn, above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<f64>,
}

impl TransformStep {
    /// With everything found from the train rows.
    pub fn new(kind: StepKind) -> Self {
        let (step, origin, atoms, offset) = (None, None, None, None);
        Self { kind, step, origin, atoms, offset, low: None, high: None, lambda: None, knots: None, period: None }
    }

    /// The settings that were given and that the kind does not take.
    fn stray(&self) -> Option<&'static str> {
        use StepKind::{Circle, Clip, Dequantise, Log, Logit, RankNormal, Spread, YeoJohnson};
        let takes: [(&str, bool, &[StepKind]); 9] = [
            ("step", self.step.is_some(), &[Dequantise]),
            ("origin", self.origin.is_some(), &[Dequantise]),
            ("atoms", self.atoms.is_some(), &[Spread]),
            ("offset", self.offset.is_some(), &[Log]),
            ("low", self.low.is_some(), &[Logit, Clip, Circle]),
            ("high", self.high.is_some(), &[Logit, Clip]),
            ("lambda", self.lambda.is_some(), &[YeoJohnson]),
            ("knots", self.knots.is_some(), &[RankNormal]),
            ("period", self.period.is_some(), &[Circle]),
        ];
        takes.into_iter().find(|(_, given, kinds)| *given && !kinds.contains(&self.kind)).map(|(name, ..)| name)
    }
}

/// The steps of one column, first step first. In a recipe one step, or a list of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct TransformSteps(pub Vec<TransformStep>);

impl<'de> Deserialize<'de> for TransformSteps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Typed)
    }
}

/// Reads what a recipe may hold.
struct Typed;

/// One step, as a name or as a table.
struct Single(TransformStep);

impl<'de> Deserialize<'de> for Single {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let TransformSteps(mut steps) = deserializer.deserialize_any(Typed)?;
        match (steps.pop(), steps.len()) {
            (Some(step), 0) => Ok(Self(step)),
            _ => Err(D::Error::custom("expected a step inside the list, got a list; write the steps side by side")),
        }
    }
}

impl<'de> Visitor<'de> for Typed {
    type Value = TransformSteps;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a transform such as \"log\", { kind = \"log\", offset = 1 }, or a list of these")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        let kind = StepKind::deserialize(serde::de::value::StrDeserializer::new(name))?;
        Ok(TransformSteps(vec![TransformStep::new(kind)]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let step = TransformStep::deserialize(MapAccessDeserializer::new(map))?;
        match step.stray() {
            Some(name) => {
                Err(A::Error::custom(format!("`{name}` does not go with this kind of transform; leave it out")))
            }
            None => Ok(TransformSteps(vec![step])),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let steps: Vec<Single> = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(TransformSteps(steps.into_iter().map(|step| step.0).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TransformSteps, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn names_tables_and_lists_are_read_and_written_back() {
        let log = TransformStep { offset: Some(1.0), ..TransformStep::new(StepKind::Log) };
        assert_eq!(read("\"log\"").unwrap().0, [TransformStep::new(StepKind::Log)]);
        assert_eq!(read(r#"{ "kind": "log", "offset": 1 }"#).unwrap().0, std::slice::from_ref(&log));
        let both = read(r#"["spread", { "kind": "log", "offset": 1 }]"#).unwrap();
        assert_eq!(both.0, [TransformStep::new(StepKind::Spread), log]);
        assert_eq!(read(&serde_json::to_string(&both).unwrap()).unwrap(), both);
    }

    #[test]
    fn misfits_are_named() {
        assert!(
            read("\"logarithm\"").unwrap_err().starts_with("unknown variant `logarithm`, expected one of `dequantise`")
        );
        assert!(
            read(r#"{ "kind": "log", "period": 1 }"#).unwrap_err().starts_with("`period` does not go with this kind")
        );
        assert!(read(r#"{ "kind": "log", "offsett": 1 }"#).unwrap_err().starts_with("unknown field `offsett`"));
        assert!(read("3").unwrap_err().contains("expected a transform such as"));
    }
}
