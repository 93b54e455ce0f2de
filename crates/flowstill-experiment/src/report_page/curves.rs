//! Draw lines over steps, thinned to what a chart can show.

use super::chart::{Chart, Range, short};
use super::html::Html;
use crate::words::decimal;
use flowstill_metrics::plots::Series;

/// Stretches of a line of which the lowest and the highest point are kept.
const STRETCHES: usize = 150;

/// What a chart of lines is called.
pub(super) struct Names<'a> {
    /// The page's own name for it.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// What lies along the side.
    pub unit: &'a str,
}

/// Lines over steps; nothing where there is no point.
pub(super) fn curves(html: &mut Html, names: &Names<'_>, series: &[Series]) {
    let thin: Vec<Series> = series.iter().map(thinned).filter(|one| !one.points.is_empty()).collect();
    if thin.is_empty() {
        return;
    }
    let all = || thin.iter().flat_map(|one| one.points.iter().copied());
    let (cut, top) = without_first_fall(all().map(|point| point.1).collect());
    let cut_said = if cut { " The first, highest values lie above the frame." } else { "" };
    let description = format!("{} lines over the steps of training, in {}.{cut_said}", thin.len(), names.unit);
    let chart = Chart {
        id: names.id,
        title: names.title,
        description: &description,
        x: (Range::around(all().map(|point| point.0), false), "step"),
        y: Some((Range::around(all().map(|point| point.1.min(top)), false), names.unit)),
        height: 360.0,
        left: None,
    };
    let lines = |html: &mut Html| thin.iter().enumerate().for_each(|(kind, one)| line(html, &chart, kind, one));
    chart.write(html, lines, |html| {
        html.element("ul", &[("class", "legend")], |html| {
            for (kind, one) in thin.iter().enumerate() {
                html.element("li", &[("class", &format!("k{}", kind % 8))], |html| {
                    html.element("svg", &[("viewBox", "0 0 26 12"), ("aria-hidden", "true")], |html| {
                        html.leaf("polyline", &[("class", stroke(kind)), ("points", "0,6 26,6")], "");
                    });
                    html.text(&one.name);
                });
            }
        });
        if cut {
            html.leaf("p", &[("class", "soft")], cut_said.trim());
        }
    });
}

/// Eight colours, and dashes for the next eight.
fn stroke(kind: usize) -> &'static str {
    if (kind / 8) % 2 == 1 { "stroke dash" } else { "stroke" }
}

fn line(html: &mut Html, chart: &Chart<'_>, kind: usize, one: &Series) {
    let (Some(first), Some(last)) = (one.points.first(), one.points.last()) else { return };
    let lowest = one.points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(*last);
    let at = |(step, value): (f64, f64)| format!("{} at step {}", decimal(value, 4), decimal(step, 0));
    let told = format!("from {} to {}; lowest {}", at(*first), at(*last), at(lowest));
    chart.mark(html, kind, [&one.name, &told], |html| {
        let places: Vec<String> = one
            .points
            .iter()
            .filter_map(|(step, value)| Some(format!("{},{}", short(chart.x(*step)?), short(chart.y(*value)?))))
            .collect();
        html.leaf("polyline", &[("class", stroke(kind)), ("points", &places.join(" "))], "");
    });
}

/// The lowest and the highest point of each stretch, in their order.
fn thinned(series: &Series) -> Series {
    let finite: Vec<(f64, f64)> =
        series.points.iter().copied().filter(|(step, value)| step.is_finite() && value.is_finite()).collect();
    if finite.len() <= 2 * STRETCHES {
        return Series { name: series.name.clone(), points: finite };
    }
    let mut points = Vec::with_capacity(2 * STRETCHES + 2);
    for stretch in finite.chunks(finite.len().div_ceil(STRETCHES)) {
        let low = (0..stretch.len()).min_by(|a, b| stretch[*a].1.total_cmp(&stretch[*b].1)).unwrap_or_default();
        let high = (0..stretch.len()).max_by(|a, b| stretch[*a].1.total_cmp(&stretch[*b].1)).unwrap_or_default();
        points.push(stretch[low.min(high)]);
        if low != high {
            points.push(stretch[low.max(high)]);
        }
    }
    points.extend(finite.last().filter(|last| points.last() != Some(last)).copied().as_slice());
    Series { name: series.name.clone(), points }
}

/// Whether the highest twentieth of the values would press all others flat, and the highest that is shown.
fn without_first_fall(mut values: Vec<f64>) -> (bool, f64) {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values.get((part * (values.len().max(1) - 1) as f64) as usize).copied().unwrap_or_default();
    let (low, usual, high) = (at(0.0), at(0.95), at(1.0));
    match high - usual > 1.5 * (usual - low) && usual > low {
        true => (true, usual + 0.25 * (usual - low)),
        false => (false, high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_ends_and_extremes() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|at| (f64::from(at), f64::from(at % 7))).collect();
        points[51_234].1 = -9.0;
        points[61_234].1 = 99.0;
        points[70_000].1 = f64::NAN;
        let thin = thinned(&Series { name: "loss".into(), points });
        assert!(thin.points.len() <= 2 * STRETCHES + 1, "{}", thin.points.len());
        assert!(thin.points.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(thin.points.last().map(|point| point.0), Some(99_999.0));
        for value in [-9.0, 99.0] {
            assert!(thin.points.iter().any(|point| point.1 == value), "{value}");
        }
    }

    #[test]
    fn a_steep_start_is_cut_and_told() {
        let steep: Vec<f64> = [900.0].into_iter().chain((0..99).map(f64::from)).collect();
        assert!(without_first_fall(steep).0);
        assert_eq!(without_first_fall((0..99).map(f64::from).collect()), (false, 98.0));
        assert_eq!(without_first_fall(vec![1.0]), (false, 1.0));
    }
}
