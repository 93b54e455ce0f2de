//! Draw a corner plot: every column's density and every pair's contours, data in grey and models in colour.

use std::path::Path;

use super::axis::{Frame, LABEL, Scale, TICK, TITLE};
use super::contour::{GridPoint, Level};
use super::density::{DensityGrid, density_line, quantile, sorted};
use super::font;
use super::legend::{self, Swatch};
use super::palette::{DATA, DATA_INNER, DATA_OUTER, INK, QUIET, series_colour, series_dash};
use super::scene::{Anchor, Point, Rect, Scene, Stroke, clip};
use crate::MetricError;
use crate::matrix::RowMatrix;

/// A named sample, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// What the legend calls it.
    pub name: &'a str,
    /// The values, row after row.
    pub rows: &'a [f32],
}

/// Nodes along the side of a contour panel, and along a density line.
const GRID_SIDE: usize = 64;
const LINE_NODES: usize = 160;
/// The shares of the rows that the inner and the outer contour enclose.
const MASSES: [f64; 2] = [0.5, 0.9];
const GAP: f64 = 6.0;
/// Numbers along the side of a panel, about.
const TICKS: usize = 3;

/// Draws the first `max_columns` columns of every sample against each other and writes them as `.png` or `.svg`.
///
/// The first sample is the data: grey, and its 0.5 % and 99.5 % quantiles set the axes. On the diagonal stand the
/// smoothed densities, below it the regions of highest density that hold half and nine tenths of each sample's rows.
/// `names` holds one name per column, with its unit.
///
/// ```
/// use flowstill_metrics::plots::{pairwise, Sample};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("corner.svg");
/// let real: Vec<f32> = (0..400).map(|i| (i as f32 * 1.7).sin()).collect();
/// let fake: Vec<f32> = (0..600).map(|i| (i as f32 * 2.3).cos()).collect();
/// let sets = [Sample { name: "data", rows: &real }, Sample { name: "student", rows: &fake }];
/// pairwise(&path, "Student against data", &sets, &["x (m)", "y (m)"], 2, 6)?;
/// # Ok::<(), flowstill_metrics::MetricError>(())
/// ```
#[doc(alias = "corner")]
pub fn pairwise<N: AsRef<str>>(
    path: impl AsRef<Path>,
    title: &str,
    sets: &[Sample<'_>],
    names: &[N],
    columns: usize,
    max_columns: usize,
) -> Result<(), MetricError> {
    let checked: Vec<RowMatrix<'_>> =
        sets.iter().map(|set| RowMatrix::new(set.name, set.rows, columns, 2)).collect::<Result<_, _>>()?;
    if checked.is_empty() {
        return Err(MetricError::NothingToDraw { what: "sets".into() });
    }
    if names.len() != columns {
        return Err(MetricError::Count { what: "names".into(), expected: columns, got: names.len() });
    }
    if max_columns == 0 {
        return Err(MetricError::Setting { name: "max_columns", expected: "at least 1", got: "0".into() });
    }
    let shown = columns.min(max_columns);
    // One list of columns per set, and one span per column.
    let values: Vec<Vec<Vec<f32>>> = checked.iter().map(|set| (0..shown).map(|c| set.column(c)).collect()).collect();
    let spans: Vec<Scale> = values[0]
        .iter()
        .map(|column| {
            let ordered = sorted(column);
            Scale::new(quantile(&ordered, 0.005), quantile(&ordered, 0.995), false, 0.08)
        })
        .collect();

    let numbers = spans.iter().skip(1).flat_map(|span| span.ticks(TICKS)).map(|t| font::width(&t.1, TICK));
    let layout = Layout::new(shown, sets, numbers.fold(0.0, f64::max));
    let mut scene = Scene::new(layout.width, layout.height);
    legend::title(&mut scene, (layout.left, 14.0 + TITLE), title, layout.width - layout.left - 16.0);
    let shown_sets = Sets { values: &values, spans: &spans };
    for row in 0..shown {
        for column in 0..=row {
            let mut frame = Frame { area: layout.panel(column, row), x: spans[column], y: spans[row] };
            if row == column {
                shown_sets.densities(&mut scene, &mut frame, column);
            } else {
                shown_sets.contours(&mut scene, &frame, column, row);
            }
            frame.outline(&mut scene);
            if row + 1 == shown {
                frame.ticks_below(&mut scene, TICKS);
                let at = (frame.area.x + 0.5 * frame.area.width, frame.area.bottom() + 38.0);
                let label = font::shorten(names[column].as_ref(), LABEL, layout.side + GAP);
                scene.text(at, label, LABEL, INK, Anchor::Middle);
            }
            if column == 0 && row > 0 {
                frame.ticks_left(&mut scene, TICKS);
                let label = font::shorten(names[row].as_ref(), LABEL, layout.side + GAP);
                let at = (16.0 + 0.7 * LABEL, frame.area.y + 0.5 * frame.area.height);
                scene.text_upwards(at, label, LABEL, INK);
            }
        }
    }
    let swatch = |index: usize| match index {
        0 => Swatch::Shades(DATA_OUTER, DATA_INNER, line_of(0, 1.2)),
        _ => Swatch::Line(line_of(index, 2.4)),
    };
    let entries = sets.iter().enumerate().map(|(index, set)| (set.name, swatch(index)));
    legend::draw(&mut scene, layout.legend, layout.legend_room, entries);
    let mut note = "contours: half and nine tenths of the rows".to_owned();
    if shown == 1 {
        note = "smoothed densities".into();
    }
    if shown < columns {
        note.push_str(&format!("; first {shown} of {columns} columns"));
    }
    scene.text((layout.left, layout.height - 12.0), note, TICK, QUIET, Anchor::Start);
    scene.save(path.as_ref())
}

/// The line of a set: grey for the data, then the palette.
fn line_of(index: usize, width: f64) -> Stroke {
    match index {
        0 => Stroke { colour: DATA, width, dash: &[] },
        _ => Stroke { colour: series_colour(index - 1), width, dash: series_dash(index - 1) },
    }
}

/// Where everything goes.
struct Layout {
    left: f64,
    side: f64,
    width: f64,
    height: f64,
    legend: Point,
    legend_room: f64,
}

impl Layout {
    const TOP: f64 = 46.0;

    fn new(shown: usize, sets: &[Sample<'_>], numbers: f64) -> Self {
        let side = if shown == 1 { 340.0 } else { (880.0 / shown as f64).clamp(110.0, 240.0) };
        let left = if shown == 1 { 24.0 } else { 16.0 + LABEL + 10.0 + numbers + 7.0 };
        let pitch = side + GAP;
        let right = left + pitch * shown as f64;
        let height = Self::TOP + pitch * shown as f64 + 70.0;
        let wanted = legend::width(sets.iter().map(|s| s.name), 300.0);
        // The legend stands above the diagonal if some column leaves it the room, else at the right.
        let tall = legend::LINE_HEIGHT * sets.len() as f64;
        let fits =
            |column: &usize| tall <= *column as f64 * pitch - 10.0 && wanted <= (shown - *column) as f64 * pitch - 10.0;
        match (1..shown).find(fits) {
            Some(column) => {
                let x = left + column as f64 * pitch + 10.0;
                let legend = (x, Self::TOP);
                Self { left, side, width: right + 16.0, height, legend, legend_room: right - x }
            }
            None => {
                let (x, width) = (right + 14.0, right + 14.0 + wanted + 16.0);
                let height = height.max(Self::TOP + tall + 40.0);
                Self { left, side, width, height, legend: (x, Self::TOP), legend_room: wanted }
            }
        }
    }

    fn panel(&self, column: usize, row: usize) -> Rect {
        let at = |index: usize| index as f64 * (self.side + GAP);
        Rect { x: self.left + at(column), y: Self::TOP + at(row), width: self.side, height: self.side }
    }
}

/// Every set's columns, and the span of each column.
struct Sets<'a> {
    values: &'a [Vec<Vec<f32>>],
    spans: &'a [Scale],
}

impl Sets<'_> {
    /// The diagonal: one density line per set, the data's filled.
    fn densities(&self, scene: &mut Scene, frame: &mut Frame, column: usize) {
        let span = self.spans[column];
        let lines: Vec<Vec<f64>> = self.values.iter().map(|set| density_line(&set[column], span, LINE_NODES)).collect();
        let peak = |line: &[f64]| line.iter().copied().fold(0.0, f64::max);
        // A collapsed model may tower over the data; it is cut rather than allowed to flatten them.
        let tallest = lines.iter().map(|l| peak(l)).fold(0.0, f64::max).min(2.0 * peak(&lines[0]));
        frame.y = Scale { low: 0.0, high: 1.1 * tallest.max(f64::MIN_POSITIVE), log: false };
        let step = (span.high - span.low) / (LINE_NODES - 1) as f64;
        for (index, line) in lines.iter().enumerate() {
            let place = |(k, &height): (usize, &f64)| frame.place(span.low + k as f64 * step, height);
            let placed: Vec<Point> = line.iter().enumerate().map(place).collect();
            if index == 0 {
                let area = frame.area;
                let ground = [(area.right(), area.bottom()), (area.x, area.bottom())];
                scene.fill(vec![placed.iter().copied().chain(ground).collect()], DATA_OUTER);
            }
            scene.lines(clip(&placed, frame.area), line_of(index, if index == 0 { 1.2 } else { 1.7 }));
        }
    }

    /// Below the diagonal: the data's regions shaded, the others' outlined.
    fn contours(&self, scene: &mut Scene, frame: &Frame, x: usize, y: usize) {
        let area = frame.area;
        let unit = 1.0 / (GRID_SIDE - 1) as f64;
        let place = |p: &GridPoint| (area.x + p.0 * unit * area.width, area.bottom() - p.1 * unit * area.height);
        let placed = |lines: Vec<Vec<GridPoint>>| -> Vec<Vec<Point>> {
            lines.iter().map(|line| line.iter().map(place).collect()).collect()
        };
        for (index, set) in self.values.iter().enumerate() {
            let grid = DensityGrid::new(&set[x], &set[y], self.spans[x], self.spans[y], GRID_SIDE);
            let levels = MASSES.map(|mass| grid.level(mass));
            let at = |level| Level { heights: &grid.heights, side: grid.side, level };
            for (level, shade) in levels.into_iter().zip([DATA_INNER, DATA_OUTER]).rev() {
                let Some(level) = level.map(at) else { continue };
                if index == 0 {
                    scene.fill(placed(level.region()), shade);
                }
                scene.lines(placed(level.lines()), line_of(index, if index == 0 { 1.0 } else { 1.3 }));
            }
        }
    }
}
