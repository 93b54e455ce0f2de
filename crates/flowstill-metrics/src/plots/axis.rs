//! Turn values into places and ticks: linear and logarithmic scales, and the frame around a panel.

use super::font;
use super::palette::{GRID, INK, QUIET};
use super::scene::{Anchor, Point, Rect, Scene};

/// Letter sizes, in units.
pub(crate) const TITLE: f64 = 16.0;
pub(crate) const LABEL: f64 = 13.0;
pub(crate) const TICK: f64 = 11.0;

/// The values one side of a panel spans.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

impl Scale {
    /// Spans `low` to `high`, with a share of `margin` more on either side; a span of no width is opened.
    pub fn new(low: f64, high: f64, log: bool, margin: f64) -> Self {
        let (mut a, mut b) = if log { (low.log10(), high.log10()) } else { (low, high) };
        // Well inside the range of f64, so that differences and margins stay finite.
        let most = if log { 250.0 } else { f64::MAX / 8.0 };
        (a, b) = (a.clamp(-most, most), b.clamp(-most, most));
        if b - a <= 1e-12 * a.abs().max(b.abs()).max(1e-300) {
            let open = if log { 0.5 } else { (0.1 * a.abs()).max(0.5) };
            (a, b) = (a - open, b + open);
        }
        let more = margin * (b - a);
        (a, b) = (a - more, b + more);
        let (low, high) = if log { (10f64.powf(a), 10f64.powf(b)) } else { (a, b) };
        Self { low, high, log }
    }

    /// Where `value` lies between low (0) and high (1).
    pub fn share(&self, value: f64) -> f64 {
        if self.log {
            (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Round values in the span, about `count` of them, with their labels.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.log && self.high / self.low >= 20.0 { self.decades(count) } else { self.round_steps(count) }
    }

    fn decades(&self, count: usize) -> Vec<(f64, String)> {
        let first = self.low.log10().ceil() as i32;
        let last = self.high.log10().floor() as i32;
        let stride = ((last - first + 1) as usize).div_ceil(count.max(1)).max(1);
        let label = |n: i32| if (-2..4).contains(&n) { plain(10f64.powi(n), 0.max(-n) as usize) } else { power(n) };
        (first..=last).step_by(stride).map(|n| (10f64.powi(n), label(n))).collect()
    }

    fn round_steps(&self, count: usize) -> Vec<(f64, String)> {
        // Of the steps 1, 2 and 5 times a power of ten, the one that comes nearest to the count; of two, the finer.
        let size = 10f64.powf(((self.high - self.low) / count.max(1) as f64).log10().floor());
        let ends = |step: f64| ((self.low / step - 1e-9).ceil(), (self.high / step + 1e-9).floor());
        let steps = |step: f64| (ends(step).1 - ends(step).0).clamp(-1.0, 100.0);
        let missed = |step: &f64| (steps(*step) + 1.0 - count as f64).abs();
        let finest = [0.5, 1.0, 2.0, 5.0, 10.0].map(|m| m * size).into_iter();
        let step = finest.min_by(|a, b| missed(a).total_cmp(&missed(b))).unwrap_or(size);
        let values = (0..(steps(step) + 1.0) as usize).map(|k| (ends(step).0 + k as f64) * step);
        let values = values.filter(|v| v.is_finite());
        let largest = self.low.abs().max(self.high.abs());
        let scientific = !(1e-3..1e6).contains(&largest);
        let exponent = if scientific { largest.log10().floor() as i32 } else { 0 };
        let decimals = (exponent as f64 - (step * 1.000_001).log10().floor()).clamp(0.0, 12.0) as usize;
        let label = |v: f64| match scientific {
            true if v == 0.0 => "0".into(),
            true => format!("{}×{}", plain(v / 10f64.powi(exponent), decimals), power(exponent)),
            false => plain(v, decimals),
        };
        values.map(|v| (v, label(v))).collect()
    }
}

/// A number with a true minus sign and thousands set apart by commas from 10,000.
pub(crate) fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if whole.len() > 4 && index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let zero = text.chars().all(|c| matches!(c, '0' | '.'));
    format!("{}{grouped}{fraction}", if value < 0.0 && !zero { "−" } else { "" })
}

/// `10` with a raised exponent.
fn power(exponent: i32) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digits = exponent.unsigned_abs().to_string();
    let raised: String = digits.bytes().map(|b| RAISED[usize::from(b - b'0')]).collect();
    format!("10{}{raised}", if exponent < 0 { "⁻" } else { "" })
}

