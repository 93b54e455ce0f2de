//! Hold what every chart of the page shares: its frame, its axes, and marks that tell of themselves when pointed at or reached by Tab.

use super::html::Html;
use crate::words::{decimal, thousands};

/// Size of a chart, in its own units.
pub(super) const WIDTH: f64 = 640.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 18.0;
/// Room above the axes, where a mark tells of itself without hiding another.
const TOP: f64 = 50.0;
const BOTTOM: f64 = 46.0;
/// Letters that fit beside each other, at most.
const LETTERS: usize = 88;

/// A direction of a chart: what values lie along it, and whether they are shown by their logarithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    low: f64,
    high: f64,
    log: bool,
}

impl Range {
    /// Around all finite values, with some room; values for a logarithm must lie above 0, others are passed over.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, log: bool) -> Self {
        let shown = |value: f64| if log { value.log10() } else { value };
        let finite = values.into_iter().map(shown).filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let room = match high - low {
            none if none <= f64::EPSILON * high.abs() => low.abs().max(1.0) * 0.1,
            some => some * 0.06,
        };
        Self { low: low - room, high: high + room, log }
    }

    /// From 0 to 1 between the ends; none for what cannot be shown.
    fn place(self, value: f64) -> Option<f64> {
        let value = if self.log { value.log10() } else { value };
        Some((value - self.low) / (self.high - self.low)).filter(|place| place.is_finite())
    }

    /// Round values to write beside the axis.
    fn ticks(self) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        let multiples = |step: f64| {
            let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
            (first..=last.min(first + 12)).map(move |times| times as f64 * step)
        };
        if self.log {
            let steps: &[f64] = if span < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let decades = (self.low.floor() as i32)..=(self.high.ceil() as i32);
            let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
            let inside = all.filter(|value| (0.0..=1.0).contains(&self.place(*value).unwrap_or(-1.0)));
            return inside
                .map(|value| (value, if value < 1.0 { decimal(value, 6) } else { thousands(value) }))
                .collect();
        }
        let rough = span / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let word = |value: f64| if value.abs() >= 1e4 { thousands(value) } else { decimal(value, digits) };
        multiples(step).map(|value| (value, word(value))).collect()
    }
}

