//! Compare roles over seeds: one mark per seed, and the mean with its 95 % interval.

use std::path::Path;

use super::axis::{Frame, LABEL, Scale, TICK, TITLE, plain};
use super::palette::{GRID, INK, PAPER, QUIET, series_colour};
use super::scene::{Anchor, Rect, Scene, Shape, Stroke};
use super::{font, legend};
use crate::{MetricError, half_width_95, mean_and_standard_error};

/// One line of the comparison: a model's part in it, with a value from each seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// What it is called, such as "teacher" or "student, distilled".
    pub name: String,
    /// The measure, one value per seed.
    pub values: Vec<f64>,
}

const WIDTH: f64 = 900.0;
const ROW: f64 = 46.0;

/// Draws one row per role, best read from top to bottom, and writes it as `.png` or `.svg`.
///
/// Open circles are seeds; the diamond is their mean and the bar its 95 % interval by Student's t (none for a single seed).
/// `reference` draws a dashed line at a value with a name, such as 0.5, "no difference"; the diamond is hollow where that
/// value lies inside the interval, or where a single seed tells of none.
///
/// ```
/// use flowstill_metrics::plots::{bars_with_errors, Role};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("bars.svg");
/// let roles = [
///     Role { name: "teacher".into(), values: vec![-1.02, -1.01, -1.03] },
///     Role { name: "student".into(), values: vec![-1.21, -1.18, -1.25] },
/// ];
/// bars_with_errors(&path, "Two moons", &roles, "test log-likelihood (nats)", None)?;
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn bars_with_errors(
    path: impl AsRef<Path>,
    title: &str,
    roles: &[Role],
    value_label: &str,
    reference: Option<(f64, &str)>,
) -> Result<(), MetricError> {
    let finite = |role: &Role| role.values.iter().copied().filter(|v| v.is_finite()).collect::<Vec<f64>>();
    let summaries: Vec<Summary> = roles.iter().map(|role| Summary::of(finite(role), role.values.len())).collect();
    let marks = summaries.iter().flat_map(|s| s.seeds.iter().copied().chain(s.interval()));
    let everything = marks.chain(reference.map(|r| r.0).filter(|v| v.is_finite()));
    let (low, high) = everything.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if low > high || roles.is_empty() {
        return Err(MetricError::NothingToDraw { what: "roles".into() });
    }
    let scale = Scale::new(low, high, false, 0.06);
    let texts: Vec<String> = summaries.iter().map(|s| s.text(scale.high - scale.low)).collect();
    let widest = |texts: &mut dyn Iterator<Item = &str>, size| texts.map(|t| font::width(t, size)).fold(0.0, f64::max);
    let names = widest(&mut roles.iter().map(|r| r.name.as_str()), LABEL).min(280.0);
    let numbers = widest(&mut texts.iter().map(String::as_str), TICK + 1.0);

    let area = Rect {
        x: 16.0 + names + 12.0,
        y: if reference.is_some() { 66.0 } else { 46.0 },
        width: WIDTH - names - numbers - 60.0,
        height: ROW * roles.len() as f64,
    };
    let frame = Frame { area, x: scale, y: Scale { low: 0.0, high: 1.0, log: false } };
    let mut scene = Scene::new(WIDTH, area.bottom() + 74.0);
    legend::title(&mut scene, (area.x, 14.0 + TITLE), title, WIDTH - area.x - 16.0);
    frame.grid(&mut scene, 7, 0);
    if let Some((value, name)) = reference.filter(|r| r.0.is_finite()) {
        let x = frame.place(value, 0.0).0;
        let stroke = Stroke { colour: QUIET, width: 1.4, dash: &[4.0, 3.0] };
        scene.lines(vec![vec![(x, area.y), (x, area.bottom())]], stroke);
        let half = 0.5 * font::width(name, TICK);
        let at = x.clamp(area.x + half, (area.right() - half).max(area.x + half));
        scene.text((at, area.y - 7.0), name, TICK, QUIET, Anchor::Middle);
    }
    for (index, ((role, summary), text)) in roles.iter().zip(&summaries).zip(texts).enumerate() {
        let middle = area.y + (index as f64 + 0.5) * ROW;
        if index > 0 {
            scene.line((area.x, middle - 0.5 * ROW), (area.right(), middle - 0.5 * ROW), GRID, 1.0);
        }
        let name = font::shorten(&role.name, LABEL, names);
        scene.text((area.x - 10.0, middle + 0.36 * LABEL), name, LABEL, INK, Anchor::End);
        scene.text((area.right() + 12.0, middle + 0.36 * TICK), text, TICK + 1.0, INK, Anchor::Start);
        summary.draw(&mut scene, &frame, middle, index, reference.map(|r| r.0));
    }
    frame.outline(&mut scene);
    frame.ticks_below(&mut scene, 7);
    scene.text((area.x + 0.5 * area.width, area.bottom() + 42.0), value_label, LABEL, INK, Anchor::Middle);
    let note = match reference {
        Some(_) => {
            "circles: seeds; diamond: their mean; bar: 95 % interval by Student's t; hollow: not told from the dashed line"
        }
        None => "circles: seeds; diamond: their mean; bar: 95 % interval by Student's t",
    };
    scene.text((area.x, area.bottom() + 62.0), note, TICK, QUIET, Anchor::Start);
    scene.save(path.as_ref())
}

