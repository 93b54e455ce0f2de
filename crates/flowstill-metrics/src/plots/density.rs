//! Smooth samples into densities on a grid: one column for a line, two for contours.

use super::axis::Scale;

/// Nodes beyond either end of the span, so that what lies just outside is smoothed in.
const BEYOND: usize = 12;

/// A histogram on nodes evenly spread over a span, and beyond it.
struct Nodes {
    low: f64,
    step: f64,
    count: usize,
}

impl Nodes {
    fn over(span: Scale, inside: usize) -> Self {
        let step = (span.high - span.low) / (inside - 1) as f64;
        Self { low: span.low - BEYOND as f64 * step, step, count: inside + 2 * BEYOND }
    }

    /// The nearest node, if the value is not farther out than all of them.
    fn nearest(&self, value: f32) -> Option<usize> {
        let at = ((f64::from(value) - self.low) / self.step).round();
        (at >= 0.0 && at < self.count as f64).then_some(at as usize)
    }

    /// Width of the smoothing in nodes: `share` of the values' robust deviation, from 1 node to 4.
    fn smoothing(&self, values: &[f32], share: f64) -> f64 {
        let sorted = sorted(values);
        let n = sorted.len() as f64;
        let mean = sorted.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let deviation = (sorted.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt();
        let quartiles = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 1.349;
        let robust = if quartiles > 0.0 { deviation.min(quartiles) } else { deviation };
        (share * robust / self.step).clamp(1.0, BEYOND as f64 / 3.0)
    }
}

/// The values in order.
pub(crate) fn sorted(values: &[f32]) -> Vec<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted
}

/// The quantile of sorted values, between neighbours by linear interpolation.
pub(crate) fn quantile(sorted: &[f32], share: f64) -> f64 {
    let at = share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(&a), Some(&b)) => f64::from(a) + (at - at.floor()) * (f64::from(b) - f64::from(a)),
        _ => 0.0,
    }
}

/// The density of one column at `inside` places evenly spread over `span`.
pub(crate) fn density_line(values: &[f32], span: Scale, inside: usize) -> Vec<f64> {
    let nodes = Nodes::over(span, inside);
    let mut heights = vec![0.0; nodes.count];
    values.iter().filter_map(|&v| nodes.nearest(v)).for_each(|at| heights[at] += 1.0);
    // Three quarters of Silverman's width (1986, equation 3.31): flows are compared at their modes and edges.
    let width = nodes.smoothing(values, 0.75 * 0.9 * (values.len() as f64).powf(-0.2));
    smooth_rows(&mut heights, nodes.count, width);
    let area = values.len() as f64 * nodes.step;
    heights[BEYOND..BEYOND + inside].iter().map(|h| h / area).collect()
}

/// The density of two columns on a square grid over two spans.
pub(crate) struct DensityGrid {
    /// Smoothed counts, `side` x `side`, row by row from the lowest `y`.
    pub heights: Vec<f64>,
    /// Nodes along either side; the outermost lie on the edges of the spans.
    pub side: usize,
    everywhere: Vec<f64>,
    rows: f64,
}

impl DensityGrid {
    pub fn new(x: &[f32], y: &[f32], x_span: Scale, y_span: Scale, side: usize) -> Self {
        let (across, up) = (Nodes::over(x_span, side), Nodes::over(y_span, side));
        let whole = across.count;
        let mut all = vec![0.0; whole * whole];
        for (&x, &y) in x.iter().zip(y) {
            if let (Some(i), Some(j)) = (across.nearest(x), up.nearest(y)) {
                all[j * whole + i] += 1.0;
            }
        }
        // Eight tenths of Scott's width in two dimensions (1992, equation 6.42), for the same reason as above.
        let share = 0.8 * (x.len() as f64).powf(-1.0 / 6.0);
        smooth_rows(&mut all, whole, across.smoothing(x, share));
        all = transposed(&all, whole);
        smooth_rows(&mut all, whole, up.smoothing(y, share));
        all = transposed(&all, whole);
        let line = |j: usize| all[(j + BEYOND) * whole + BEYOND..][..side].to_vec();
        let heights = (0..side).flat_map(line).collect();
        all.sort_unstable_by(|a, b| b.total_cmp(a));
        Self { heights, side, everywhere: all, rows: x.len() as f64 }
    }

    /// The height above which the densest `mass` of all rows lies (Hyndman 1996), if so many are near the spans.
    pub fn level(&self, mass: f64) -> Option<f64> {
        let mut sum = 0.0;
        self.everywhere.iter().copied().find(|height| {
            sum += height;
            sum >= mass * self.rows && *height > 0.0
        })
    }
}

/// Convolves every row of `count` values with a Gaussian.
fn smooth_rows(all: &mut [f64], count: usize, width: f64) {
    let reach = (3.0 * width).ceil() as usize;
    let weight = |k: usize| (-0.5 * (k as f64 / width).powi(2)).exp();
    let total: f64 = weight(0) + 2.0 * (1..=reach).map(weight).sum::<f64>();
    let kernel: Vec<f64> = (0..=reach).map(|k| weight(k) / total).collect();
    for row in all.chunks_exact_mut(count) {
        let old = row.to_vec();
        for (k, value) in row.iter_mut().enumerate() {
            let near = k.saturating_sub(reach)..(k + reach + 1).min(count);
            *value = near.map(|other| old[other] * kernel[other.abs_diff(k)]).sum();
        }
    }
}

fn transposed(all: &[f64], side: usize) -> Vec<f64> {
    (0..side * side).map(|k| all[k % side * side + k / side]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spread quantiles of a triangular law on [-1, 1].
    fn triangle(count: usize) -> Vec<f32> {
        let one = |k: usize| {
            let u = (k as f64 + 0.5) / count as f64;
            (if u < 0.5 { (2.0 * u).sqrt() - 1.0 } else { 1.0 - (2.0 - 2.0 * u).sqrt() }) as f32
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn a_line_keeps_its_mass_and_shape() {
        let span = Scale { low: -1.5, high: 1.5, log: false };
        let line = density_line(&triangle(5_000), span, 151);
        let mass: f64 = line.iter().sum::<f64>() * 0.02;
        assert!((mass - 1.0).abs() < 0.01, "{mass}");
        assert!((line[75] - 1.0).abs() < 0.08 && (line[100] - 0.5).abs() < 0.03, "{} {}", line[75], line[100]);
    }

    #[test]
    fn a_level_holds_the_mass_it_names() {
        // Two independent triangles: count the rows whose node is above the level.
        let side = 61;
        let base = triangle(120);
        let (x, y): (Vec<f32>, Vec<f32>) = base.iter().flat_map(|&x| base.iter().map(move |&y| (x, y))).unzip();
        let span = Scale { low: -1.2, high: 1.2, log: false };
        let grid = DensityGrid::new(&x, &y, span, span, side);
        for mass in [0.5, 0.9] {
            let level = grid.level(mass).unwrap();
            let node = |v: f32| ((f64::from(v) + 1.2) / 0.04).round() as usize;
            let above = x.iter().zip(&y).filter(|(x, y)| grid.heights[node(**y) * side + node(**x)] >= level).count();
            assert!((above as f64 / x.len() as f64 - mass).abs() < 0.03, "{mass}: {above}");
        }
        // A span far from the rows holds no level.
        let away = Scale { low: 50.0, high: 60.0, log: false };
        assert!(DensityGrid::new(&x, &y, away, span, side).level(0.5).is_none());
    }
}
