//! Say first, in words, what a run came to: a null result as plainly as a gain.

use super::found::{Run, Subject};
use super::gains::GainRow;
use crate::frontier::{Axis, FrontModel, FrontierReport};
use crate::recipe::{PLAIN, TEACHER};
use crate::report::{Comparison, Kind, Summary, gain_in_nats};
use crate::words::{first_names, thousands};

/// The verdict: its first line is the answer. Lines of `doubts` are what takes from it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// What came out.
    pub lines: Vec<String>,
    /// What is wrong with single figures.
    pub doubts: Vec<String>,
}

/// The verdict on a run.
pub(super) fn verdict(run: &Run) -> Verdict {
    match &run.subject {
        Subject::Comparison(comparison) => of_comparison(comparison),
        Subject::Frontier(report) => of_frontier(report),
        Subject::Models => {
            let said =
                run.models.iter().map(|one| format!("{}, seed {}: {}.", one.row.role, one.row.seed, one.row.summary()));
            let mut lines: Vec<String> = said.take(4).collect();
            if run.models.len() > lines.len() {
                lines.push(format!("{} more are in the table.", run.models.len() - lines.len()));
            }
            lines.push(
                "A training by itself shows no gain: compare models over seeds to tell one (flowstill compare).".into(),
            );
            Verdict { lines, doubts: Vec::new() }
        }
    }
}

/// Nats, or bits per dimension where pictures are modelled.
pub(super) fn unit(comparison: &Comparison) -> &'static str {
    match comparison.summary.iter().any(|summary| summary.pictures.is_some()) {
        true => "bits/dim",
        false => "nats",
    }
}

/// The gains of the distilled students that have a plain one to be counted from.
pub(super) fn gain_rows(comparison: &Comparison) -> Vec<GainRow> {
    let one = |summary: &Summary| {
        let bits = summary.pictures.as_ref().map(|pictures| pictures.gain_over_plain_bits_per_dim);
        let gain = bits.unwrap_or(summary.gain_over_plain_nats)?;
        let own = comparison.rows.iter().filter(|row| row.role == summary.role);
        let values = match bits {
            None => own.filter_map(|row| gain_in_nats(&comparison.rows, row)).collect(),
            Some(_) => Vec::new(),
        };
        let name = format!("{} over {}", summary.role, summary.baseline.as_deref().unwrap_or("plain"));
        Some((summary.role.clone(), GainRow { name, mean: gain.over.mean, interval: gain.over.interval_95, values }))
    };
    let distilled = comparison.summary.iter().filter(|summary| summary.kind == Kind::Distilled);
    distilled.filter_map(one).map(|(_, row)| row).collect()
}

fn of_comparison(comparison: &Comparison) -> Verdict {
    let (unit, rows) = (unit(comparison), gain_rows(comparison));
    let distilled = comparison.summary.iter().filter(|summary| summary.kind == Kind::Distilled).count();
    let unplaced = comparison.rows.iter().all(|row| row.kind == Kind::Plain && row.baseline.is_none())
        && comparison.rows.iter().any(|row| row.role == TEACHER);
    let best = comparison.best_by_validation.as_deref();
    let of_best = best.and_then(|best| rows.iter().find(|row| row.name.starts_with(&format!("{best} over "))));
    let mut lines = vec![match (best, of_best) {
        _ if unplaced => "No gain can be told: this comparison was kept by an earlier version, which did not say from which plain student a \
                          gain is counted. Run flowstill compare again in this folder; finished models are taken as they are."
            .to_string(),
        _ if distilled == 0 => "No student was distilled here, so there is no gain to tell.".into(),
        (Some(best), Some(row)) => {
            let answer = match (row.told(), row.mean > 0.0) {
                (None, _) => "One seed: no gain can be told apart from chance",
                (Some(false), _) => "No gain is told apart from 0",
                (Some(true), true) => "Distilling helped",
                (Some(true), false) => "Distilling hurt",
            };
            format!("{answer}: {best}, the distilled student with the best validation, stands at {}.", gained(row, unit))
        }
        (Some(best), None) => format!(
            "No gain can be told: {best}, the distilled student with the best validation, has no plain student of its shape and training beside it."
        ),
        (None, _) => "No distilled student was finished with every seed, so none is put forward.".into(),
    }];
    lines.extend(counted(&rows));
    lines.extend(levels(comparison, best));
    let failed =
        comparison.failed.iter().map(|one| format!("{} (seed {}) diverged: {}.", one.role, one.seed, one.error));
    let faults = comparison.rows.iter().flat_map(|row| {
        row.metrics.faults().into_iter().map(move |fault| format!("{} (seed {}): {fault}.", row.role, row.seed))
    });
    Verdict { lines, doubts: failed.chain(faults).collect() }
}

fn gained(row: &GainRow, unit: &str) -> String {
    let baseline = row.name.split(" over ").nth(1).unwrap_or("plain");
    format!("{} over {baseline}", row.figure(unit))
}

