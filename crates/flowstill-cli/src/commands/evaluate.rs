//! `flowstill evaluate`: how well a flow does on data it has not seen.

use super::choose;
use crate::args::Evaluate;
use crate::dataspec::{changed, data_config, picture_config};
use crate::failure::{Failure, Outcome};
use crate::out;
use flowstill::file;
use flowstill::model::Model;
use flowstill::train::Rows;
use flowstill_experiment::words::thousands;
use flowstill_experiment::{
    DataPlan, Error, EvaluateConfig, Metrics, Prepared, RawRows, Recipe, Remedy, Subset, evaluate_rows, read_rows,
    trained_on,
};
use std::path::Path;

pub(super) fn run(args: &Evaluate) -> Outcome<()> {
    let model = file::load(&args.flow, &choose(args.device)?)?;
    if let Some(teacher) = &args.against {
        return super::against::run(args, &model, teacher);
    }
    if model.pictures.is_some() {
        return super::evaluate_pictures::run(args, &model);
    }
    let given = [("draws", args.draws.is_some()), ("features", args.features.is_some())];
    super::refuse_options(&given, "the flow models rows of a table, and this goes with pictures")?;
    let (rows, data) = rows(args, &model)?;
    if rows.len() < 2 {
        return Err(Failure::input(format!("{data}: expected at least 2 rows to evaluate on, got {}", rows.len())));
    }
    let config = EvaluateConfig { samples: args.samples, ..EvaluateConfig::default() };
    config.check().map_err(|message| Failure::input(message.replace("judge.", "--")))?;
    let metrics = evaluate_rows(&model, &rows, &config)?;
    if args.json {
        let mut value = serde_json::json!(metrics);
        value["log_likelihood_nats"] = (-metrics.test_nll_nats_data_units).into();
        value["log_likelihood_nats_standardised"] = (-metrics.test_nll_nats).into();
        value["rows"] = metrics.test_rows.into();
        value["rows_not_finite"] = metrics.test_rows_not_finite.into();
        value["parameters"] = model.flow.parameter_count().into();
        value["data"] = data.into();
        value["faults"] = metrics.faults().into();
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, _| !key.starts_with("test_"));
        }
        return out::print_json(&value);
    }
    out::print_values(told(&metrics, data, model.flow.parameter_count()), 15)
}

/// The figures by name, for people.
fn told(metrics: &Metrics, data: String, parameters: usize) -> Vec<(&'static str, String)> {
    let optional = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let half = |error: Option<f64>| error.map(|error| metrics.half_width(error));
    let speed = |rate: Option<f64>, latency: Option<f64>| {
        format!("{} rows/s, {} ms a row", rate.map_or("-".into(), thousands), optional(latency, 3))
    };
    let seen = metrics.c2st_rows.map(|rows| format!("; {rows} samples and {rows} of {} rows", metrics.test_rows));
    let width = metrics.mmd2_bandwidth.map(|width| format!(", kernel {width:.3} wide, from the rows alone"));
    let mut lines = vec![
        ("data", data),
        ("rows", format!("{} ({} not finite)", metrics.test_rows, metrics.test_rows_not_finite)),
        (
            "log-likelihood",
            format!(
                "{:.4} ± {:.4} nats (95 %), data's own units",
                -metrics.test_nll_nats_data_units,
                metrics.half_width(metrics.standard_error)
            ),
        ),
        ("  standardised", format!("{:.4} nats, as papers quote it", -metrics.test_nll_nats)),
        (
            "C2ST",
            format!(
                "{} ± {} (0.5: samples pass for data){}",
                optional(metrics.c2st, 4),
                optional(half(metrics.c2st_standard_error), 4),
                seen.unwrap_or_default()
            ),
        ),
        (
            "MMD^2",
            format!(
                "{} ± {}{}",
                optional(metrics.mmd2, 6),
                optional(half(metrics.mmd2_standard_error), 6),
                width.unwrap_or_default()
            ),
        ),
    ];
    lines.extend(round_trips(metrics, "rows"));
    lines.push(("log_prob", speed(metrics.log_prob_rows_per_second, metrics.log_prob_latency_ms)));
    lines.push(("sample", speed(metrics.sample_rows_per_second, metrics.sample_latency_ms)));
    lines.push(("parameters", parameters.to_string()));
    lines.extend(metrics.faults().into_iter().map(|fault| ("attention", fault)));
    lines
}

