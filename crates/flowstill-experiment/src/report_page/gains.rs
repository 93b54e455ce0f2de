//! Draw gains with their intervals, one row each, about the line of no gain.

use super::chart::{Chart, Range, WIDTH, dot, label, line};
use super::html::Html;

/// A gain with what stands behind it; above 0 is better.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GainRow {
    /// Whose it is.
    pub name: String,
    /// Its mean.
    pub mean: f64,
    /// The ends of its 95 % interval; none for one seed.
    pub interval: Option<[f64; 2]>,
    /// One value a seed, where they are known.
    pub values: Vec<f64>,
}

impl GainRow {
    /// Whether the interval leaves 0 out; none without one.
    pub(super) fn told(&self) -> Option<bool> {
        self.interval.map(|[low, high]| low > 0.0 || high < 0.0)
    }

    /// The figure with its interval.
    pub(super) fn figure(&self, unit: &str) -> String {
        match self.interval {
            Some([low, high]) => format!("{:+.4} {unit} (95 % interval {low:+.4} to {high:+.4})", self.mean),
            None => format!("{:+.4} {unit} (one seed, no interval)", self.mean),
        }
    }

    /// What it comes to.
    pub(super) fn outcome(&self) -> &'static str {
        match (self.told(), self.mean > 0.0) {
            (None, _) => "one seed: cannot be told apart from chance",
            (Some(false), _) => "not told apart: the interval holds 0",
            (Some(true), true) => "better: the interval lies above 0",
            (Some(true), false) => "worse: the interval lies below 0",
        }
    }
}

/// Rows of gains; nothing without any.
pub(super) fn gains(html: &mut Html, title: &str, unit: &str, rows: &[GainRow]) {
    if rows.is_empty() {
        return;
    }
    let ends = rows.iter().flat_map(|row| row.interval.into_iter().flatten().chain([row.mean, 0.0]));
    let told: Vec<String> =
        rows.iter().map(|row| format!("{}: {}; {}.", row.name, row.figure(unit), row.outcome())).collect();
    let axis = format!("gain in {unit}; above 0 is better");
    let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    let chart = Chart {
        id: "gains-chart",
        title,
        description: &told.join(" "),
        x: (Range::around(ends, false), &axis),
        y: None,
        height: Chart::height_of(rows.len(), 30.0),
        left: Some((longest as f64 * 7.4 + 24.0).clamp(70.0, WIDTH / 2.0)),
    };
    let bottom = chart.top() + rows.len() as f64 * 30.0;
    let marks = |html: &mut Html| {
        if let Some(zero) = chart.x(0.0) {
            line(html, "zero", [zero, chart.top(), zero, bottom]);
        }
        for (at, row) in rows.iter().enumerate() {
            one(html, &chart, unit, row, chart.top() + (at as f64 + 0.5) * 30.0);
        }
    };
    chart.write(html, marks, |html| {
        let said =
            "Full: the 95 % interval leaves 0 out. Hollow: it does not, or there is none. Small ticks: single seeds.";
        html.leaf("p", &[("class", "soft")], said);
    });
}

fn one(html: &mut Html, chart: &Chart<'_>, unit: &str, row: &GainRow, y: f64) {
    let Some(x) = chart.x(row.mean) else { return };
    let kind = match (row.told(), row.mean > 0.0) {
        (Some(true), true) => 2,
        (Some(true), false) => 1,
        _ => 7,
    };
    chart.mark(html, kind, [&format!("{}: {}", row.name, row.figure(unit)), row.outcome()], |html| {
        let name: String = row.name.chars().take(40).collect();
        label(html, "", [8.0, y + 4.0], "start", &name);
        if let Some([Some(low), Some(high)]) = row.interval.map(|ends| ends.map(|end| chart.x(end))) {
            line(html, "stroke", [low, y, high, y]);
            line(html, "stroke", [low, y - 5.0, low, y + 5.0]);
            line(html, "stroke", [high, y - 5.0, high, y + 5.0]);
        }
        for seed in row.values.iter().filter_map(|value| chart.x(*value)) {
            line(html, "stroke", [seed, y + 6.0, seed, y + 10.0]);
        }
        dot(html, if row.told() == Some(true) { "fill" } else { "hollow" }, [x, y], 5.0);
        dot(html, "ring", [x, y], 9.0);
    });
}
