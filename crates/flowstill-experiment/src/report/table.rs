//! Lay a comparison out for people: on the terminal and in Markdown.

use super::{Comparison, OverSeeds, PictureSummary, Summary};
use crate::recipe::PLAIN;
use crate::words::thousands;
use flowstill_metrics::{Align, markdown_table, text_table};

const HEADERS: [&str; 9] = [
    "role",
    "parameters",
    "test nats",
    "± 2 se rows",
    "gain over plain",
    "samples/s",
    "log_prob rows/s",
    "C2ST",
    "round trip",
];

const ALIGN: [Align; 9] = [
    Align::Left,
    Align::Right,
    Align::Right,
    Align::Right,
    Align::Right,
    Align::Right,
    Align::Right,
    Align::Right,
    Align::Right,
];

const PICTURE_HEADERS: [&str; 12] = [
    "role",
    "parameters",
    "bits/dim",
    "± 2 se pictures",
    "gain over plain",
    "Frechet",
    "gain over plain ",
    "kernel x 1000",
    "precision / recall",
    "samples/s",
    "ms/sample",
    "round trip",
];

const PICTURE_ALIGN: [Align; 12] = {
    let mut all = [Align::Right; 12];
    all[0] = Align::Left;
    all
};

fn of_pictures(comparison: &Comparison) -> bool {
    comparison.summary.iter().any(|summary| summary.pictures.is_some())
}

/// The table with what it means, for a terminal.
pub(super) fn text(comparison: &Comparison) -> String {
    let table = match of_pictures(comparison) {
        true => text_table(&PICTURE_HEADERS, &cells(comparison), &PICTURE_ALIGN),
        false => text_table(&HEADERS, &cells(comparison), &ALIGN),
    };
    format!("{}\n\n{table}\n{}\n", heading(comparison), legend(comparison).join("\n"))
}

/// The same as Markdown.
pub(super) fn markdown(comparison: &Comparison) -> String {
    let table = match of_pictures(comparison) {
        true => markdown_table(&PICTURE_HEADERS, &cells(comparison), &PICTURE_ALIGN),
        false => markdown_table(&HEADERS, &cells(comparison), &ALIGN),
    };
    format!("# {}\n\n{}\n\n{table}\n{}\n", comparison.name, heading(comparison), legend(comparison).join("\n\n"))
}

fn heading(comparison: &Comparison) -> String {
    let seeds = comparison.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    format!("{}: {} (seeds {seeds})", comparison.name, comparison.data)
}

fn cells(comparison: &Comparison) -> Vec<Vec<String>> {
    comparison.summary.iter().map(cells_of).collect()
}

fn picture_cells(summary: &Summary, pictures: &PictureSummary) -> Vec<String> {
    let none = || "-".to_string();
    let marker = if summary.differs.is_some() { " *" } else { "" };
    let with_errors = |value: Option<OverSeeds>, digits: usize, sign: bool| match value {
        None => none(),
        Some(value) => {
            let error = value.standard_error.map(|e| format!(" ± {:.digits$}", 2.0 * e)).unwrap_or_default();
            if sign { format!("{:+.digits$}{error}", value.mean) } else { format!("{:.digits$}{error}", value.mean) }
        }
    };
    let thousandfold = |value: OverSeeds| OverSeeds {
        mean: 1e3 * value.mean,
        standard_deviation: value.standard_deviation.map(|v| 1e3 * v),
        standard_error: value.standard_error.map(|v| 1e3 * v),
    };
    let near = |value: Option<OverSeeds>| value.map_or_else(none, |value| format!("{:.3}", value.mean));
    vec![
        format!("{}{marker}", summary.role),
        thousands(summary.parameters as f64),
        with_errors(Some(pictures.bits_per_dim), 4, false),
        format!("{:.4}", 2.0 * pictures.bits_per_dim_standard_error_over_pictures),
        with_errors(pictures.gain_over_plain_bits_per_dim, 4, true),
        with_errors(pictures.frechet_distance, 2, false),
        with_errors(pictures.gain_over_plain_frechet, 2, true),
        with_errors(pictures.kernel_distance.map(thousandfold), 2, false),
        format!("{} / {}", near(pictures.precision), near(pictures.recall)),
        summary.sample_rows_per_second.map_or_else(none, thousands),
        summary.sample_latency_ms.map_or_else(none, |value| format!("{value:.1}")),
        summary.round_trip_error.map_or_else(|| "not finite".into(), |value| format!("{value:.1e}")),
    ]
}

