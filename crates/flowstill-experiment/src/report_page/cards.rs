//! Give every flow a card: what it is, what it learned from, what was measured, what it is for and where it ends.

use super::found::{Found, Run, Subject};
use super::html::Html;
use crate::report::Kind;
use crate::words::{decimal, first_names, thousands};
use serde_json::Value;

/// Cards of all roles; those of several are closed at first.
pub(super) fn section(html: &mut Html, run: &Run) {
    html.element("section", &[("id", "cards"), ("aria-labelledby", "cards-head")], |html| {
        html.leaf("h2", &[("id", "cards-head")], "Model cards");
        let only = run.roles().len() == 1;
        for (at, role) in run.roles().into_iter().enumerate() {
            let models: Vec<&Found> = run.of(role).collect();
            let id = format!("card-{at}");
            let place = [("id", id.as_str()), ("open", "")];
            html.element("details", if only { &place } else { &place[..1] }, |html| {
                let Some(first) = models.first() else { return };
                html.leaf("summary", &[], &format!("{role}: {}", first.row.model));
                card(html, run, first, &models);
            });
        }
    });
}

fn card(html: &mut Html, run: &Run, first: &Found, models: &[&Found]) {
    html.element("dl", &[], |html| {
        for (name, text) in lines(run, first) {
            html.leaf("dt", &[], name);
            html.leaf("dd", &[], &text);
        }
        html.leaf("dt", &[], "Flow files");
        html.element("dd", &[], |html| {
            html.element("ul", &[], |html| {
                for model in models {
                    let print =
                        model.report.as_ref().map(|report| report.flow.as_str()).filter(|print| !print.is_empty());
                    let print = print.map(|print| format!(", fingerprint {print}")).unwrap_or_default();
                    html.leaf("li", &[], &format!("seed {}{print}: {}", model.row.seed, model.flow.display()));
                }
            });
        });
    });
    html.leaf("h3", &[], "Intended use");
    html.leaf("p", &[], intended(run, first));
    html.leaf("h3", &[], "Limits");
    html.element("ul", &[], |html| limits(run, first, models).iter().for_each(|limit| html.leaf("li", &[], limit)));
}

fn lines(run: &Run, model: &Found) -> Vec<(&'static str, String)> {
    let row = &model.row;
    let plan = model.report.as_ref().map(|report| &report.plan);
    let mut out = vec![("Flow", row.model.clone()), ("Parameters", row.parameters.to_string())];
    out.push(("Learned from", lesson(plan.and_then(|plan| plan.get("distill")), row.kind)));
    if let Some((bytes, facts)) = &model.facts {
        out.push(("Data", facts.data.clone()));
        if !facts.columns.is_empty() {
            out.push(("Columns", format!("{}: {}", facts.columns.len(), first_names(&facts.columns, 40))));
        }
        if !facts.context_columns.is_empty() {
            out.push(("Conditioned on", first_names(&facts.context_columns, 40)));
        }
        if let Some(split) = &facts.split {
            let limit = split.limit_rows.map(|rows| format!(", at most {rows} to learn from")).unwrap_or_default();
            out.push((
                "Split",
                format!(
                    "{} rows or pictures, seed {}, test part {}, validation part {}{limit}; fingerprint of all {}, of the test part {}",
                    split.rows, split.seed, split.test, split.validation, split.table_fingerprint, split.test_fingerprint
                ),
            ));
        }
        out.push(("File", format!("{bytes} bytes, written by flowstill {}", facts.flowstill)));
    }
    if let Some(train) = plan.and_then(|plan| plan.get("train")) {
        out.push(("Training", training(train, model)));
    }
    out.push(("Measured", measured(run, model)));
    let notes = model.report.as_ref().map(|report| report.notes.join("; ")).unwrap_or_default();
    if !notes.is_empty() {
        out.push(("Done on the way", notes));
    }
    out
}

