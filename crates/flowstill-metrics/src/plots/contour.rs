//! Trace the lines and fill the regions where a grid reaches a level (marching squares).

use std::collections::HashMap;

/// A place on the grid, in nodes.
pub(crate) type GridPoint = (f64, f64);

/// Corners of a cell, counter-clockwise from the lower left, as steps from its node.
const CORNERS: [(usize, usize); 4] = [(0, 0), (1, 0), (1, 1), (0, 1)];

/// Where an edge between two nodes crosses the level, named by its lower node and whether it runs upwards.
type Edge = (usize, usize, bool);

/// A square grid of heights and the level to find.
#[derive(Clone, Copy)]
pub(crate) struct Level<'a> {
    pub heights: &'a [f64],
    pub side: usize,
    pub level: f64,
}

impl Level<'_> {
    fn height(&self, (i, j): (usize, usize)) -> f64 {
        self.heights[j * self.side + i]
    }

    fn corner(&self, cell: (usize, usize), k: usize) -> (usize, usize) {
        let (di, dj) = CORNERS[k % 4];
        (cell.0 + di, cell.1 + dj)
    }

    fn inside(&self, node: (usize, usize)) -> bool {
        self.height(node) >= self.level
    }

    /// The crossing on the side of a cell that leads from corner `k` to the next.
    fn edge(&self, cell: (usize, usize), k: usize) -> Edge {
        let (a, b) = (self.corner(cell, k), self.corner(cell, k + 1));
        (a.0.min(b.0), a.1.min(b.1), a.0 == b.0)
    }

    fn crossing(&self, (i, j, upwards): Edge) -> GridPoint {
        let (a, b) = (self.height((i, j)), self.height(if upwards { (i, j + 1) } else { (i + 1, j) }));
        let share = if a == b { 0.5 } else { ((self.level - a) / (b - a)).clamp(0.0, 1.0) };
        if upwards { (i as f64, j as f64 + share) } else { (i as f64 + share, j as f64) }
    }

    fn cells(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let cells = self.side.saturating_sub(1);
        (0..cells * cells).map(move |k| (k % cells, k / cells))
    }

    /// The level's lines, joined across cells; the high side lies to their left.
    pub fn lines(&self) -> Vec<Vec<GridPoint>> {
        // From the crossing where a line enters a cell to the one where it leaves: each crossing begins one segment.
        let mut next: HashMap<Edge, Edge> = HashMap::new();
        let mut order = Vec::new();
        for cell in self.cells() {
            let inside = [0, 1, 2, 3].map(|k| self.inside(self.corner(cell, k)));
            for k in (0..4).filter(|&k| inside[k] && !inside[(k + 1) % 4]) {
                // Walk round the outside corners to the side that comes back in. A saddle keeps its outsides apart.
                let back = (1..4).map(|s| (k + s) % 4).find(|&s| !inside[s] && inside[(s + 1) % 4]);
                let Some(back) = back else { continue };
                let (from, to) = (self.edge(cell, back), self.edge(cell, k));
                next.insert(from, to);
                order.push(from);
            }
        }
        // Lines that run off the grid begin where nothing leads to; the rest are loops.
        let reached: std::collections::HashSet<Edge> = next.values().copied().collect();
        let (open, loops): (Vec<Edge>, Vec<Edge>) = order.into_iter().partition(|edge| !reached.contains(edge));
        let mut lines = Vec::new();
        for start in open.into_iter().chain(loops) {
            let mut line = vec![self.crossing(start)];
            let mut at = start;
            while let Some(to) = next.remove(&at) {
                line.push(self.crossing(to));
                at = to;
            }
            if line.len() > 1 {
                lines.push(line);
            }
        }
        lines
    }

    /// Polygons that together cover the region at or above the level, full cells joined into bars.
    pub fn region(&self) -> Vec<Vec<GridPoint>> {
        let mut polygons: Vec<Vec<GridPoint>> = Vec::new();
        let mut bar: Option<(usize, usize, usize)> = None;
        let close = |bar: &mut Option<(usize, usize, usize)>, polygons: &mut Vec<Vec<GridPoint>>| {
            if let Some((from, to, j)) = bar.take() {
                let (a, b, low, high) = (from as f64, to as f64, j as f64, j as f64 + 1.0);
                polygons.push(vec![(a, low), (b, low), (b, high), (a, high)]);
            }
        };
        for cell @ (i, j) in self.cells() {
            let inside = [0, 1, 2, 3].map(|k| self.inside(self.corner(cell, k)));
            if inside == [true; 4] {
                match &mut bar {
                    Some((_, to, row)) if *row == j && *to == i => *to = i + 1,
                    _ => {
                        close(&mut bar, &mut polygons);
                        bar = Some((i, i + 1, j));
                    }
                }
                continue;
            }
            let mut polygon = Vec::new();
            for k in 0..4 {
                if inside[k] {
                    let (i, j) = self.corner(cell, k);
                    polygon.push((i as f64, j as f64));
                }
                if inside[k] != inside[(k + 1) % 4] {
                    polygon.push(self.crossing(self.edge(cell, k)));
                }
            }
            if polygon.len() > 2 {
                polygons.push(polygon);
            }
        }
        close(&mut bar, &mut polygons);
        polygons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cone of height 10 at the middle of 41 x 41 nodes: the level `10 - r` is a circle of radius `r`.
    fn cone() -> Vec<f64> {
        (0..41 * 41).map(|k| 10.0 - f64::hypot((k % 41) as f64 - 20.0, (k / 41) as f64 - 20.0)).collect()
    }

    #[test]
    fn a_cone_is_cut_in_one_closed_circle() {
        let heights = cone();
        let lines = Level { heights: &heights, side: 41, level: -2.0 }.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].first(), lines[0].last());
        assert!(lines[0].iter().all(|p| (f64::hypot(p.0 - 20.0, p.1 - 20.0) - 12.0).abs() < 0.02));
    }

    #[test]
    fn the_region_has_the_area_of_the_circle() {
        let heights = cone();
        let area = |polygon: &Vec<GridPoint>| -> f64 {
            let next = polygon.iter().cycle().skip(1);
            0.5 * polygon.iter().zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum::<f64>()
        };
        let polygons = Level { heights: &heights, side: 41, level: -2.0 }.region();
        let total: f64 = polygons.iter().map(area).sum();
        assert!((total / (std::f64::consts::PI * 144.0) - 1.0).abs() < 0.01, "{total}");
        assert!(polygons.iter().all(|p| area(p) > -1e-12), "all turn the same way");
    }

    #[test]
    fn a_line_that_leaves_the_grid_stays_open() {
        let heights: Vec<f64> = (0..25).map(|k| (k % 5) as f64).collect();
        let lines = Level { heights: &heights, side: 5, level: 1.5 }.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].len(), 5);
        assert!(Level { heights: &heights, side: 5, level: 99.0 }.lines().is_empty());
    }
}