/// The finite values of a role, with what can be said of them.
struct Summary {
    seeds: Vec<f64>,
    given: usize,
    mean: f64,
    half_width: Option<f64>,
}

impl Summary {
    fn of(seeds: Vec<f64>, given: usize) -> Self {
        let mean = seeds.iter().sum::<f64>() / seeds.len() as f64;
        let half_width = mean_and_standard_error(&seeds).ok().and_then(|s| half_width_95(s.standard_error, s.count));
        Self { seeds, given, mean, half_width }
    }

    fn interval(&self) -> impl Iterator<Item = f64> + use<> {
        let (mean, half) = (self.mean, self.half_width.unwrap_or(0.0));
        [mean - half, mean + half].into_iter().filter(|v| v.is_finite())
    }

    /// The mean and its interval, to two digits of the interval or three of the axis.
    fn text(&self, span: f64) -> String {
        if self.seeds.is_empty() {
            return "no finite value".into();
        }
        let finest = self.half_width.filter(|e| *e > 0.0).map_or(span / 100.0, |e| e / 10.0);
        let decimals = (-(finest * 1.000_001).log10().floor()).clamp(0.0, 6.0) as usize;
        let mut text = plain(self.mean, decimals);
        if let Some(error) = self.half_width {
            text.push_str(&format!(" ± {}", plain(error, decimals)));
        }
        if self.given == 1 {
            text.push_str(" (1 seed)");
        } else if self.seeds.len() < self.given {
            text.push_str(&format!(" ({} of {} seeds)", self.seeds.len(), self.given));
        }
        text
    }

    /// Whether the interval leaves `value` out; no interval leaves nothing out.
    fn excludes(&self, value: f64) -> bool {
        self.half_width.is_some_and(|half| (self.mean - value).abs() > half)
    }

    fn draw(&self, scene: &mut Scene, frame: &Frame, middle: f64, index: usize, reference: Option<f64>) {
        if self.seeds.is_empty() {
            return;
        }
        let colour = series_colour(index);
        let x = |value: f64| frame.place(value, 0.0).0;
        // Seeds stand a little below the mean, so that neither hides the other.
        let centres = self.seeds.iter().map(|&v| (x(v), middle + 9.0)).collect();
        let rim = Some(Stroke { colour, width: 1.4, dash: &[] });
        scene.shapes.push(Shape::Discs { centres, radius: 4.0, fill: PAPER.faded(0.6), rim });
        let above = middle - 5.0;
        if let Some(half) = self.half_width {
            let (from, to) = (x(self.mean - half), x(self.mean + half));
            let caps = [from, to].map(|end| vec![(end, above - 5.0), (end, above + 5.0)]);
            let lines = [vec![(from, above), (to, above)]].into_iter().chain(caps).collect();
            scene.lines(lines, Stroke { colour, width: 2.0, dash: &[] });
        }
        let (at, r) = (x(self.mean), 5.5);
        let diamond = |r: f64| vec![vec![(at - r, above), (at, above - r), (at + r, above), (at, above + r)]];
        scene.fill(diamond(r), colour);
        if reference.is_some_and(|value| !self.excludes(value)) {
            scene.fill(diamond(r - 2.2), PAPER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_three_seeds_is_students() {
        // Standard error 1, 4.303 for two degrees of freedom: 3 is left out by two standard errors, and not by the interval.
        let summary = Summary::of(vec![3.0 - 3f64.sqrt(), 3.0, 3.0 + 3f64.sqrt()], 3);
        assert!((summary.half_width.unwrap() - 4.302_652_729_7).abs() < 1e-9);
        assert!(!summary.excludes(0.0) && summary.excludes(-2.0));
        let single = Summary::of(vec![9.0], 1);
        assert!(single.half_width.is_none() && !single.excludes(0.0) && single.text(1.0).ends_with("(1 seed)"));
    }
}
