//! Lay a comparison out for people: on the terminal and in Markdown.

use super::legend::legend;
use super::{Comparison, Gain, OverSeeds, PictureSummary, Summary};
use crate::words::{printable, thousands};
use flowstill_metrics::{Align, half_width_95, markdown_table, text_table};

const HEADERS: [&str; 10] = [
    "role",
    "parameters",
    "test nats",
    "± rows",
    "gain over plain",
    "samples/s",
    "log_prob rows/s",
    "C2ST",
    "round trip",
    "of samples",
];

const PICTURE_HEADERS: [&str; 13] = [
    "role",
    "parameters",
    "bits/dim",
    "± pictures",
    "gain over plain",
    "Frechet",
    "gain over plain ",
    "kernel x 1000",
    "precision / recall",
    "samples/s",
    "ms/sample",
    "round trip",
    "of samples",
];

const ALIGN: [Align; 13] = {
    let mut all = [Align::Right; 13];
    all[0] = Align::Left;
    all
};

/// The columns.
pub(super) fn headers(comparison: &Comparison) -> &'static [&'static str] {
    match comparison.summary.iter().any(|summary| summary.pictures.is_some()) {
        true => &PICTURE_HEADERS,
        false => &HEADERS,
    }
}

/// The table with what it means, for a terminal.
pub(super) fn text(comparison: &Comparison) -> String {
    let table = text_table(headers(comparison), &cells(comparison), &ALIGN);
    format!("{}\n\n{table}\n{}\n", heading(comparison), legend(comparison).join("\n"))
}

/// The same as Markdown.
pub(super) fn markdown(comparison: &Comparison) -> String {
    let table = markdown_table(headers(comparison), &cells(comparison), &ALIGN);
    format!("# {}\n\n{}\n\n{table}\n{}\n", comparison.name, heading(comparison), legend(comparison).join("\n\n"))
}

fn heading(comparison: &Comparison) -> String {
    let seeds = comparison.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    format!("{}: {} (seeds {seeds})", printable(&comparison.name), printable(&comparison.data))
}

/// A row for each role.
pub(super) fn cells(comparison: &Comparison) -> Vec<Vec<String>> {
    let test_rows = comparison.rows.iter().map(|row| row.metrics.independent()).max().unwrap_or(0);
    comparison.summary.iter().map(|summary| cells_of(summary, test_rows)).collect()
}

/// A role with its marks: another shape or training, and numbers that are not to be trusted.
fn marked(summary: &Summary) -> String {
    let differs = if summary.differs.is_some() { " *" } else { "" };
    let faulty = if summary.seeds_with_faults.is_empty() { "" } else { " !" };
    format!("{}{differs}{faulty}", summary.role)
}

/// A mean with its interval, where it has one.
fn with_interval(value: Option<OverSeeds>, digits: usize) -> String {
    value.map_or_else(none, |value| format!("{:.digits$}{}", value.mean, interval(value, digits)))
}

/// A gain with its sign and interval, marked where the interval does not leave 0 out.
fn gain(value: Option<Gain>, digits: usize) -> String {
    value.map_or_else(none, |gain| {
        let mark = if gain.excludes_zero == Some(false) { " ?" } else { "" };
        format!("{:+.digits$}{}{mark}", gain.over.mean, interval(gain.over, digits))
    })
}

fn interval(value: OverSeeds, digits: usize) -> String {
    value.half_width_95().map(|half| format!(" ± {half:.digits$}")).unwrap_or_default()
}

fn none() -> String {
    "-".to_string()
}

/// Half the interval of a mean over the test rows.
fn over_rows(standard_error: f64, test_rows: usize) -> String {
    half_width_95(standard_error, test_rows).map_or_else(none, |half| format!("{half:.4}"))
}

fn picture_cells(summary: &Summary, pictures: &PictureSummary, test_pictures: usize) -> Vec<String> {
    let near = |value: Option<OverSeeds>| value.map_or_else(none, |value| format!("{:.3}", value.mean));
    vec![
        marked(summary),
        thousands(summary.parameters as f64),
        with_interval(Some(pictures.bits_per_dim), 4),
        over_rows(pictures.bits_per_dim_standard_error_over_pictures, test_pictures),
        gain(pictures.gain_over_plain_bits_per_dim, 4),
        with_interval(pictures.frechet_distance, 2),
        gain(pictures.gain_over_plain_frechet, 2),
        with_interval(pictures.kernel_distance.map(|value| value.times(1e3)), 2),
        format!("{} / {}", near(pictures.precision), near(pictures.recall)),
        summary.sample_rows_per_second.map_or_else(none, thousands),
        summary.sample_latency_ms.map_or_else(none, |value| format!("{value:.1}")),
        summary.round_trip_error.map_or_else(|| "not finite".into(), |value| format!("{value:.1e}")),
        summary.own_samples_round_trip_error.map_or_else(none, |value| format!("{value:.1e}")),
    ]
}

fn cells_of(summary: &Summary, test_rows: usize) -> Vec<String> {
    if let Some(pictures) = &summary.pictures {
        return picture_cells(summary, pictures, test_rows);
    }
    vec![
        marked(summary),
        thousands(summary.parameters as f64),
        with_interval(summary.test_nll_nats.map(|nll| nll.times(-1.0)), 4),
        over_rows(summary.standard_error_over_rows, test_rows),
        gain(summary.gain_over_plain_nats, 4),
        summary.sample_rows_per_second.map_or_else(none, thousands),
        summary.log_prob_rows_per_second.map_or_else(none, thousands),
        summary.c2st.map_or_else(none, |value| format!("{:.3}", value.mean)),
        summary.round_trip_error.map_or_else(|| "not finite".into(), |value| format!("{value:.1e}")),
        summary.own_samples_round_trip_error.map_or_else(none, |value| format!("{value:.1e}")),
    ]
}
