//! `flowstill data`: list, check and describe tables; those of pictures go on in a room of their own.

use super::data_pictures;
use crate::args::Data;
use crate::dataspec::{data_config, picture_config};
use crate::failure::{Failure, Outcome};
use crate::out;
use flowstill::train::Dataset as _;
use flowstill_data::{PictureConfig, PictureSetName, SetName, check, sets};
use flowstill_experiment::Prepared;
use flowstill_experiment::words::{decimal, nearest, printable};
use flowstill_metrics::{Align, text_table};
use serde_json::json;
use std::path::Path;

pub(super) fn run(command: &Data) -> Outcome<()> {
    match command {
        Data::List { json } => list(*json),
        Data::Check { set, path, json } => check_set(set, path.as_deref(), *json),
        Data::Describe { data, json } => describe(data, *json),
    }
}

fn list(as_json: bool) -> Outcome<()> {
    if as_json {
        let all = sets().iter().map(|set| {
            let files: Vec<_> = set
                .files
                .iter()
                .map(|file| json!({ "name": file.name, "content": file.content, "columns": file.columns }))
                .collect();
            json!({
                "name": set.name, "dimensions": set.dimensions, "rows": set.rows, "origin": set.origin,
                "licence": set.licence, "files": files,
            })
        });
        return out::print_json(&json!({ "sets": all.collect::<Vec<_>>(), "picture_sets": data_pictures::listed() }));
    }
    let unknown = |number: usize| if number == 0 { "-".to_string() } else { number.to_string() };
    let rows: Vec<Vec<String>> = sets()
        .iter()
        .map(|set| {
            let [train, validation, test] = set.rows.map(unknown);
            vec![set.name.to_string(), unknown(set.dimensions), train, validation, test, set.origin.into()]
        })
        .collect();
    let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right];
    let mut text = text_table(&["set", "columns", "train", "validation", "test", "from"], &rows, &align);
    text.push_str("\nfiles that each is read from, under the folder that `path` names:\n");
    for set in sets() {
        let files = match set.files {
            [] => "ships inside".to_string(),
            files => files.iter().map(|file| file.name).collect::<Vec<_>>().join("; or "),
        };
        text.push_str(&format!("  {:10} {files} ({})\n", set.name.to_string(), set.licence));
    }
    out::print(&(text + "\n" + &data_pictures::list()))
}

fn check_set(set: &str, path: Option<&Path>, as_json: bool) -> Outcome<()> {
    if let Ok(name) = set.parse::<PictureSetName>() {
        return data_pictures::check(name, path, as_json);
    }
    let pictures = PictureSetName::ALL.map(PictureSetName::as_str);
    let name: SetName = set.parse().map_err(|error: flowstill_data::DataError| {
        match nearest(set, SetName::ALL.map(SetName::as_str).into_iter().chain(pictures)) {
            Some(near) => Failure::input(format!("data check: no set `{set}`; did you mean `{near}`?")),
            None => error.into(),
        }
    })?;
    let report = check(name, path)?;
    let agrees = report.differences.is_empty();
    if as_json {
        out::print_json(&json!({
            "set": name.to_string(), "dimensions": report.dimensions, "rows": report.rows, "agrees": agrees,
            "differences": report.differences, "steps": report.steps,
        }))?;
    } else {
        let [train, validation, test] = report.rows;
        let mut text = format!(
            "{name}: {} columns, {train} train, {validation} validation, {test} test rows\n",
            report.dimensions
        );
        report.steps.iter().for_each(|step| text.push_str(&format!("  {}\n", printable(step))));
        match agrees {
            true => text.push_str("agrees with the published shape\n"),
            false => {
                report.differences.iter().for_each(|line| text.push_str(&format!("differs: {}\n", printable(line))))
            }
        }
        out::print(&text)?;
    }
    match agrees {
        true => Ok(()),
        false => Err(Failure::run(format!(
            "{name}: the table differs from the published one in {} ways",
            report.differences.len()
        ))),
    }
}

fn describe(text: &str, as_json: bool) -> Outcome<()> {
    if Path::new(text).is_dir() {
        return data_pictures::describe(&PictureConfig::new(PictureSetName::Folder, text), as_json);
    }
    if text.starts_with("set=")
        && let Some(config) = picture_config(text)?
    {
        return data_pictures::describe(&config, as_json);
    }
    let data = Prepared::from_table(&data_config(text)?)?;
    let rows = [data.training.train.len(), data.training.validation.len(), data.test.len()];
    let scales = &data.standardization;
    if as_json {
        return out::print_json(&json!({
            "source": data.source, "columns": data.names, "context_columns": data.context_names,
            "rows": { "train": rows[0], "validation": rows[1], "test": rows[2] },
            "mean": scales.mean, "std": scales.std, "log_det_of_standardization_nats": scales.log_det(),
            "steps": data.steps,
        }));
    }
    let values = data.training.train.rows().map(flowstill::train::Rows::values).unwrap_or_default();
    let columns = data.names.len();
    let cells = data.names.iter().enumerate().map(|(at, name)| {
        let own = values.iter().skip(at).step_by(columns);
        let (low, high) = own.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
        // Rows are kept in single precision, standardised: digits past it are none of the table's.
        let raw = |value: f32| {
            let step = f64::from(value.abs().max(1.0)) * scales.std[at] * f64::from(f32::EPSILON);
            let most = (-step.log10().ceil()).clamp(0.0, 5.0) as usize;
            decimal(f64::from(value) * scales.std[at] + scales.mean[at], most)
        };
        vec![printable(name).into_owned(), decimal(scales.mean[at], 5), decimal(scales.std[at], 5), raw(low), raw(high)]
    });
    let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right];
    let table =
        text_table(&["column", "mean", "deviation", "train min", "train max"], &cells.collect::<Vec<_>>(), &align);
    let steps: String = data.steps.iter().map(|step| format!("  {}\n", printable(step))).collect();
    out::print(&format!(
        "{}\n{} train, {} validation, {} test rows\n{steps}\n{table}",
        printable(&data.source),
        rows[0],
        rows[1],
        rows[2]
    ))
}
