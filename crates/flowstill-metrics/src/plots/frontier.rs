//! Draw models by likelihood against speed, with the front of those that no other beats.

use std::path::Path;

use super::axis::{Frame, LABEL, Scale, TICK, TITLE};
use super::palette::{INK, PAPER, QUIET, series_colour};
use super::scene::{Anchor, Point, Rect, Scene, Shape, Stroke};
use super::{font, legend};
use crate::MetricError;

/// One model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spot {
    /// What is written beside it.
    pub name: String,
    /// Where it stands from left to right, above 0: a speed, drawn on a logarithmic scale.
    pub x: f64,
    /// Where it stands from bottom to top: a likelihood.
    pub y: f64,
    /// Half the width of the interval of `y`, if it has one.
    pub y_error: Option<f64>,
    /// Whether it is on the front.
    pub on_front: bool,
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;

/// Draws each model as a disc with its name (hollow off the front), the intervals as bars, the front as steps, and writes them as `.png` or `.svg`. Models with a value
/// that is not finite, or no speed, are counted under the picture.
///
/// # Errors
/// [`MetricError::NothingToDraw`] without any model that can be drawn; a file that cannot be written.
///
/// ```
/// use flowstill_metrics::plots::{Spot, frontier};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("front.svg");
/// let spot = |name: &str, x, y| Spot { name: name.into(), x, y, on_front: true, ..Spot::default() };
/// frontier(&path, "POWER", &[spot("teacher", 1e4, 0.1), spot("student", 1e6, -0.1)], "rows drawn in a second", "test nats")?;
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
pub fn frontier(
    path: impl AsRef<Path>,
    title: &str,
    spots: &[Spot],
    x_label: &str,
    y_label: &str,
) -> Result<(), MetricError> {
    let drawable = |spot: &&Spot| spot.x.is_finite() && spot.x > 0.0 && spot.y.is_finite();
    let mut drawn: Vec<&Spot> = spots.iter().filter(drawable).collect();
    if drawn.is_empty() {
        return Err(MetricError::NothingToDraw { what: "models".into() });
    }
    drawn.sort_by(|a, b| a.x.total_cmp(&b.x).then(b.y.total_cmp(&a.y)));
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let reach = |spot: &Spot| spot.y_error.filter(|error| error.is_finite()).unwrap_or(0.0);
    let (left, right) = ends(&mut drawn.iter().map(|spot| spot.x));
    let (low, high) = ends(&mut drawn.iter().flat_map(|spot| [spot.y - reach(spot), spot.y + reach(spot)]));
    let mut frame = Frame {
        area: Rect { x: 0.0, y: 46.0, width: 100.0, height: HEIGHT },
        x: Scale::new(left, right, true, 0.12),
        y: Scale::new(low, high, false, 0.08),
    };
    let numbers = frame.y.ticks(7).iter().map(|tick| font::width(&tick.1, TICK)).fold(0.0, f64::max);
    frame.area.x = 16.0 + LABEL + 10.0 + numbers + 7.0;
    frame.area.width = WIDTH - frame.area.x - 24.0;
    let area = frame.area;
    let mut scene = Scene::new(WIDTH, area.bottom() + 72.0);
    legend::title(&mut scene, (area.x, 14.0 + TITLE), title, WIDTH - area.x - 16.0);
    frame.grid(&mut scene, 8, 7);

    // Between two models of the front nothing is to be had but the slower one's likelihood at the slower one's speed.
    let front: Vec<Point> = drawn.iter().filter(|spot| spot.on_front).map(|spot| frame.place(spot.x, spot.y)).collect();
    let steps = front.windows(2).flat_map(|pair| [(pair[0].0, pair[0].1), (pair[0].0, pair[1].1)]);
    let mut steps: Vec<Point> = steps.collect();
    steps.extend(front.last());
    scene.lines(vec![steps], Stroke { colour: QUIET, width: 1.4, dash: &[3.0, 2.0] });

    let mut taken: Vec<Rect> = Vec::new();
    for spot in &drawn {
        let colour = series_colour(if spot.on_front { 0 } else { 1 });
        let at = frame.place(spot.x, spot.y);
        if reach(spot) > 0.0 {
            let (top, bottom) = (frame.place(spot.x, spot.y + reach(spot)), frame.place(spot.x, spot.y - reach(spot)));
            let caps = [top, bottom].map(|end| vec![(end.0 - 4.0, end.1), (end.0 + 4.0, end.1)]);
            let lines = [vec![top, bottom]].into_iter().chain(caps).collect();
            scene.lines(lines, Stroke { colour: colour.faded(0.7), width: 1.4, dash: &[] });
        }
        let fill = if spot.on_front { colour } else { PAPER };
        let rim = Some(Stroke { colour, width: 1.6, dash: &[] });
        scene.shapes.push(Shape::Discs { centres: vec![at], radius: 4.6, fill, rim });
        let place = free_place(at, font::width(&spot.name, TICK), area, &taken);
        taken.push(place);
        scene.text((place.x, place.bottom() - 3.0), spot.name.clone(), TICK, colour, Anchor::Start);
    }
    frame.outline(&mut scene);
    frame.ticks_below(&mut scene, 8);
    frame.ticks_left(&mut scene, 7);
    scene.text((area.x + 0.5 * area.width, area.bottom() + 42.0), x_label, LABEL, INK, Anchor::Middle);
    scene.text_upwards((16.0 + 0.7 * LABEL, area.y + 0.5 * area.height), y_label, LABEL, INK);
    let mut note = "filled: on the front, beaten by no other; bars: 95 % intervals over seeds".to_owned();
    if spots.len() > drawn.len() {
        note.push_str(&format!("; {} not finite, not drawn", spots.len() - drawn.len()));
    }
    scene.text((area.x, area.bottom() + 62.0), note, TICK, QUIET, Anchor::Start);
    scene.save(path.as_ref())
}

/// A place for a name beside its disc that meets no other name, if there is one.
fn free_place(at: Point, width: f64, area: Rect, taken: &[Rect]) -> Rect {
    let height = TICK + 4.0;
    let meets = |a: &Rect, b: &Rect| a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom();
    let inside = |place: &Rect| {
        place.x > area.x && place.right() < area.right() && place.y > area.y && place.bottom() < area.bottom()
    };
    let offsets = [
        (9.0, -height / 2.0),
        (-9.0 - width, -height / 2.0),
        (9.0, -height - 4.0),
        (9.0, 4.0),
        (-width / 2.0, -height - 8.0),
    ];
    let places = offsets.map(|(x, y)| Rect { x: at.0 + x, y: at.1 + y, width, height });
    let free = places.iter().find(|place| inside(place) && !taken.iter().any(|other| meets(place, other)));
    *free.unwrap_or(&places[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_way_to_each_other() {
        let area = Rect { x: 0.0, y: 0.0, width: 500.0, height: 300.0 };
        let first = free_place((100.0, 100.0), 60.0, area, &[]);
        let second = free_place((101.0, 101.0), 60.0, area, &[first]);
        assert!(
            second.right() <= first.x
                || second.x >= first.right()
                || second.bottom() <= first.y
                || second.y >= first.bottom()
        );
        // At the right end a name stands to the left.
        assert!(free_place((490.0, 100.0), 60.0, area, &[]).right() < 490.0);
    }
}
