//! Hold a picture as a list of paths and texts, and hand it to the painter its file name asks for.

use std::path::Path;

use super::palette::Colour;
use crate::MetricError;

/// A place on the paper, in units of half a PNG pixel from the upper left.
pub(crate) type Point = (f64, f64);

/// A rectangle of the paper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// How a line is drawn; dashes are in line widths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    pub colour: Colour,
    pub width: f64,
    pub dash: &'static [f64],
}

/// Which part of a text stands at its point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One thing to paint, over what came before.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Lines, open.
    Lines { lines: Vec<Vec<Point>>, stroke: Stroke },
    /// Polygons under one filling, so that those that touch show no seam.
    Filled { polygons: Vec<Vec<Point>>, colour: Colour },
    /// Discs with an optional rim.
    Discs { centres: Vec<Point>, radius: f64, fill: Colour, rim: Option<Stroke> },
    /// A line of text on its baseline, perhaps turned to read upwards.
    Text { at: Point, text: String, size: f64, colour: Colour, anchor: Anchor, upwards: bool },
}

/// A picture before it has a format.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Shape>,
}

impl Scene {
    pub fn new(width: f64, height: f64) -> Self {
        Self { width: width.ceil(), height: height.ceil(), shapes: Vec::new() }
    }

    pub fn line(&mut self, from: Point, to: Point, colour: Colour, width: f64) {
        self.lines(vec![vec![from, to]], Stroke { colour, width, dash: &[] });
    }

    pub fn lines(&mut self, lines: Vec<Vec<Point>>, stroke: Stroke) {
        self.shapes.push(Shape::Lines { lines, stroke });
    }

    pub fn fill(&mut self, polygons: Vec<Vec<Point>>, colour: Colour) {
        self.shapes.push(Shape::Filled { polygons, colour });
    }

    pub fn text(&mut self, at: Point, text: impl Into<String>, size: f64, colour: Colour, anchor: Anchor) {
        self.shapes.push(Shape::Text { at, text: text.into(), size, colour, anchor, upwards: false });
    }

    pub fn text_upwards(&mut self, at: Point, text: impl Into<String>, size: f64, colour: Colour) {
        let shape = Shape::Text { at, text: text.into(), size, colour, anchor: Anchor::Middle, upwards: true };
        self.shapes.push(shape);
    }

    /// Writes the picture in the format of the name's ending.
    pub fn save(&self, path: &Path) -> Result<(), MetricError> {
        let name = path.display().to_string();
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let bytes = match ending.as_deref() {
            Some("png") => {
                super::png::paint(self).map_err(|reason| MetricError::Paint { path: name.clone(), reason })?
            }
            Some("svg") => super::svg::write(self).into_bytes(),
            _ => return Err(MetricError::PictureEnding { path: name }),
        };
        std::fs::write(path, bytes).map_err(|source| MetricError::Write { path: name, source })
    }
}

/// The parts of a line inside `window` (Liang & Barsky 1984); where it leaves, it is cut, not bent.
pub(crate) fn clip(line: &[Point], window: Rect) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    for pair in line.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        for (towards, room) in [
            (-dx, from.0 - window.x),
            (dx, window.right() - from.0),
            (-dy, from.1 - window.y),
            (dy, window.bottom() - from.1),
        ] {
            let t = room / towards;
            if towards < 0.0 {
                enter = enter.max(t);
            } else if towards > 0.0 {
                leave = leave.min(t);
            } else if room < 0.0 {
                leave = -1.0;
            }
        }
        if enter > leave {
            continue;
        }
        let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
        match parts.last_mut() {
            Some(part) if enter == 0.0 && part.last() == Some(&from) => part.push(at(leave)),
            _ => parts.push(vec![at(enter), at(leave)]),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_leaves_comes_back_as_two() {
        let window = Rect { x: 0.0, y: 0.0, width: 10.0, height: 10.0 };
        let line = [(1.0, 1.0), (2.0, 1.0), (2.0, -5.0), (4.0, -5.0), (4.0, 5.0)];
        let parts = clip(&line, window);
        assert_eq!(parts, vec![vec![(1.0, 1.0), (2.0, 1.0), (2.0, 0.0)], vec![(4.0, 0.0), (4.0, 5.0)]]);
        assert!(clip(&[(-5.0, 20.0), (20.0, 20.0)], window).is_empty());
    }
}