fn cells_of(summary: &Summary) -> Vec<String> {
    if let Some(pictures) = &summary.pictures {
        return picture_cells(summary, pictures);
    }
    let none = || "-".to_string();
    let marker = if summary.differs.is_some() { " *" } else { "" };
    let likelihood = summary.test_nll_nats.map(|nll| OverSeeds { mean: -nll.mean, ..nll });
    let gain = match summary.role == PLAIN {
        true => none(),
        false => {
            summary.gain_over_plain_nats.map_or_else(none, |gain| format!("{:+.4}{}", gain.mean, two_errors(gain)))
        }
    };
    vec![
        format!("{}{marker}", summary.role),
        thousands(summary.parameters as f64),
        likelihood.map_or_else(none, |value| format!("{:.4}{}", value.mean, two_errors(value))),
        format!("{:.4}", 2.0 * summary.standard_error_over_rows),
        gain,
        summary.sample_rows_per_second.map_or_else(none, thousands),
        summary.log_prob_rows_per_second.map_or_else(none, thousands),
        summary.c2st.map_or_else(none, |value| format!("{:.3}", value.mean)),
        summary.round_trip_error.map_or_else(|| "not finite".into(), |value| format!("{value:.1e}")),
    ]
}

fn two_errors(value: OverSeeds) -> String {
    value.standard_error.map(|error| format!(" ± {:.4}", 2.0 * error)).unwrap_or_default()
}

fn legend(comparison: &Comparison) -> Vec<String> {
    let pictures = comparison.summary.iter().find_map(|summary| summary.pictures.as_ref());
    let of_pictures = pictures.map(|pictures| {
        let mut lines = vec![
            "bits/dim: of the test pictures with one draw of noise each unless judge.draws says more, lower is better; mean over seeds ± 2 standard errors of that mean. Gains: plain less this, of the same seed; above 0 is better."
                .to_string(),
        ];
        if let (Some(network), Some(samples)) = (&pictures.frechet_network, pictures.frechet_samples) {
            lines.push(format!(
                "Frechet: squared Frechet distance of {network} features, {samples} samples against the train pictures{}; kernel: unbiased polynomial-kernel distance of the same features.",
                if network.starts_with("fid") { "" } else { " (no FID: another network)" }
            ));
        }
        lines
    });
    let mut lines = of_pictures.unwrap_or_else(|| vec![
        "test nats: mean log-likelihood of the test split, standardised data, higher is better; mean over seeds ± 2 standard errors of that mean."
            .to_string(),
        "gain over plain: the same, less the plain student's of the same seed; C2ST: 0.5 means samples that a classifier cannot tell from data."
            .to_string(),
    ]);
    if comparison.seeds.len() < 6 {
        lines.push("With so few seeds the spread over seeds is a rough guess.".into());
    }
    for summary in &comparison.summary {
        let distilled = Comparison::is_distilled(&summary.role);
        if let (true, Some(differs)) = (distilled, &summary.differs) {
            lines.push(format!("* {}: not the plain student's shape or budget: {differs}.", summary.role));
        }
        if summary.skipped_steps > 0 {
            let steps = summary.skipped_steps;
            lines.push(format!("{}: {steps} steps were skipped for non-finite losses or gradients.", summary.role));
        }
    }
    let mut spikes: Vec<String> =
        comparison.rows.iter().flat_map(|row| row.metrics.unbounded_columns.clone()).collect();
    spikes.sort_unstable();
    spikes.dedup();
    if !spikes.is_empty() {
        lines.push(format!(
            "Likelihoods are unbounded: values recur in {}, and a flow can put spikes on them; `flowstill data describe` names the cure.",
            crate::words::first_names(&spikes, 8)
        ));
    }
    for failed in &comparison.failed {
        lines.push(format!("{} (seed {}): left out, for it diverged: {}.", failed.role, failed.seed, failed.error));
    }
    let lost: Vec<String> = comparison
        .rows
        .iter()
        .filter(|row| row.metrics.test_rows_not_finite + row.metrics.samples_not_finite > 0)
        .map(|row| {
            let metrics = &row.metrics;
            format!(
                "{} (seed {}): {} test densities and {} samples were not finite and are left out.",
                row.role, row.seed, metrics.test_rows_not_finite, metrics.samples_not_finite
            )
        })
        .collect();
    lines.extend(lost);
    lines
}
