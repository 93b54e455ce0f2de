//! Say below a comparison's table what its figures are, and which of them are not what they seem.

use super::{Comparison, Kind, Row, Summary};
use flowstill_metrics::student_t_quantile;

/// Lines below the table.
pub(super) fn legend(comparison: &Comparison) -> Vec<String> {
    let mut lines = figures(comparison);
    lines.push(intervals(comparison.seeds.len()));
    lines.extend(comparison.summary.iter().flat_map(|summary| of_role(comparison, summary)));
    for failed in &comparison.failed {
        lines.push(format!(
            "{} (seed {}): left out of every figure, for it diverged: {}.",
            failed.role, failed.seed, failed.error
        ));
    }
    lines.extend(comparison.rows.iter().flat_map(of_model));
    if let Some(best) = &comparison.best_by_validation {
        lines.push(format!("{best}: the distilled student with the best validation, mean over seeds; no choice is made by the test split."));
    }
    lines
}

/// What the columns are.
fn figures(comparison: &Comparison) -> Vec<String> {
    let gains = "gain over plain: paired by seed with the plain student of the same shape and training, above 0 is better; \
                 the teacher's, of another shape, with `plain`.";
    let trips = "round trip: the largest |x - f^-1(f(x))|, of the test split and of the model's own samples.";
    let pictures = comparison.summary.iter().find_map(|summary| summary.pictures.as_ref());
    let Some(pictures) = pictures else {
        let of = comparison.rows.iter().find_map(|row| Some((row.metrics.c2st_rows?, row.metrics.test_rows)));
        let c2st = of.map(|(rows, all)| {
            format!(
                "C2ST: a classifier between samples and test rows, {rows} of {all}; 0.5 means that it cannot tell them."
            )
        });
        let nats = "test nats: mean log-likelihood of the test split, standardised data, higher is better.".to_string();
        return [nats, gains.into(), trips.into()].into_iter().chain(c2st).collect();
    };
    let mut lines = vec![
        "bits/dim: of the test pictures with one draw of noise each unless judge.draws says more, lower is better."
            .to_string(),
        gains.into(),
        trips.into(),
    ];
    if let (Some(network), Some(samples)) = (&pictures.frechet_network, pictures.frechet_samples) {
        lines.push(format!(
            "Frechet: squared Frechet distance of {network} features, {samples} samples against the train pictures{}; kernel: unbiased polynomial-kernel distance of the same features.",
            if network.starts_with("fid") { "" } else { " (no FID: another network)" }
        ));
    }
    lines
}

/// What stands behind a ±.
fn intervals(seeds: usize) -> String {
    match seeds {
        0 | 1 => "One seed: there is no interval over seeds, and no gain is told from 0; ± rows or pictures is the 95 % interval of that one seed's mean."
            .to_string(),
        _ => format!(
            "±: 95 % interval over {seeds} seeds by Student's t ({:.2} standard errors); ± rows or pictures: over the test split, mean over seeds. ?: not told from 0.",
            student_t_quantile(0.975, (seeds - 1) as f64)
        ),
    }
}

/// What is to be known of a role.
fn of_role(comparison: &Comparison, summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    let role = &summary.role;
    if let Some(differs) = &summary.differs {
        lines.push(match summary.kind {
            Kind::Teacher => format!("* {role}: not the plain student's budget: {differs}."),
            _ => format!("* {role}: not the plain student's shape or budget: {differs}."),
        });
    }
    match (summary.kind, summary.baseline.as_deref()) {
        (Kind::Distilled, None) => lines.push(format!(
            "{role}: no gain, for no plain student has its shape and training; add a variant with its flow and train, and every weight of [distill] at 0."
        )),
        (Kind::Distilled, Some(baseline)) if baseline != crate::recipe::PLAIN => {
            lines.push(format!("{role}: its gain is over {baseline}."));
        }
        _ => {}
    }
    let paired = summary
        .gain_over_plain_nats
        .or(summary.pictures.as_ref().and_then(|pictures| pictures.gain_over_plain_bits_per_dim))
        .map_or(0, |gain| gain.over.seeds);
    if paired > 0 && paired < comparison.seeds.len() {
        lines.push(format!("{role}: its gain is of {paired} seeds out of {}.", comparison.seeds.len()));
    }
    if summary.skipped_steps > 0 {
        lines.push(format!("{role}: {} steps were skipped for non-finite losses or gradients.", summary.skipped_steps));
    }
    lines
}