/// A panel and the scales of its sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub area: Rect,
    pub x: Scale,
    pub y: Scale,
}

impl Frame {
    pub fn place(&self, x: f64, y: f64) -> Point {
        (self.area.x + self.x.share(x) * self.area.width, self.area.bottom() - self.y.share(y) * self.area.height)
    }

    /// Faint lines under the data, at the ticks of the sides that are counted.
    pub fn grid(&self, scene: &mut Scene, across: usize, up: usize) {
        for (value, _) in self.x.ticks(across).into_iter().filter(|_| across > 0) {
            let x = self.place(value, self.y.low).0;
            scene.line((x, self.area.y), (x, self.area.bottom()), GRID, 1.0);
        }
        for (value, _) in self.y.ticks(up).into_iter().filter(|_| up > 0) {
            let y = self.place(self.x.low, value).1;
            scene.line((self.area.x, y), (self.area.right(), y), GRID, 1.0);
        }
    }

    /// The four sides.
    pub fn outline(&self, scene: &mut Scene) {
        let Rect { x, y, .. } = self.area;
        let (right, bottom) = (self.area.right(), self.area.bottom());
        let around = vec![(x, y), (right, y), (right, bottom), (x, bottom), (x, y)];
        scene.lines(vec![around], super::scene::Stroke { colour: QUIET, width: 1.0, dash: &[] });
    }

    /// Ticks and numbers below; labels that would touch the one before are left out.
    pub fn ticks_below(&self, scene: &mut Scene, count: usize) {
        let mut free = f64::NEG_INFINITY;
        for (value, label) in self.x.ticks(count) {
            let (x, y) = (self.place(value, self.y.low).0, self.area.bottom());
            scene.line((x, y), (x, y + 4.0), QUIET, 1.0);
            let half = 0.5 * font::width(&label, TICK);
            if x - half > free {
                scene.text((x, y + 6.0 + TICK), label, TICK, INK, Anchor::Middle);
                free = x + half + 4.0;
            }
        }
    }

    /// Ticks and numbers at the left; returns the width they take.
    pub fn ticks_left(&self, scene: &mut Scene, count: usize) -> f64 {
        let mut widest = 0.0f64;
        for (value, label) in self.y.ticks(count) {
            let (x, y) = (self.area.x, self.place(self.x.low, value).1);
            scene.line((x - 4.0, y), (x, y), QUIET, 1.0);
            widest = widest.max(font::width(&label, TICK));
            scene.text((x - 7.0, y + 0.36 * TICK), label, TICK, INK, Anchor::End);
        }
        widest + 7.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, log: bool) -> Vec<String> {
        Scale { low, high, log }.ticks(5).into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round_and_labelled_alike() {
        assert_eq!(labels(-1.0, 1.0, false), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(0.0, 43_000.0, false), ["0", "10,000", "20,000", "30,000", "40,000"]);
        assert_eq!(labels(0.0, 3.1e-5, false), ["0", "1×10⁻⁵", "2×10⁻⁵", "3×10⁻⁵"]);
        assert_eq!(labels(0.02, 2e3, true), ["0.1", "1", "10", "100", "1000"]);
        assert_eq!(labels(1e-7, 1e-4, true), ["10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴"]);
        assert_eq!(labels(0.3, 0.7, false), ["0.3", "0.4", "0.5", "0.6", "0.7"]);
    }

    #[test]
    fn degenerate_and_enormous_spans_stay_finite() {
        for (low, high) in [(3.0, 3.0), (0.0, 0.0), (-f64::MAX, f64::MAX), (1e-300, 1e300)] {
            for log in [false, low > 0.0] {
                let scale = Scale::new(low, high, log, 0.05);
                assert!(scale.high > scale.low && scale.share(0.5 * low + 0.5 * high).is_finite(), "{scale:?}");
                assert!(scale.ticks(5).len() < 20);
            }
        }
    }
}
