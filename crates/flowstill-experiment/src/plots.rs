//! Draw what a run leaves: the curves of each model, and the comparison's likelihoods, gains and samples.

use crate::data::Prepared;
use crate::recipe::PLAIN;
use crate::report::{Comparison, Kind, gain_in_nats};
use crate::sheets;
use crate::{Error, Event, Events, Result};
use flowstill::model::Model;
use flowstill::pictures::Pictures;
use flowstill::train::{Dataset as _, RunFolder};
use flowstill_metrics::MetricError;
use flowstill_metrics::plots::{Role, Sample, Series, bars_with_errors, curves, pairwise};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Columns in the corner plot, at most.
const COLUMNS: usize = 6;

/// What a metrics file holds, by name.
pub(crate) struct Metrics {
    /// In nats: loss, validation, likelihoods.
    pub nats: Vec<Series>,
    /// Distances between teacher and student, in units of their own.
    pub distances: Vec<Series>,
}

/// Read a `metrics.jsonl`; empty where there is none.
pub(crate) fn read(path: &Path) -> Metrics {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let Some(step) = line.get("step").and_then(Value::as_f64) else { continue };
        let mut put = |name: &str, value: Option<f64>| {
            if let Some(value) = value {
                lines.entry(name.to_string()).or_default().push((step, value));
            }
        };
        put("validation", line.get("validation_nll").and_then(Value::as_f64));
        put("loss", line.get("loss").and_then(Value::as_f64));
        for (name, value) in line.get("terms").and_then(Value::as_object).into_iter().flatten() {
            put(name, value.as_f64());
        }
    }
    // Without distillation the loss is the likelihood; one line says it.
    if lines.get("loss") == lines.get("nll") {
        lines.remove("nll");
    }
    let is_nats = |name: &str| ["loss", "validation", "nll", "teacher_samples"].contains(&name);
    let series = |wanted: bool| -> Vec<Series> {
        let chosen = lines.iter().filter(|(name, _)| is_nats(name) == wanted);
        chosen.map(|(name, points)| Series { name: label(name), points: points.clone() }).collect()
    };
    Metrics { nats: series(true), distances: series(false) }
}

fn label(name: &str) -> String {
    match name {
        "validation" => "validation nll".into(),
        "nll" => "nll of data".into(),
        "teacher_samples" => "nll of teacher samples".into(),
        // The losses go by capitals; other names stay.
        "lkd" | "ilkd" | "skd" => name.to_uppercase(),
        other => other.into(),
    }
}

/// Curves of one training. A picture that cannot be drawn is told, and fails nothing.
pub(crate) fn of_model(run: &RunFolder, title: &str, pictures: bool, events: &mut Events<'_>) {
    let metrics = read(&run.metrics());
    let mut draw = |name: &str, series: &[Series], what: &str| {
        if !series.is_empty() {
            tell(curves(run.path().join(name), title, series, "step", what, false), events);
        }
    };
    let unit = if pictures { "bits per dimension" } else { "nats per row, standardised data" };
    draw("curves.png", &metrics.nats, unit);
    draw("distances.png", &metrics.distances, "distance of student and teacher");
}

/// Curves, gains and marginals of a comparison; `folder(role, seed)` is a model's folder, and the first seed's models are drawn.
///
/// # Errors
/// When a flow cannot sample.
pub(crate) fn of_comparison(
    run: &Path,
    comparison: &Comparison,
    data: &Prepared,
    folder: &dyn Fn(&str, u64) -> std::path::PathBuf,
    shown: &[(String, Model)],
    events: &mut Events<'_>,
) -> Result<()> {
    let validation = |role: &str| -> Option<Series> {
        let all: Vec<Vec<(f64, f64)>> = comparison
            .seeds
            .iter()
            .filter_map(|&seed| {
                let metrics = read(&folder(role, seed).join("metrics.jsonl"));
                metrics.nats.into_iter().find(|series| series.name == "validation nll").map(|series| series.points)
            })
            .collect();
        mean_curve(&all).map(|points| Series { name: role.to_string(), points })
    };
    let series: Vec<Series> = comparison.summary.iter().filter_map(|summary| validation(&summary.role)).collect();
    let title = format!("{}: validation, mean over seeds", comparison.name);
    if !series.is_empty() {
        let unit = if data.pictures.is_some() { "bits per dimension" } else { "negative log-likelihood (nats)" };
        tell(curves(run.join("curves.png"), &title, &series, "step", unit, false), events);
    }
    if let Some(test) = data.test.pictures() {
        return of_pictures(run, test, shown);
    }
    gains(run, comparison, events);
    let count = 10_000.min(data.test.len());
    let real = data.test_rows()?.head(count);
    let mut samples = Vec::new();
    for (name, model) in shown {
        let drawn = model.sample_standardised(count, 20, 1.0, real.context_values())?;
        let finite = drawn.chunks_exact(real.columns()).filter(|row| row.iter().all(|v| v.is_finite()));
        samples.push((name.clone(), finite.flatten().copied().collect::<Vec<f32>>()));
    }
    let mut sets = vec![Sample { name: "test data", rows: real.values() }];
    sets.extend(samples.iter().map(|(name, rows)| Sample { name, rows }));
    let seed = comparison.seeds.first().copied().unwrap_or_default();
    let title = format!("{}: samples, standardised, seed {seed}", comparison.name);
    tell(pairwise(run.join("marginals.png"), &title, &sets, &data.names, real.columns(), COLUMNS), events);
    Ok(())
}

