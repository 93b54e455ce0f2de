//! Lay the figures out: every role or finalist, all that was tried, every model by seed.

use super::found::{Found, Run, Subject};
use super::front;
use super::html::Html;
use super::sections::section;
use super::table::table;
use crate::frontier::Candidate;
use crate::words::{decimal, thousands};

/// The tables of a run, and of a search the front above them.
pub(super) fn results(html: &mut Html, run: &Run) {
    let below = |html: &mut Html, lines: &[String]| {
        html.element("ul", &[("class", "soft")], |html| lines.iter().for_each(|line| html.leaf("li", &[], line)));
    };
    section(html, "results", "Results", |html| {
        match &run.subject {
            Subject::Comparison(comparison) => {
                let (headers, rows, lines) = comparison.table();
                table(html, "roles", "Every role, mean over seeds. A column's head sorts by it.", headers, &rows);
                below(html, &lines);
            }
            Subject::Frontier(report) => {
                front::front(html, report);
                let (headers, rows, lines) = report.table();
                table(html, "front", "The teacher and the finalists. A column's head sorts by it.", &headers, &rows);
                below(html, &lines);
                let rows: Vec<Vec<String>> = report.candidates.iter().map(candidate).collect();
                let headers =
                    ["candidate", "flow", "parameters", "samples/s", "rungs", "last validation nats", "outcome"];
                table(html, "candidates", "All that were tried, on validation alone.", &headers, &rows);
            }
            Subject::Models => {}
        }
        let pictures = run.models.iter().any(|model| model.row.metrics.bits_per_dim.is_some());
        let density = if pictures { "bits/dim" } else { "test nats" };
        let headers = [
            "model",
            "seed",
            density,
            "± 95 %",
            "validation",
            "parameters",
            "C2ST",
            "steps",
            "skipped",
            "train s",
            "fingerprint",
        ];
        let rows: Vec<Vec<String>> = run.models.iter().map(one).collect();
        let caption = "Every model, by seed; ± is the interval over the test split alone.";
        let all = |html: &mut Html| table(html, "models", caption, &headers, &rows);
        match &run.subject {
            Subject::Models => all(html),
            _ => html.element("details", &[("id", "by-seed")], |html| {
                html.leaf("summary", &[], "Every model, by seed, with its fingerprint");
                all(html);
            }),
        }
    });
}

fn one(model: &Found) -> Vec<String> {
    let (row, metrics) = (&model.row, &model.row.metrics);
    let or = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let (value, error) = match (metrics.bits_per_dim, metrics.bits_per_dim_standard_error) {
        (Some(bits), error) => (bits, error.unwrap_or(f64::NAN)),
        _ => (-metrics.test_nll_nats, metrics.standard_error),
    };
    let half = if metrics.test_rows > 0 { metrics.half_width(error) } else { f64::NAN };
    vec![
        row.role.clone(),
        row.seed.to_string(),
        format!("{value:.4}"),
        or(half.is_finite().then(|| format!("{half:.4}"))),
        or(row.validation_nll.map(|nll| format!("{nll:.4}"))),
        row.parameters.to_string(),
        or(metrics.c2st.map(|value| format!("{value:.3}"))),
        row.steps.to_string(),
        row.skipped_steps.to_string(),
        or((row.train_seconds > 0.0).then(|| format!("{:.1}", row.train_seconds))),
        or(model.report.as_ref().map(|report| report.flow.clone()).filter(|print| !print.is_empty())),
    ]
}

fn candidate(one: &Candidate) -> Vec<String> {
    let last = one.rungs.last();
    let outcome = match (&one.failed, one.broken.is_empty()) {
        (Some(why), _) => why.clone(),
        (None, false) => format!("over the budget: {}", one.broken.join(", ")),
        (None, true) => last.map_or_else(|| "not trained".into(), |(steps, _)| format!("trained for {steps} steps")),
    };
    vec![
        one.role.clone(),
        one.model.clone(),
        one.cost.parameters.to_string(),
        thousands(one.cost.samples_per_second.median),
        one.rungs.len().to_string(),
        last.and_then(|(_, nll)| *nll).map_or_else(|| "-".into(), |nll| decimal(-nll, 4)),
        outcome,
    ]
}
