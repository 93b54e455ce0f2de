//! Draw training and validation curves, unshaken by the outliers of the first steps.

use std::path::Path;

use super::axis::{Frame, LABEL, Scale, TICK, TITLE};
use super::legend::{self, Swatch};
use super::palette::{INK, PAPER, QUIET, series_colour, series_dash};
use super::scene::{Anchor, Point, Rect, Scene, Shape, Stroke, clip};
use super::{density, font};
use crate::MetricError;

/// A named line through points, in the order they are given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Horizontal and vertical values, such as step and loss; a value that is not finite leaves a gap in the line.
    pub points: Vec<(f64, f64)>,
}

/// More points than this are drawn thin, with the running median bold above them.
const DENSE: usize = 400;
/// Fewer points than this are marked one by one.
const SPARSE: usize = 40;
const WIDTH: f64 = 900.0;
const PANEL_HEIGHT: f64 = 400.0;

/// Draws lines over a common axis and writes them as `.png` or `.svg`.
///
/// The vertical range covers the middle nine tenths of each line and little beyond, so that a few wild values do not
/// flatten the rest; how many points lie outside is said under the picture. `log_y` leaves out values of 0 and below.
///
/// ```
/// use flowstill_metrics::plots::{curves, Series};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("loss.svg");
/// let train = Series { name: "train".into(), points: vec![(0.0, 9.0), (100.0, 2.5), (200.0, 2.1)] };
/// curves(&path, "Teacher", &[train], "step", "negative log-likelihood (nats)", false)?;
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn curves(
    path: impl AsRef<Path>,
    title: &str,
    series: &[Series],
    x_label: &str,
    y_label: &str,
    log_y: bool,
) -> Result<(), MetricError> {
    let drawable = |p: &&Point| p.0.is_finite() && p.1.is_finite() && (!log_y || p.1 > 0.0);
    let all: Vec<Point> = series.iter().flat_map(|s| s.points.iter().filter(drawable).copied()).collect();
    if all.is_empty() {
        return Err(MetricError::NothingToDraw { what: "series".into() });
    }
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (left, right) = ends(&mut all.iter().map(|p| p.0));
    let ranges = series.iter().filter_map(|s| calm_range(s.points.iter().filter(drawable).map(|p| p.1), log_y));
    let (low, high) = ends(&mut ranges.flat_map(|(low, high)| [low, high]));

    let names = || series.iter().map(|s| s.name.as_str());
    let legend_width = legend::width(names(), 330.0);
    let mut frame = Frame {
        area: Rect { x: 0.0, y: 46.0, width: 100.0, height: PANEL_HEIGHT },
        x: Scale::new(left, right, false, 0.01),
        y: Scale::new(low, high, log_y, 0.05),
    };
    let numbers = frame.y.ticks(7).iter().map(|t| font::width(&t.1, TICK)).fold(0.0, f64::max);
    frame.area.x = 16.0 + LABEL + 10.0 + numbers + 7.0;
    frame.area.width = WIDTH - frame.area.x - 18.0 - legend_width - 16.0;
    let area = frame.area;
    let mut scene = Scene::new(WIDTH, area.bottom() + 72.0);
    legend::title(&mut scene, (area.x, 14.0 + TITLE), title, WIDTH - area.x - 16.0);
    frame.grid(&mut scene, 8, 7);

    for (index, line) in series.iter().enumerate() {
        let (colour, dash) = (series_colour(index), series_dash(index));
        let placed: Vec<Vec<Point>> = line
            .points
            .split(|p| !drawable(&p))
            .map(|part| part.iter().map(|p| frame.place(p.0, p.1)).collect())
            .collect();
        let count: usize = placed.iter().map(Vec::len).sum();
        let mut stroke = |lines: Vec<Vec<Point>>, opacity: f64, width: f64| {
            let lines = lines.iter().flat_map(|line| clip(line, area)).collect();
            scene.lines(lines, Stroke { colour: colour.faded(opacity), width, dash });
        };
        if count > DENSE {
            stroke(placed.iter().map(|part| thin_out(part)).collect(), 0.3, 0.8);
            stroke(vec![running_median(&placed.concat(), count / 100)], 1.0, 2.0);
            continue;
        }
        stroke(placed.clone(), 1.0, 1.8);
        if count < SPARSE {
            let seen = |p: &Point| (area.y..=area.bottom()).contains(&p.1);
            let centres = placed.into_iter().flatten().filter(seen).collect();
            let rim = Some(Stroke { colour: PAPER, width: 1.0, dash: &[] });
            scene.shapes.push(Shape::Discs { centres, radius: 3.6, fill: colour, rim });
        }
    }

    frame.outline(&mut scene);
    frame.ticks_below(&mut scene, 8);
    frame.ticks_left(&mut scene, 7);
    scene.text((area.x + 0.5 * area.width, area.bottom() + 42.0), x_label, LABEL, INK, Anchor::Middle);
    scene.text_upwards((16.0 + 0.7 * LABEL, area.y + 0.5 * area.height), y_label, LABEL, INK);
    let swatch = |index| Swatch::Line(Stroke { colour: series_colour(index), width: 2.4, dash: series_dash(index) });
    let entries = names().enumerate().map(|(index, name)| (name, swatch(index)));
    legend::draw(&mut scene, (area.right() + 18.0, area.y), legend_width, entries);

    let outside = all.iter().filter(|p| p.1 < frame.y.low || p.1 > frame.y.high).count();
    let left_out = series.iter().map(|s| s.points.len()).sum::<usize>() - all.len();
    let mut notes = Vec::new();
    if series.iter().any(|s| s.points.len() > DENSE) {
        notes.push("bold: running median".to_owned());
    }
    let counted = |count: usize| super::axis::plain(count as f64, 0);
    if outside > 0 {
        notes.push(format!("{} of {} points lie outside the vertical range", counted(outside), counted(all.len())));
    }
    if left_out > 0 {
        let why = if log_y { "not finite or not positive" } else { "not finite" };
        notes.push(format!("{} {why}", counted(left_out)));
    }
    scene.text((area.x, area.bottom() + 62.0), notes.join("; "), TICK, QUIET, Anchor::Start);
    scene.save(path.as_ref())
}