/// A chart with its axes.
pub(super) struct Chart<'a> {
    /// The page's own name for it.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// The same for those who cannot see it: what the marks say in sum.
    pub description: &'a str,
    /// What lies along the bottom, and its name.
    pub x: (Range, &'a str),
    /// What lies along the side, and its name; none where rows of their own stand there.
    pub y: Option<(Range, &'a str)>,
    /// Height in the chart's own units.
    pub height: f64,
    /// Room at the left.
    pub left: Option<f64>,
}

impl Chart<'_> {
    fn left(&self) -> f64 {
        self.left.unwrap_or(LEFT)
    }

    /// Where a value lies from left to right, kept within the frame.
    pub(super) fn x(&self, value: f64) -> Option<f64> {
        let place = self.x.0.place(value)?.clamp(0.0, 1.0);
        Some(self.left() + place * (WIDTH - self.left() - RIGHT))
    }

    /// Where a value lies from top to bottom, kept within the frame.
    pub(super) fn y(&self, value: f64) -> Option<f64> {
        let place = self.y?.0.place(value)?.clamp(0.0, 1.0);
        Some(TOP + (1.0 - place) * (self.height - TOP - BOTTOM))
    }

    /// The top of the frame.
    pub(super) fn top(&self) -> f64 {
        TOP
    }

    /// The height of a chart of so many rows.
    pub(super) fn height_of(rows: usize, each: f64) -> f64 {
        TOP + BOTTOM + rows as f64 * each
    }

    /// Write it as a figure, with the marks that `inner` draws and what `below` says of them.
    pub(super) fn write(&self, html: &mut Html, inner: impl FnOnce(&mut Html), below: impl FnOnce(&mut Html)) {
        let (title, description) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        let view = format!("0 0 {WIDTH} {}", self.height);
        let named = format!("{title} {description}");
        html.element("figure", &[("id", self.id)], |html| {
            html.leaf("figcaption", &[], self.title);
            let frame = [("class", "scroll"), ("role", "region"), ("tabindex", "0"), ("aria-label", self.title)];
            html.element("div", &frame, |html| {
                let svg = [("viewBox", view.as_str()), ("role", "group"), ("aria-labelledby", &named)];
                html.element("svg", &svg, |html| {
                    html.leaf("title", &[("id", &title)], self.title);
                    html.leaf("desc", &[("id", &description)], self.description);
                    self.axes(html);
                    inner(html);
                });
            });
            below(html);
        });
    }

    fn axes(&self, html: &mut Html) {
        let (left, right, bottom) = (self.left(), WIDTH - RIGHT, self.height - BOTTOM);
        html.element("g", &[("aria-hidden", "true")], |html| {
            let hint = "Point at a mark, or go from one to the next with Tab.";
            html.leaf("text", &[("class", "tick hint"), ("x", "8"), ("y", "18")], hint);
            for (value, text) in self.x.0.ticks() {
                let Some(x) = self.x(value) else { continue };
                line(html, "grid", [x, TOP, x, bottom]);
                label(html, "tick", [x, bottom + 18.0], "middle", &text);
            }
            for (value, text) in self.y.iter().flat_map(|(range, _)| range.ticks()) {
                let Some(y) = self.y(value) else { continue };
                line(html, "grid", [left, y, right, y]);
                label(html, "tick", [left - 8.0, y + 4.0], "end", &text);
            }
            line(html, "grid", [left, bottom, right, bottom]);
            label(html, "axis", [f64::midpoint(left, right), self.height - 8.0], "middle", self.x.1);
            if let Some((_, name)) = self.y {
                let (x, y) = (15.0, f64::midpoint(TOP, bottom));
                let turn = format!("rotate(-90 {x} {y})");
                let place = [("class", "axis"), ("x", "15"), ("y", &y.to_string()), ("text-anchor", "middle")];
                html.leaf("text", &[&place[..], &[("transform", turn.as_str())]].concat(), name);
            }
        });
    }

    /// Something that tells of itself, in two lines at most, when it is pointed at or reached by Tab; the kind gives its colour.
    pub(super) fn mark(&self, html: &mut Html, kind: usize, told: [&str; 2], inner: impl FnOnce(&mut Html)) {
        let class = format!("mark k{}", kind % 8);
        let said = told.iter().filter(|line| !line.is_empty()).copied().collect::<Vec<_>>().join("; ");
        let place = [("class", class.as_str()), ("tabindex", "0"), ("role", "img"), ("aria-label", &said)];
        html.element("g", &place, |html| {
            inner(html);
            html.element("g", &[("class", "tip"), ("aria-hidden", "true")], |html| {
                for (line, y) in told.into_iter().zip([18.0, 36.0]) {
                    label(html, "", [8.0, y], "start", &shortened(line));
                }
            });
        });
    }
}

fn shortened(line: &str) -> String {
    match line.chars().count() > LETTERS {
        true => line.chars().take(LETTERS - 1).chain(['…']).collect(),
        false => line.to_string(),
    }
}

/// A straight line from (x1, y1) to (x2, y2).
pub(super) fn line(html: &mut Html, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(short);
    html.leaf("line", &[("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)], "");
}

/// A dot.
pub(super) fn dot(html: &mut Html, class: &str, [x, y]: [f64; 2], radius: f64) {
    let [x, y, radius] = [x, y, radius].map(short);
    html.leaf("circle", &[("class", class), ("cx", &x), ("cy", &y), ("r", &radius)], "");
}

/// Text at a place.
pub(super) fn label(html: &mut Html, class: &str, [x, y]: [f64; 2], anchor: &str, text: &str) {
    html.leaf("text", &[("class", class), ("x", &short(x)), ("y", &short(y)), ("text-anchor", anchor)], text);
}

/// A coordinate in as few letters as show it.
pub(super) fn short(value: f64) -> String {
    decimal(value, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let words = |range: Range| range.ticks().into_iter().map(|(_, word)| word).collect::<Vec<_>>();
        assert_eq!(words(Range::around([-1.0, 0.0, 1.0], false)), ["-1", "-0.5", "0", "0.5", "1"]);
        assert_eq!(
            words(Range::around([900.0, 120_000.0], true)),
            ["1000", "2000", "5000", "10.0k", "20.0k", "50.0k", "100k"]
        );
        // Nothing to show, and nothing between the ends.
        for range in [Range::around([], false), Range::around([3.0], false), Range::around([f64::NAN, -1.0], true)] {
            assert!((1..14).contains(&range.ticks().len()), "{range:?}");
        }
    }
}
