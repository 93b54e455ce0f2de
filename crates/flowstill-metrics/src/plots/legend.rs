//! Draw the key to the colours, beside the panels and never over them.

use super::axis::LABEL;
use super::font;
use super::palette::INK;
use super::scene::{Anchor, Point, Rect, Scene, Stroke};

/// What stands before a name.
pub(crate) enum Swatch {
    /// A line as drawn in the panel.
    Line(Stroke),
    /// Shades from outer to inner under a line, as for the data of a corner plot.
    Shades(super::palette::Colour, super::palette::Colour, Stroke),
}

pub(crate) const SWATCH: f64 = 26.0;
pub(crate) const LINE_HEIGHT: f64 = 21.0;
const GAP: f64 = 8.0;

/// The width the widest entry takes, `most` at the most.
pub(crate) fn width<'a>(names: impl Iterator<Item = &'a str>, most: f64) -> f64 {
    names.map(|name| SWATCH + GAP + font::width(name, LABEL)).fold(0.0, f64::max).min(most)
}

/// One entry under another from `at`, each cut to `room`.
pub(crate) fn draw<'a>(scene: &mut Scene, at: Point, room: f64, entries: impl Iterator<Item = (&'a str, Swatch)>) {
    for (index, (name, swatch)) in entries.enumerate() {
        let middle = at.1 + (index as f64 + 0.5) * LINE_HEIGHT;
        let across = vec![vec![(at.0, middle), (at.0 + SWATCH, middle)]];
        match swatch {
            Swatch::Line(stroke) => scene.lines(across, stroke),
            Swatch::Shades(outer, inner, stroke) => {
                let patch = |inset: f64| {
                    let area = Rect { x: at.0 + inset, y: middle - 7.0, width: SWATCH - 2.0 * inset, height: 14.0 };
                    let (r, b) = (area.right(), area.bottom());
                    vec![vec![(area.x, area.y), (r, area.y), (r, b), (area.x, b)]]
                };
                scene.fill(patch(0.0), outer);
                scene.fill(patch(6.0), inner);
                let mut edge = patch(0.0).remove(0);
                edge.push(edge[0]);
                scene.lines(vec![edge], stroke);
            }
        }
        let text = font::shorten(name, LABEL, room - SWATCH - GAP);
        scene.text((at.0 + SWATCH + GAP, middle + 0.36 * LABEL), text, LABEL, INK, Anchor::Start);
    }
}

/// The title at the upper left, smaller if it must be to fit.
pub(crate) fn title(scene: &mut Scene, at: Point, text: &str, room: f64) {
    let size = super::axis::TITLE;
    let fitting = (size * room / font::width(text, size).max(1e-9)).clamp(0.7 * size, size);
    scene.text(at, font::shorten(text, fitting, room), fitting, INK, Anchor::Start);
}