/// The least and greatest value, but not far beyond the middle nine tenths.
fn calm_range(values: impl Iterator<Item = f64>, log: bool) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.map(|v| if log { v.log10() } else { v }).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let at = |share: f64| sorted[(share * (sorted.len() - 1) as f64).round() as usize];
    // With few points every one may matter, and the ends are kept.
    let (low, high) = if sorted.len() < SPARSE { (first, last) } else { (at(0.05), at(0.95)) };
    let more = 0.6 * (high - low);
    let (low, high) = (first.max(low - more), last.min(high + more));
    Some(if log { (10f64.powf(low), 10f64.powf(high)) } else { (low, high) })
}

/// For every half unit of the paper, the first, lowest, highest and last point: the same picture from fewer.
fn thin_out(line: &[Point]) -> Vec<Point> {
    let bucket = |p: &Point| (p.0 * 2.0).floor() as i64;
    let mut kept = Vec::new();
    for chunk in line.chunk_by(|a, b| bucket(a) == bucket(b)) {
        let height = |k: &usize| chunk[*k].1;
        let extreme = |towards: f64| {
            (0..chunk.len()).max_by(|a, b| (towards * height(a)).total_cmp(&(towards * height(b)))).unwrap_or(0)
        };
        let mut four = vec![0, extreme(1.0), extreme(-1.0), chunk.len() - 1];
        four.sort_unstable();
        four.dedup();
        kept.extend(four.into_iter().map(|k| chunk[k]));
    }
    kept
}

/// The median height of the `2 reach + 1` points about each, fewer at the ends; at most 500 points of it.
fn running_median(line: &[Point], reach: usize) -> Vec<Point> {
    let stride = line.len().div_ceil(500).max(1);
    let last = line.len().saturating_sub(1);
    let one = |k: usize| {
        // Near the ends as far to the left as to the right, lest they be pulled inwards, but past a short outburst.
        let near = reach.min(k.min(last - k).max(reach / 4));
        let window = k.saturating_sub(near)..=(k + near).min(last);
        let heights: Vec<f32> = line[window].iter().map(|p| p.1.clamp(-1e6, 1e6) as f32).collect();
        (line[k].0, density::quantile(&density::sorted(&heights), 0.5))
    };
    let mut kept: Vec<usize> = (0..line.len()).step_by(stride).collect();
    if kept.last().is_some_and(|&k| k != last) {
        kept.push(last);
    }
    kept.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_set_the_range() {
        let loss = |k: u32| if k < 3 { 1e9 } else { 2.0 + 3.0 * (-f64::from(k) / 100.0).exp() };
        let (low, high) = calm_range((0..1_000).map(loss), false).unwrap();
        assert!((1.9..2.1).contains(&low) && (3.5..6.0).contains(&high), "{low} {high}");
        assert_eq!(calm_range([1.0, 50.0].into_iter(), false), Some((1.0, 50.0)));
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let line: Vec<Point> = (0..10_000).map(|k| (f64::from(k) / 1_000.0, f64::from((k * 7_919) % 1_000))).collect();
        let thin = thin_out(&line);
        assert!(thin.len() <= 84);
        assert!(thin.iter().any(|p| p.1 == 999.0) && thin.iter().any(|p| p.1 == 0.0));
    }
}
