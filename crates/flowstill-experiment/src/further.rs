//! Tell whether a finished model belongs to a plan, could go on to it with more steps, or is of another; and then in which settings.

use crate::recipe::{Difference, ModelPlan, differences};
use crate::report::Report;
use crate::{Error, Result};
use flowstill::distill::WeightSchedule;
use flowstill::train::{RunFolder, ScheduleKind, TrainConfig};
use serde_json::{Value, json};
use std::path::Path;

/// What a finished model is to a plan.
#[derive(Debug, PartialEq)]
pub(crate) enum Finished {
    /// Its own.
    Same,
    /// The same with fewer steps, from which it can go on.
    Shorter(TrainConfig),
}

/// Compare a finished model with the identity that `plan` gives; `known` where that has its teacher.
///
/// # Errors
/// When the model is of another plan, with what differs, and why it cannot go on where only the steps do.
pub(crate) fn finished(
    report: &Report,
    identity: &str,
    known: bool,
    plan: &ModelPlan,
    folder: &Path,
) -> Result<Finished> {
    let foreign = |what: &str| {
        let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
        Error::input(format!(
            "{}: holds a model of another recipe, data or teacher{what}; use another run folder (--out), or remove this one",
            folder.display()
        ))
    };
    let (Some((there, rest_there)), Some((here, rest_here))) = (settings(&report.identity), settings(identity)) else {
        return Err(foreign(""));
    };
    let same_rest = if known { rest_there == rest_here } else { rest_there.starts_with(rest_here) };
    let found = differences(&there, &here)?;
    match (&found[..], same_rest) {
        ([], true) => Ok(Finished::Same),
        ([], false) => Err(foreign("its teacher or its noise is another")),
        ([(key, ..)], true) if key == "train.steps" => {
            let earlier = report.plan.get("train").cloned().unwrap_or_default();
            let earlier: TrainConfig = serde_json::from_value(earlier).map_err(|_| foreign(&said(&found)))?;
            match hindrance(report, &earlier, plan, folder) {
                None => Ok(Finished::Shorter(earlier)),
                Some(why) => Err(foreign(&format!("{}; it cannot go on, for {why}", said(&found)))),
            }
        }
        _ => Err(foreign(&said(&found))),
    }
}

/// The settings at the head of an identity, by name, and what follows.
fn settings(identity: &str) -> Option<(Value, &str)> {
    let mut values = serde_json::Deserializer::from_str(identity).into_iter::<Value>();
    let Some(Ok(Value::Array(parts))) = values.next() else { return None };
    let [data, flow, train, distill] = <[Value; 4]>::try_from(parts).ok()?;
    let rest = &identity[values.byte_offset()..];
    Some((json!({ "data": data, "flow": flow, "train": train, "distill": distill }), rest))
}

/// The first of the settings that differ.
fn said(found: &[Difference]) -> String {
    let one = |(key, there, here): &Difference| match key.as_str() {
        "data" => "the data's rows are others".to_string(),
        _ => format!("{key}: {there} there, {here} here"),
    };
    let more = if found.len() > 3 { format!(", and {} more", found.len() - 3) } else { String::new() };
    found.iter().take(3).map(one).collect::<Vec<_>>().join(", ") + &more
}

/// Why a training that ended cannot go on with more steps.
fn hindrance(report: &Report, earlier: &TrainConfig, plan: &ModelPlan, folder: &Path) -> Option<String> {
    let moves = plan.distill.as_ref().is_some_and(|config| config.schedule != WeightSchedule::Constant);
    let checkpoint = RunFolder::create(folder).map(|run| run.checkpoint().exists()).unwrap_or_default();
    let reasons = [
        (plan.train.steps < earlier.steps, "a finished training is not cut short"),
        (
            plan.train.schedule.kind == ScheduleKind::Cosine,
            "train.schedule.kind = \"cosine\" has brought its rate to the end; \"constant\" and \"plateau\" can go on",
        ),
        (plan.train.seconds.is_some(), "train.seconds ends it"),
        (moves, "distill.schedule has reached its end; \"constant\" can go on"),
        (report.row.steps < earlier.steps, "train.patience or train.epochs had ended it before its last step"),
        (!checkpoint, "its checkpoint is not there"),
    ];
    reasons.into_iter().find(|(hinders, _)| *hinders).map(|(_, why)| why.to_string())
}
