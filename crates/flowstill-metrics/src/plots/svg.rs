//! Write a scene as SVG, its text left as text.

use std::fmt::Write;

use super::palette::Colour;
use super::scene::{Anchor, Point, Scene, Shape, Stroke};

/// The whole document.
pub(crate) fn write(scene: &Scene) -> String {
    let (w, h) = (scene.width, scene.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"'DejaVu Sans',Verdana,sans-serif\">\n<rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\n"
    );
    scene.shapes.iter().for_each(|shape| element(&mut out, shape));
    out.push_str("</svg>\n");
    out
}

// Writing to a `String` cannot fail, so the results of `write!` are dropped.
fn element(out: &mut String, shape: &Shape) {
    let _ = match shape {
        Shape::Lines { lines, stroke } => {
            writeln!(out, "<path d=\"{}\" fill=\"none\"{}/>", data(lines, ""), stroked(stroke))
        }
        Shape::Filled { polygons, colour } => {
            writeln!(out, "<path d=\"{}\"{}/>", data(polygons, "Z"), painted("fill", *colour))
        }
        Shape::Discs { centres, radius, fill, rim } => {
            let style = painted("fill", *fill) + &rim.as_ref().map(stroked).unwrap_or_default();
            let _ = writeln!(out, "<g{style}>");
            for (x, y) in centres {
                let _ = writeln!(out, "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\"/>", short(*x), short(*y));
            }
            writeln!(out, "</g>")
        }
        Shape::Text { at, text, size, colour, anchor, upwards } => {
            let (x, y) = (short(at.0), short(at.1));
            let place = match upwards {
                true => format!("transform=\"translate({x} {y}) rotate(-90)\""),
                false => format!("x=\"{x}\" y=\"{y}\""),
            };
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let fill = painted("fill", *colour);
            writeln!(out, "<text {place} font-size=\"{size}\" text-anchor=\"{anchor}\"{fill}>{}</text>", escape(text))
        }
    };
}

fn stroked(stroke: &Stroke) -> String {
    let mut style = painted("stroke", stroke.colour);
    let _ = write!(style, " stroke-width=\"{}\" stroke-linejoin=\"round\"", stroke.width);
    if !stroke.dash.is_empty() {
        let lengths: Vec<String> = stroke.dash.iter().map(|d| short(d * stroke.width)).collect();
        let _ = write!(style, " stroke-dasharray=\"{}\"", lengths.join(" "));
    }
    style
}

fn painted(what: &str, colour: Colour) -> String {
    let [r, g, b] = colour.rgb;
    let mut style = format!(" {what}=\"#{r:02x}{g:02x}{b:02x}\"");
    if colour.opacity < 1.0 {
        let _ = write!(style, " {what}-opacity=\"{}\"", colour.opacity);
    }
    style
}

fn data(lines: &[Vec<Point>], end: &str) -> String {
    let mut out = String::new();
    for line in lines {
        for (index, (x, y)) in line.iter().enumerate() {
            let _ = write!(out, "{}{} {}", if index == 0 { 'M' } else { 'L' }, short(*x), short(*y));
        }
        out.push_str(end);
    }
    out
}

/// Two decimals, without the zeros at the end.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(text: &str) -> String {
    // Control characters are not allowed in XML at all.
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::palette::INK;
    use super::*;

    #[test]
    fn names_cannot_break_the_document() {
        let mut scene = Scene::new(10.0, 10.0);
        scene.text((1.0, 2.125), "a < b & \u{1}c", 9.0, INK, Anchor::End);
        let text = write(&scene);
        assert!(text.contains("a &lt; b &amp;  c</text>") && text.contains("y=\"2.12\""), "{text}");
    }
}