/// How many gained, and how many did not.
fn counted(rows: &[GainRow]) -> Option<String> {
    if rows.len() < 2 || rows.iter().any(|row| row.told().is_none()) {
        return None;
    }
    let of = |wanted: &dyn Fn(&GainRow) -> bool| -> Vec<String> {
        let own = rows.iter().filter(|row| wanted(row));
        own.filter_map(|row| row.name.split(" over ").next()).map(String::from).collect()
    };
    let groups = [
        ("better", of(&|row| row.told() == Some(true) && row.mean > 0.0)),
        ("not told apart from their plain students", of(&|row| row.told() == Some(false))),
        ("worse", of(&|row| row.told() == Some(true) && row.mean < 0.0)),
    ];
    let said: Vec<String> = groups
        .iter()
        .map(|(what, names)| match names.is_empty() {
            true => format!("none {what}"),
            false => format!("{} {what} ({})", names.len(), first_names(names, 6)),
        })
        .collect();
    Some(format!(
        "Of {} distilled students: {}. Each interval stands for itself: of intervals about nothing, one in twenty leaves 0 out by chance.",
        rows.len(),
        said.join(", ")
    ))
}

/// What teacher, plain student and the best reach, and how fast they draw.
fn levels(comparison: &Comparison, best: Option<&str>) -> Option<String> {
    let wanted =
        |summary: &&Summary| [TEACHER, PLAIN].contains(&summary.role.as_str()) || Some(summary.role.as_str()) == best;
    let one = |summary: &Summary| {
        let reached = match &summary.pictures {
            Some(pictures) => format!("{:.4} bits/dim", pictures.bits_per_dim.mean),
            None => format!("{:.4} nats", -summary.test_nll_nats?.mean),
        };
        let speed = summary.sample_rows_per_second.map(|speed| format!(", {} samples/s", thousands(speed)));
        let parameters = thousands(summary.parameters as f64);
        Some(format!("{} {reached} ({parameters} parameters{})", summary.role, speed.unwrap_or_default()))
    };
    let said: Vec<String> = comparison.summary.iter().filter(wanted).filter_map(one).collect();
    (!said.is_empty()).then(|| format!("On the test split, mean over seeds: {}.", said.join("; ")))
}

/// The gain of a search's student over its untaught twin.
pub(super) fn gain_over_twin(model: &FrontModel) -> Option<GainRow> {
    let gain = model.gain_over_plain.as_ref()?;
    let interval = gain.half_width_95.map(|half| [gain.mean - half, gain.mean + half]);
    Some(GainRow {
        name: format!("{} over {}-plain", model.role, model.role),
        mean: gain.mean,
        interval,
        values: gain.values.clone(),
    })
}

fn of_frontier(report: &FrontierReport) -> Verdict {
    let teacher = report.models.iter().find(|model| model.role == TEACHER);
    let Some(model) = report.chosen_model() else {
        let said = "No student is put forward: none keeps to the budget when measured in the end.";
        return Verdict { lines: vec![said.into()], doubts: failed(report) };
    };
    let value = |model: &FrontModel| report.axis.value(&model.cost);
    let place = teacher.map(|teacher| {
        format!(
            "{:+.3} nats a row from the teacher ({:.3} against {:.3}), at {:.2} times its {}",
            model.nats.mean - teacher.nats.mean,
            model.nats.mean,
            teacher.nats.mean,
            times(report.axis, value(model) / value(teacher)),
            report.axis.name()
        )
    });
    let place = place.unwrap_or_else(|| format!("{:.3} nats a row", model.nats.mean));
    let mut lines = vec![match report.teacher_beats(model) {
        true => format!(
            "No student pays here: the teacher is likelier and no slower than {}, the best by validation within the budget: {place}.",
            model.role
        ),
        false => format!("Take {} ({}): {place}.", model.role, model.model),
    }];
    lines.push(match (gain_over_twin(model), &model.lesson) {
        (Some(gain), _) => {
            let answer = match (gain.told(), gain.mean > 0.0) {
                (None, _) => "One seed: what teaching it gained cannot be told from chance",
                (Some(false), _) => "Teaching it made no difference that is told apart from 0",
                (Some(true), true) => "Teaching it helped",
                (Some(true), false) => "Teaching it hurt",
            };
            format!("{answer}: {} over its twin that learned from data alone.", gain.figure("nats"))
        }
        (None, _) if report.without_data => {
            "It learned from the teacher's samples alone, so there is no twin that learned from data.".into()
        }
        (None, Some(_)) => {
            "Its twin that learned from data alone was not finished, so no gain by teaching is told.".into()
        }
        (None, None) => "It was not taught: it learned from data alone.".into(),
    });
    let front: Vec<String> =
        report.models.iter().filter(|model| model.on_front).map(|model| model.role.clone()).collect();
    lines.push(format!("On the front of likelihood and {}: {}.", report.axis.name(), first_names(&front, 8)));
    let seeds = report.seeds.len();
    lines.push(match seeds {
        1 => "One seed: no figure has an interval over seeds.".into(),
        _ => format!("Students are means over {seeds} seeds; they were chosen by validation, with a seed that is not among these."),
    });
    Verdict { lines, doubts: failed(report) }
}

/// Along the axis more is better; of latency and sizes less is told.
fn times(axis: Axis, along: f64) -> f64 {
    match axis {
        Axis::SamplesPerSecond | Axis::LogProbRowsPerSecond => along,
        Axis::Latency | Axis::Megabytes | Axis::Parameters => 1.0 / along,
    }
}

fn failed(report: &FrontierReport) -> Vec<String> {
    let why = |one: &crate::frontier::Candidate| one.failed.as_ref().map(|why| format!("{}: {why}.", one.role));
    let last = report.failed.iter().map(|one| format!("{} (seed {}): {}.", one.role, one.seed, one.error));
    let faults = report.models.iter().flat_map(|one| one.faults.iter().map(|fault| format!("{}: {fault}.", one.role)));
    report.candidates.iter().filter_map(why).chain(last).chain(faults).collect()
}