/// What is wrong with a single model.
fn of_model(row: &Row) -> Vec<String> {
    let name = format!("{} (seed {})", row.role, row.seed);
    let mut lines: Vec<String> = row.metrics.faults().iter().map(|fault| format!("! {name}: {fault}.")).collect();
    if let (Some(common), Some(baseline)) = (row.common, &row.baseline) {
        lines.push(format!(
            "! {name}: its gain over {baseline} is of the {} of {} rows that have a density under both.",
            common.rows, row.metrics.test_rows
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Metrics;
    use crate::report::{CommonRows, summarise};

    fn row(role: &str, seed: u64, kind: Kind, baseline: Option<&str>, nll: f64) -> Row {
        let metrics = Metrics {
            test_nll_nats: nll,
            standard_error: 0.1,
            test_rows: 100,
            c2st_rows: Some(60),
            ..Metrics::default()
        };
        Row { role: role.into(), seed, kind, baseline: baseline.map(String::from), metrics, ..Row::default() }
    }

    fn comparison(rows: Vec<Row>, seeds: Vec<u64>) -> Comparison {
        Comparison {
            name: "t".into(),
            data: "a table".into(),
            summary: summarise(&rows),
            seeds,
            rows,
            best_by_validation: None,
            mmd2_bandwidth: None,
            failed: Vec::new(),
            run: "runs/t".into(),
        }
    }

    #[test]
    fn a_table_shows_intervals_marks_and_why_a_gain_is_missing() {
        let mut rows = Vec::new();
        for (seed, noise) in [(1, 0.0), (2, 0.1), (3, -0.1)] {
            rows.push(row("teacher", seed, Kind::Teacher, Some("plain"), 0.5 + noise));
            rows.push(row("plain", seed, Kind::Plain, None, 2.0 + noise));
            rows.push(row("wide-plain", seed, Kind::Plain, None, 1.0 + noise));
            rows.push(row("lkd", seed, Kind::Distilled, Some("plain"), 1.95 + 2.0 * noise));
            rows.push(row("wide", seed, Kind::Distilled, None, 0.9 + noise));
        }
        rows[0].differs = Some("train: steps = 30, not 9".into());
        rows[3].metrics.test_rows_not_finite = 4;
        rows[3].common = Some(CommonRows { rows: 96, test_nll_nats: Some(1.95), baseline_test_nll_nats: Some(2.0) });
        let text = comparison(rows, vec![1, 2, 3]).text();
        let line = |start: &str| {
            text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"))
        };
        // Standard deviation 0.1, standard error 0.1 / sqrt(3), t = 4.3027: 0.2484.
        assert!(line("teacher *").contains("-0.5000 ± 0.2484"), "{text}");
        assert!(line("teacher *").contains("+1.5000 ± 0.0000 "), "{text}");
        assert!(line("lkd !").contains("+0.0500 ± 0.2484 ?"), "{text}");
        for without in ["wide-plain ", "wide ", "plain "] {
            assert!(!line(without).contains('+'), "{text}");
        }
        for said in [
            "* teacher: not the plain student's budget: train: steps = 30, not 9.",
            "wide: no gain, for no plain student has its shape and training",
            "! lkd (seed 1): 4 of 100 rows have no finite density",
            "! lkd (seed 1): its gain over plain is of the 96 of 100 rows",
            "95 % interval over 3 seeds by Student's t (4.30 standard errors)",
            "samples and test rows, 60 of 100;",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }

    #[test]
    fn one_seed_prints_no_interval_and_says_so() {
        let rows = vec![row("plain", 1, Kind::Plain, None, 2.0), row("lkd", 1, Kind::Distilled, Some("plain"), 1.9)];
        let text = comparison(rows, vec![1]).text();
        let table = text.lines().skip(4).take(2).collect::<Vec<_>>().join("\n");
        assert!(table.contains("+0.1000") && !table.contains('±') && !table.contains('?'), "{text}");
        assert!(text.contains("One seed: there is no interval over seeds"), "{text}");
    }
}