/// What a model was taught, in words.
fn lesson(distill: Option<&Value>, kind: Kind) -> String {
    let Some(distill) = distill.filter(|distill| distill.is_object()) else {
        return "data alone, by likelihood".into();
    };
    let weights = ["lkd", "ilkd", "skd", "teacher_samples"].into_iter().filter_map(|name| {
        let weight = distill.get(name)?.as_f64().filter(|weight| *weight != 0.0)?;
        Some(format!("{name} {}", decimal(weight, 4)))
    });
    let mut said: Vec<String> = weights.collect();
    let inherit = distill.get("inherit").filter(|inherit| inherit.as_str() != Some("none"));
    said.extend(inherit.map(|inherit| format!("started from the teacher's steps ({})", plain(inherit))));
    match (said.is_empty(), kind) {
        (true, _) => "data alone, by likelihood (every weight of its lesson is 0)".into(),
        (false, _) => format!("data, by likelihood, and its teacher: {}", said.join(", ")),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

fn training(train: &Value, model: &Found) -> String {
    let row = &model.row;
    let mut said = vec![format!("{} steps in {:.1} s, {} skipped", row.steps, row.train_seconds, row.skipped_steps)];
    let at = |path: &str| train.pointer(path).filter(|value| !value.is_null()).map(plain);
    said.extend(at("/batch").map(|batch| format!("batches of {batch}")));
    said.extend(
        at("/optimiser/kind").map(|kind| format!("{kind} at rate {}", at("/optimiser/rate").unwrap_or_default())),
    );
    said.extend(
        at("/schedule/kind")
            .map(|kind| format!("{kind} schedule, {} steps of warm-up", at("/schedule/warmup").unwrap_or_default())),
    );
    said.extend(at("/ema").filter(|ema| ema != "0.0" && ema != "0").map(|ema| format!("averaged weights {ema}")));
    said.join("; ")
}

/// The figures of the first seed; the table has all.
fn measured(run: &Run, model: &Found) -> String {
    let (row, metrics) = (&model.row, &model.row.metrics);
    let mut said = match metrics.bits_per_dim {
        Some(bits) => vec![format!("{bits:.4} bits/dim of the test pictures")],
        None => vec![format!("test log-likelihood {:.4} nats (standardised data)", -metrics.test_nll_nats)],
    };
    if metrics.bits_per_dim.is_none() && metrics.test_rows > 0 {
        said.push(format!("{:.4} nats in the data's own units", -metrics.test_nll_nats_data_units));
    }
    said.extend(row.validation_nll.map(|nll| format!("validation {nll:.4}")));
    said.extend(metrics.c2st.map(|value| format!("C2ST {value:.3}")));
    said.extend(metrics.frechet_distance.map(|value| format!("Frechet distance {value:.2}")));
    said.extend(metrics.sample_rows_per_second.map(|value| format!("{} samples/s", thousands(value))));
    said.extend(metrics.log_prob_rows_per_second.map(|value| format!("{} rows scored/s", thousands(value))));
    let seed = if run.of(&row.role).nth(1).is_some() { format!("seed {}: ", row.seed) } else { String::new() };
    seed + &said.join(", ")
}

fn intended(run: &Run, model: &Found) -> &'static str {
    match (model.row.metrics.bits_per_dim.is_some(), &run.subject) {
        (true, _) => {
            "Drawing and scoring pictures of the size and kind that it learned from, and studying how small flows learn."
        }
        (false, Subject::Frontier(report)) if report.without_data => {
            "Standing in for its teacher: drawing rows and giving log-densities of the same columns, faster or smaller."
        }
        _ => {
            "Drawing rows with these columns, and giving the log-density of rows that came about as the training data did."
        }
    }
}

fn limits(run: &Run, model: &Found, models: &[&Found]) -> Vec<String> {
    let mut out = vec![
        "A density says how usual a row is among the training data, not whether it is right; rows from elsewhere can have high ones.".to_string(),
        "Samples are not anonymous: a flow can give back rows that it learned from.".into(),
    ];
    if matches!(&run.subject, Subject::Frontier(report) if report.without_data) {
        out.push("It is measured on its teacher's samples: what the teacher has wrong, it was taught.".into());
    }
    if let Some(c2st) = model.row.metrics.c2st {
        out.push(format!(
            "A classifier tells its samples from test data in {:.1} of 100 cases; 50 would be chance.",
            100.0 * c2st
        ));
    }
    if run.models.iter().all(|model| model.row.seed == run.models[0].row.seed) {
        out.push("One seed: how much its figures would change with another is not known.".into());
    }
    for model in models {
        out.extend(model.row.metrics.faults().iter().map(|fault| format!("Seed {}: {fault}.", model.row.seed)));
    }
    out
}