/// Sheets: samples of every model, all models from the same latents, reconstructions, interpolations.
fn of_pictures(run: &Path, test: &Pictures, shown: &[(String, Model)]) -> Result<()> {
    let folder = run.join("sheets");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Error::run(format!("{}: cannot make the folder: {error}", folder.display())))?;
    let models: Vec<&Model> = shown.iter().map(|(_, model)| model).collect();
    for (name, model) in shown {
        sheets::samples(model, &[0.7, 1.0], 4, 20)?.write(&folder.join(format!("samples-{name}.png")))?;
    }
    for temperature in [0.7, 1.0] {
        let sheet = sheets::same_latents(&models, temperature, 20)?;
        sheet.write(&folder.join(format!("same-latents-t{temperature:.1}.png")))?;
    }
    sheets::reconstructions(&models, test)?.write(&folder.join("reconstructions.png"))?;
    let ends: Vec<&Model> = models.iter().take(2).copied().collect();
    sheets::interpolations(&ends, test, 3)?.write(&folder.join("interpolations.png"))?;
    let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
    let text = format!(
        "Sheets of the first seed's models. Rows of same-latents: {names}. Rows of reconstructions: test pictures, {names}.\n\
         samples: 4 rows at temperature 0.7, 4 rows at 1. interpolations: for each of three pairs of test pictures a row of {}.\n",
        names.iter().take(2).copied().collect::<Vec<_>>().join(", then of "),
        names = names.join(", "),
    );
    Ok(flowstill::file::write_atomically(&folder.join("README.txt"), text.as_bytes())?)
}

/// The gains of distillation, one mark a seed: of distilled students alone, each over the plain student of its own shape and training.
fn gains(run: &Path, comparison: &Comparison, events: &mut Events<'_>) {
    let of = |kind: Kind| {
        let own = comparison.summary.iter().filter(move |summary| summary.kind == kind);
        own.map(|summary| {
            let rows = comparison.rows.iter().filter(|row| row.role == summary.role);
            let values = rows.filter_map(|row| gain_in_nats(&comparison.rows, row)).collect();
            let name = match summary.baseline.as_deref() {
                None | Some(PLAIN) => summary.role.clone(),
                Some(baseline) => format!("{} over {baseline}", summary.role),
            };
            Role { name, values }
        })
    };
    let roles: Vec<Role> = of(Kind::Distilled).filter(|role| !role.values.is_empty()).collect();
    if roles.is_empty() {
        return;
    }
    let teacher: Vec<f64> = of(Kind::Teacher).flat_map(|role| role.values).collect();
    let mean = teacher.iter().sum::<f64>() / teacher.len().max(1) as f64;
    let title = match teacher.is_empty() {
        true => format!("{}: gain of distillation", comparison.name),
        false => format!("{}: gain of distillation (the teacher is {mean:+.3} nats from plain)", comparison.name),
    };
    let label = "test log-likelihood less that of the plain student of the same seed, shape and training (nats)";
    tell(bars_with_errors(run.join("gains.png"), &title, &roles, label, Some((0.0, "plain student"))), events);
}

/// The mean at the steps that all curves share.
pub(crate) fn mean_curve(all: &[Vec<(f64, f64)>]) -> Option<Vec<(f64, f64)>> {
    let first = all.first()?;
    let at = |curve: &[(f64, f64)], step: f64| curve.iter().find(|point| point.0 == step).map(|point| point.1);
    let points = first.iter().filter_map(|&(step, _)| {
        let values: Option<Vec<f64>> = all.iter().map(|curve| at(curve, step)).collect();
        values.map(|values| (step, values.iter().sum::<f64>() / values.len() as f64))
    });
    Some(points.collect())
}

fn tell(drawn: Result<(), MetricError>, events: &mut Events<'_>) {
    if let Err(error) = drawn {
        events(Event::Note(&format!("a picture is missing: {error}")));
    }
}
