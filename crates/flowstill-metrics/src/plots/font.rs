//! Measure and outline the letters of the font shipped with the crate.

use ttf_parser::{Face, OutlineBuilder};

/// DejaVu Sans, subset to Latin-1, Greek and a few signs; licence in `fonts/LICENSE-DejaVu.txt`.
const BYTES: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");

/// The font, or nothing if its bytes were damaged in the build, which a test excludes.
fn face() -> Option<Face<'static>> {
    Face::parse(BYTES, 0).ok()
}

/// The width of `text` at `size` units per em.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let Some(face) = face() else { return 0.6 * size * text.chars().count() as f64 };
    let advance = |letter| f64::from(face.glyph_hor_advance(face.glyph_index(letter).unwrap_or_default()).unwrap_or(0));
    text.chars().map(advance).sum::<f64>() * size / f64::from(face.units_per_em())
}

/// The text, or as much of it as fits `room`, ended by an ellipsis.
pub(crate) fn shorten(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut short: Vec<char> = text.chars().collect();
    while short.pop().is_some() {
        let candidate = format!("{}…", short.iter().collect::<String>().trim_end());
        if width(&candidate, size) <= room {
            return candidate;
        }
    }
    String::new()
}

/// Sends the outline of each letter to `builder`, which `place` tells its offset along the baseline, in em units.
pub(crate) fn outline<B: OutlineBuilder>(text: &str, builder: &mut B, place: impl Fn(&mut B, f32)) -> f32 {
    let Some(face) = face() else { return 1.0 };
    let mut along = 0.0;
    for letter in text.chars() {
        let glyph = face.glyph_index(letter).unwrap_or_default();
        place(builder, along);
        face.outline_glyph(glyph, builder);
        along += f32::from(face.glyph_hor_advance(glyph).unwrap_or(0));
    }
    f32::from(face.units_per_em())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_font_has_the_letters_that_axes_need() {
        let face = face().unwrap();
        for letter in "AZaz09 ±−×⁻⁰⁴⁹…αΩß,.()[]".chars() {
            assert!(face.glyph_index(letter).is_some(), "{letter}");
        }
        assert!(width("iii", 10.0) < width("WWW", 10.0));
        assert_eq!(shorten("a fairly long name", 10.0, 1_000.0), "a fairly long name");
        assert!(shorten("a fairly long name", 10.0, 40.0).ends_with('…'));
    }
}
