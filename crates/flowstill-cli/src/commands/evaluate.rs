//! `flowstill evaluate`: how well a flow does on data it has not seen.

use crate::args::{Evaluate, Split};
use crate::failure::{Failure, Outcome};
use crate::judge::{JudgeConfig, judge};
use crate::leak::{self, Typed};
use crate::picture_data::picture_config;
use crate::{device, out, tables};
use flowstill::file;
use flowstill::model::Model;
use flowstill::train::Rows;
use std::path::Path;

pub(super) fn run(args: &Evaluate) -> Outcome<()> {
    device::choose(args.device.name())?;
    let model = file::load(&args.flow, &device::current())?;
    if model.pictures.is_some() {
        return super::evaluate_pictures::run(args, &model);
    }
    let given = [("draws", args.draws.is_some()), ("features", args.features.is_some())];
    super::refuse_options(&given, "the flow models rows of a table, and this goes with pictures")?;
    let (rows, data) = rows(args, &model)?;
    if rows.len() < 2 {
        return Err(Failure::input(format!("{data}: expected at least 2 rows to evaluate on, got {}", rows.len())));
    }
    let config = JudgeConfig { samples: args.samples, ..JudgeConfig::default() };
    config.check().map_err(|message| Failure::input(message.replace("judge.", "--")))?;
    let verdict = judge(&model, &rows, &config)?;
    if args.json {
        let mut value = serde_json::json!(verdict);
        value["log_likelihood_nats"] = (-verdict.test_nll_nats_data_units).into();
        value["log_likelihood_nats_standardised"] = (-verdict.test_nll_nats).into();
        value["rows"] = verdict.test_rows.into();
        value["rows_not_finite"] = verdict.test_rows_not_finite.into();
        value["parameters"] = model.flow.parameter_count().into();
        value["data"] = data.into();
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, _| !key.starts_with("test_"));
        }
        return out::print_json(&value);
    }
    let optional = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let rate = |value: Option<f64>| value.map_or("-".into(), crate::table::thousands);
    let lines = [
        ("data", data),
        ("rows", format!("{} ({} not finite)", verdict.test_rows, verdict.test_rows_not_finite)),
        (
            "log-likelihood",
            format!(
                "{:.4} ± {:.4} nats (2 se), data's own units",
                -verdict.test_nll_nats_data_units,
                2.0 * verdict.standard_error
            ),
        ),
        ("  standardised", format!("{:.4} nats, as papers quote it", -verdict.test_nll_nats)),
        (
            "C2ST",
            format!(
                "{} ± {} (0.5: samples pass for data)",
                optional(verdict.c2st, 4),
                optional(verdict.c2st_standard_error.map(|e| 2.0 * e), 4)
            ),
        ),
        (
            "MMD^2",
            format!("{} ± {}", optional(verdict.mmd2, 6), optional(verdict.mmd2_standard_error.map(|e| 2.0 * e), 6)),
        ),
        (
            "round trip",
            verdict.round_trip_error.map_or("not finite".into(), |v| format!("max |x - f^-1(f(x))| = {v:.1e}")),
        ),
        (
            "log_prob",
            format!(
                "{} rows/s, {} ms a row",
                rate(verdict.log_prob_rows_per_second),
                optional(verdict.log_prob_latency_ms, 3)
            ),
        ),
        (
            "sample",
            format!(
                "{} rows/s, {} ms a row",
                rate(verdict.sample_rows_per_second),
                optional(verdict.sample_latency_ms, 3)
            ),
        ),
        ("parameters", model.flow.parameter_count().to_string()),
    ];
    out::print(&lines.map(|(name, value)| format!("{name:15} {value}\n")).concat())
}

/// The rows to judge on, standardised as the flow wants them, and what they are called.
fn rows(args: &Evaluate, model: &Model) -> Outcome<(Rows, String)> {
    let config = match (&args.recipe, &args.data) {
        (Some(path), _) => match crate::plan::Plan::new(&crate::recipe::read_file(path, Vec::new())?)?.data {
            crate::plan::DataPlan::Table(config) => *config,
            crate::plan::DataPlan::Pictures(_) => {
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
            tables::data_config(text)?
        }
        (None, text) => {
            let path = Path::new(text.as_deref().unwrap_or_default());
            if path.is_dir() {
                return Err(Failure::input(format!(
                    "--data {}: is a folder, and the flow models rows of a table; give the table's file",
                    path.display()
                )));
            }
            let raw = tables::read_for(model, path)?;
            leak::tell_whole(&model.facts, path);
            return Ok((standardised(model, &raw, path)?, path.display().to_string()));
        }
    };
    let data = tables::load_for(model, &config)?;
    leak::check(&model.facts, &data, args.split, Typed::Data)?;
    let (rows, split) = match args.split {
        Split::Train => (data.training.train, "train"),
        Split::Validation => (data.training.validation, "validation"),
        Split::Test => (data.test, "test"),
    };
    let rows = rows.rows().cloned().ok_or_else(|| Failure::input("--data: expected a table, got pictures"))?;
    Ok((rows, format!("{} split of {}", split, data.source)))
}

fn standardised(model: &Model, raw: &tables::RawRows, path: &Path) -> Outcome<Rows> {
    let s = &model.standardization;
    let scaled =
        || Rows::with_context(s.rows(&raw.values)?, model.columns(), s.context(&raw.context)?, model.context_columns());
    scaled().map_err(|error| Failure::from(error).within(&path.display().to_string()))
}
