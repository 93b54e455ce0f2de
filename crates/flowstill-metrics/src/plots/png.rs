//! Paint a scene as a PNG, two pixels to the unit.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke as SkiaStroke, StrokeDash, Transform,
};
use ttf_parser::OutlineBuilder;

use super::palette::Colour;
use super::scene::{Anchor, Point, Scene, Shape, Stroke};

const PIXELS_PER_UNIT: f32 = 2.0;

/// The encoded file, or why there is none.
pub(crate) fn paint(scene: &Scene) -> Result<Vec<u8>, String> {
    let pixels = |length: f64| (length * f64::from(PIXELS_PER_UNIT)).round() as u32;
    let (width, height) = (pixels(scene.width), pixels(scene.height));
    let mut sheet = Pixmap::new(width, height).ok_or_else(|| format!("{width} x {height} pixels are too many"))?;
    sheet.fill(tiny_skia::Color::WHITE);
    scene.shapes.iter().for_each(|shape| put(&mut sheet, shape));
    sheet.encode_png().map_err(|error| error.to_string())
}

fn put(sheet: &mut Pixmap, shape: &Shape) {
    let scale = Transform::from_scale(PIXELS_PER_UNIT, PIXELS_PER_UNIT);
    match shape {
        Shape::Lines { lines, stroke } => {
            if let Some(path) = path(lines, false) {
                draw(sheet, &path, stroke, scale);
            }
        }
        Shape::Filled { polygons, colour } => {
            if let Some(path) = path(polygons, true) {
                sheet.fill_path(&path, &colour_of(*colour), FillRule::Winding, scale, None);
            }
        }
        Shape::Discs { centres, radius, fill, rim } => {
            for &(x, y) in centres {
                if let Some(path) = PathBuilder::from_circle(x as f32, y as f32, *radius as f32) {
                    sheet.fill_path(&path, &colour_of(*fill), FillRule::Winding, scale, None);
                    if let Some(rim) = rim {
                        draw(sheet, &path, rim, scale);
                    }
                }
            }
        }
        Shape::Text { at, text, size, colour, anchor, upwards } => {
            let mut letters = Letters { path: PathBuilder::new(), along: 0.0 };
            let units = super::font::outline(text, &mut letters, |letters, along| letters.along = along);
            let Some(path) = letters.path.finish() else { return };
            let back = match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => 0.5,
                Anchor::End => 1.0,
            };
            let start = -(back * super::font::width(text, *size)) as f32;
            let em = *size as f32 / units;
            let turn = if *upwards { Transform::from_rotate(-90.0) } else { Transform::identity() };
            let place = Transform::from_row(em, 0.0, 0.0, -em, start, 0.0)
                .post_concat(turn)
                .post_translate(at.0 as f32, at.1 as f32)
                .post_concat(scale);
            sheet.fill_path(&path, &colour_of(*colour), FillRule::Winding, place, None);
        }
    }
}

fn draw(sheet: &mut Pixmap, path: &Path, stroke: &Stroke, scale: Transform) {
    let dashes: Vec<f32> = stroke.dash.iter().map(|d| (d * stroke.width) as f32).collect();
    let style = SkiaStroke {
        width: stroke.width as f32,
        line_cap: LineCap::Butt,
        line_join: LineJoin::Round,
        dash: if dashes.is_empty() { None } else { StrokeDash::new(dashes, 0.0) },
        ..SkiaStroke::default()
    };
    sheet.stroke_path(path, &colour_of(stroke.colour), &style, scale, None);
}

fn colour_of(colour: Colour) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    let [r, g, b] = colour.rgb;
    paint.set_color_rgba8(r, g, b, (colour.opacity.clamp(0.0, 1.0) * 255.0).round() as u8);
    paint
}

/// One path of all the lines; nothing if there is no line of two points.
fn path(lines: &[Vec<Point>], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for line in lines.iter().filter(|line| line.len() > 1) {
        path.move_to(line[0].0 as f32, line[0].1 as f32);
        line[1..].iter().for_each(|&(x, y)| path.line_to(x as f32, y as f32));
        if closed {
            path.close();
        }
    }
    path.finish()
}

/// Collects outlines, each moved along the baseline.
struct Letters {
    path: PathBuilder,
    along: f32,
}

impl OutlineBuilder for Letters {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.along + x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.along + x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.path.quad_to(self.along + x1, y1, self.along + x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.path.cubic_to(self.along + x1, y1, self.along + x2, y2, self.along + x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