/// How data and the model's own samples come back from their latents; `what` the data consist of.
pub(super) fn round_trips(metrics: &Metrics, what: &str) -> Vec<(&'static str, String)> {
    let shown =
        |error: Option<f64>| error.map_or("not finite".into(), |error| format!("max |x - f^-1(f(x))| = {error:.1e}"));
    let (rows, all) = (metrics.round_trip_rows, metrics.test_rows);
    let of = if rows == all { format!("all {all} {what}") } else { format!("the first {rows} of {all} {what}") };
    let worst = metrics.round_trip_worst.first().map(|worst| format!("; the worst is {}", worst.row));
    let mut lines =
        vec![("round trip", format!("{}, {of}{}", shown(metrics.round_trip_error), worst.unwrap_or_default()))];
    if let Some(own) = metrics.own_samples {
        lines.push((
            "own samples",
            format!(
                "{}, {} drawn; {} not finite, {} without a finite density, {} absurdly unlikely",
                shown(own.round_trip_error),
                own.drawn,
                own.not_finite,
                own.densities_not_finite,
                own.densities_low
            ),
        ));
    }
    lines
}

/// How the settings that cut a data set as before are given, where the command line or a recipe gave others.
pub(super) fn remedy(args: &Evaluate, settings: &[(&'static str, String)]) -> String {
    match (&args.recipe, &args.data) {
        (Some(recipe), _) => {
            let keys = settings.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ");
            format!("{keys} under [data] of {}", recipe.display())
        }
        (None, text) => changed(text.as_deref().unwrap_or_default(), settings),
    }
}

/// The rows to judge on, standardised as the flow wants them, and what they are called.
fn rows(args: &Evaluate, model: &Model) -> Outcome<(Rows, String)> {
    let config = match (&args.recipe, &args.data) {
        (Some(path), _) => match Recipe::read(path, Vec::new())?.plan()?.data {
            DataPlan::Table(config) => *config,
            DataPlan::Pictures(_) => {
                let message =
                    "--recipe: its data are pictures, and the flow models rows of a table; give a recipe over a table";
                return Err(Failure::input(message));
            }
        },
        (None, Some(text)) if text.starts_with("set=") => {
            if picture_config(text).is_ok_and(|config| config.is_some()) {
                return Err(Failure::input(format!(
                    "--data {text}: names a set of pictures, and the flow models rows of a table; give a table, or set=NAME of one"
                )));
            }
            data_config(text)?
        }
        (None, text) => {
            let path = Path::new(text.as_deref().unwrap_or_default());
            if path.is_dir() {
                return Err(Failure::input(format!(
                    "--data {}: is a folder, and the flow models rows of a table; give the table's file",
                    path.display()
                )));
            }
            let raw = read_rows(model, path)?;
            trained_on(model, path).iter().for_each(|told| out::note(told));
            return Ok((standardised(model, &raw, path)?, path.display().to_string()));
        }
    };
    let data = Prepared::from_table_for(model, &config)?;
    let split = Subset::from(args.split);
    let remedy = |settings: &[_]| remedy(args, settings);
    data.check_unseen(&model.facts, split, Remedy::Said(&remedy))?.iter().for_each(|doubt| out::note(doubt));
    let rows =
        data.part(split).rows().cloned().ok_or_else(|| Failure::input("--data: expected a table, got pictures"))?;
    Ok((rows, format!("{} split of {}", split.name(), data.source)))
}

fn standardised(model: &Model, raw: &RawRows, path: &Path) -> Outcome<Rows> {
    let s = &model.standardization;
    let scaled =
        || Rows::with_context(s.rows(&raw.values)?, model.columns(), s.context(&raw.context)?, model.context_columns());
    scaled().map_err(|error| Error::from(error).within(&path.display().to_string()).into())
}
