//! Take one step of a column's transform: forward, back, its log-slope, its derivatives, its range.

use serde::{Deserialize, Serialize};

/// One step; written into flow files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Values `origin + k step` spread over the step above them; back, they are rounded down to the grid.
    Dequantise {
        /// The distance of neighbours, above 0.
        step: f64,
        /// A value of the grid.
        origin: f64,
    },
    /// Values that many rows share, each spread over a room of its own; what lies above moves up to make it.
    Spread {
        /// The shared values, ascending.
        atoms: Vec<f64>,
        /// The room of each, above 0.
        widths: Vec<f64>,
    },
    /// `ln(x + offset)`, of values above `-offset`.
    Log {
        /// Added before.
        offset: f64,
    },
    /// `ln(v / (1 - v))` with `v = (x - low) / (high - low)`, of values from `low` to `high`; the ends count as a millionth of the range inside.
    Logit {
        /// The lower limit.
        low: f64,
        /// The upper limit.
        high: f64,
    },
    /// The power transform of Yeo and Johnson (2000) of `(x - center) / scale`.
    YeoJohnson {
        /// The power, 0 to 2; 1 changes nothing.
        lambda: f64,
        /// Taken away before.
        center: f64,
        /// Divided by, above 0.
        scale: f64,
    },
    /// Straight lines between knots `[value, normal score]`, which go on beyond the outermost.
    RankNormal {
        /// At least two, both ascending.
        knots: Vec<[f64; 2]>,
    },
    /// An angle, brought to the turn that begins at `low`, and so are samples.
    Circle {
        /// Where the turn is cut open for the flow.
        low: f64,
        /// A whole turn, above 0.
        period: f64,
        /// Where the data's own turn begins: samples lie from there on.
        start: f64,
    },
    /// Values beyond the limits count as the limits.
    Clip {
        /// The lower limit.
        low: f64,
        /// The upper limit.
        high: f64,
    },
}

/// How near its ends a logit goes.
const EDGE: f64 = 1e-6;

/// How far off its grid a value may lie, in steps.
const OFF: f64 = 1e-3;

impl Step {
    /// Whether noise takes part.
    pub fn draws(&self) -> bool {
        matches!(self, Self::Dequantise { .. } | Self::Spread { .. })
    }

    /// What recipes and files call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dequantise { .. } => "dequantise",
            Self::Spread { .. } => "spread",
            Self::Log { .. } => "log",
            Self::Logit { .. } => "logit",
            Self::YeoJohnson { .. } => "yeo_johnson",
            Self::RankNormal { .. } => "rank_normal",
            Self::Circle { .. } => "circle",
            Self::Clip { .. } => "clip",
        }
    }

    /// Refuse settings out of range.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let rising = |low: f64, high: f64| low.is_finite() && high.is_finite() && low < high;
        let ascending = |values: &mut dyn Iterator<Item = f64>| {
            let all: Vec<f64> = values.collect();
            all.iter().all(|value| value.is_finite()) && all.windows(2).all(|pair| pair[0] < pair[1])
        };
        let (fine, wanted) = match self {
            Self::Dequantise { step, origin } => {
                (positive(*step) && origin.is_finite(), "dequantise: expected a step above 0")
            }
            Self::Spread { atoms, widths } => (
                atoms.len() == widths.len()
                    && !atoms.is_empty()
                    && ascending(&mut atoms.iter().copied())
                    && widths.iter().all(|width| positive(*width)),
                "spread: expected ascending values, each with a width above 0",
            ),
            Self::Log { offset } => (offset.is_finite(), "log: expected a finite offset"),
            Self::Logit { low, high } => (rising(*low, *high), "logit: expected low below high"),
            Self::YeoJohnson { lambda, center, scale } => (
                (0.0..=2.0).contains(lambda) && center.is_finite() && positive(*scale),
                "yeo_johnson: expected a lambda from 0 to 2 and a scale above 0",
            ),
            Self::RankNormal { knots } => (
                knots.len() >= 2
                    && ascending(&mut knots.iter().map(|knot| knot[0]))
                    && ascending(&mut knots.iter().map(|knot| knot[1])),
                "rank_normal: expected at least two ascending knots",
            ),
            Self::Circle { low, period, start } => {
                (low.is_finite() && start.is_finite() && positive(*period), "circle: expected a period above 0")
            }
            Self::Clip { low, high } => (rising(*low, *high), "clip: expected low below high"),
        };
        if fine { Ok(()) } else { Err(wanted.into()) }
    }

    /// The value after this step; `noise` lies in [0, 1).
    ///
    /// # Errors
    /// Says what values are taken, for one that is not.
    pub fn forward(&self, x: f64, noise: f64) -> Result<f64, String> {
        Ok(match self {
            Self::Dequantise { step, origin } => {
                let at = (x - origin) / step;
                // Far from the origin the value's own rounding shows.
                if (at - at.round()).abs() > OFF.max(1e-6 * at.abs().min(1e5)) {
                    return Err(format!("not on its grid of step {step} from {origin}"));
                }
                origin + (at.round() + noise) * step
            }
            Self::Spread { atoms, widths } => {
                let below: f64 = atoms.iter().zip(widths).filter(|(atom, _)| **atom < x).map(|(_, width)| width).sum();
                let own = atoms.iter().position(|atom| *atom == x).map_or(0.0, |at| widths[at] * noise);
                x + below + own
            }
            Self::Log { offset } if x + offset > 0.0 => (x + offset).ln(),
            Self::Log { offset } => return Err(format!("not above {}, as its logarithm is modelled", -offset)),
            Self::Logit { low, high } if (*low..=*high).contains(&x) => {
                let v = inside((x - low) / (high - low));
                (v / (1.0 - v)).ln()
            }
            Self::Logit { low, high } => return Err(format!("outside its limits {low} and {high}")),
            Self::YeoJohnson { lambda, center, scale } => yeo_johnson((x - center) / scale, *lambda),
            Self::RankNormal { knots } => {
                let [[x0, z0], [x1, z1]] = piece(knots, x, 0);
                z0 + (x - x0) * ((z1 - z0) / (x1 - x0))
            }
            Self::Circle { low, period, .. } => low + (x - low).rem_euclid(*period),
            Self::Clip { low, high } => x.clamp(*low, *high),
        })
    }

    /// The value before this step.
    pub fn inverse(&self, y: f64) -> f64 {
        match self {
            Self::Dequantise { step, origin } => origin + ((y - origin) / step).floor() * step,
            Self::Spread { .. } => self.room(y).0,
            _ => self.undone(y),
        }
    }

    /// The same, but what noise has spread stays spread.
    pub(super) fn undone(&self, y: f64) -> f64 {
        match self {
            Self::Dequantise { .. } | Self::Spread { .. } => y,
            Self::Log { offset } => y.min(700.0).exp() - offset,
            Self::Logit { low, high } => {
                let v = if y >= 0.0 { 1.0 / (1.0 + (-y).exp()) } else { y.exp() / (1.0 + y.exp()) };
                (low + (high - low) * v).clamp(*low, *high)
            }
            Self::YeoJohnson { lambda, center, scale } => center + scale * unpower(y, *lambda),
            Self::RankNormal { knots } => {
                let [[x0, z0], [x1, z1]] = piece(knots, y, 1);
                x0 + (y - z0) * ((x1 - x0) / (z1 - z0))
            }
            Self::Circle { period, start, .. } => start + (y - start).rem_euclid(*period),
            Self::Clip { low, high } => y.clamp(*low, *high),
        }
    }

    /// Where a spread value came from, and the width of its room if it lies in one.
    fn room(&self, y: f64) -> (f64, Option<f64>) {
        let Self::Spread { atoms, widths } = self else { return (y, None) };
        let mut below = 0.0;
        for (atom, width) in atoms.iter().zip(widths) {
            match y - below {
                x if x < *atom => return (x, None),
                x if x < atom + width => return (*atom, Some(*width)),
                _ => below += width,
            }
        }
        (y - below, None)
    }

    /// The log-slope at a value `x` that this step takes to `y`; where noise has spread a value, the logarithm of its room.
    pub(super) fn log_slope(&self, x: f64, y: f64) -> f64 {
        match self {
            Self::Dequantise { step, .. } => step.ln(),
            Self::Spread { .. } => self.room(y).1.map_or(0.0, f64::ln),
            Self::Log { .. } => -y,
            Self::Logit { low, high } => {
                let v = inside((x - low) / (high - low));
                -v.ln() - (1.0 - v).ln() - (high - low).ln()
            }
            Self::YeoJohnson { lambda, center, scale } => {
                let z = (x - center) / scale;
                (lambda - 1.0) * z.abs().ln_1p().copysign(z) - scale.ln()
            }
            Self::RankNormal { knots } => {
                let [[x0, z0], [x1, z1]] = piece(knots, x, 0);
                ((z1 - z0) / (x1 - x0)).ln()
            }
            Self::Circle { .. } | Self::Clip { .. } => 0.0,
        }
    }

    /// The derivative of the value after this step by `x`, and that of the log-slope; noise is held fast.
    pub(super) fn derivatives(&self, x: f64) -> [f64; 2] {
        match self {
            Self::Dequantise { .. } | Self::Spread { .. } | Self::Circle { .. } => [1.0, 0.0],
            Self::Clip { low, high } => [f64::from(u8::from((*low..=*high).contains(&x))), 0.0],
            Self::Log { offset } => [1.0 / (x + offset), -1.0 / (x + offset)],
            Self::Logit { low, high } => {
                let (range, v) = (high - low, inside((x - low) / (high - low)));
                [1.0 / (v * (1.0 - v) * range), (1.0 / (1.0 - v) - 1.0 / v) / range]
            }
            Self::YeoJohnson { lambda, center, scale } => {
                let z = (x - center) / scale;
                let slope = ((lambda - 1.0) * z.abs().ln_1p().copysign(z)).exp() / scale;
                [slope, (lambda - 1.0) / (1.0 + z.abs()) / scale]
            }
            Self::RankNormal { knots } => {
                let [[x0, z0], [x1, z1]] = piece(knots, x, 0);
                [(z1 - z0) / (x1 - x0), 0.0]
            }
        }
    }
}

fn inside(v: f64) -> f64 {
    v.clamp(EDGE, 1.0 - EDGE)
}

/// The ends of the piece that a value lies on, or that goes on to it; `by` says whether knots go by their value or their score.
fn piece(knots: &[[f64; 2]], value: f64, by: usize) -> [[f64; 2]; 2] {
    let at = knots.partition_point(|knot| knot[by] <= value).clamp(1, knots.len() - 1);
    [knots[at - 1], knots[at]]
}

/// Yeo and Johnson's power transform, equation 2.1.
pub(super) fn yeo_johnson(z: f64, lambda: f64) -> f64 {
    let power = if z >= 0.0 { lambda } else { 2.0 - lambda };
    let log = z.abs().ln_1p();
    let size = if power.abs() < 1e-9 { log } else { (power * log).exp_m1() / power };
    size.copysign(z)
}

fn unpower(y: f64, lambda: f64) -> f64 {
    let power = if y >= 0.0 { lambda } else { 2.0 - lambda };
    let log = if power.abs() < 1e-9 { y.abs() } else { (power * y.abs()).ln_1p() / power };
    log.min(700.0).exp_m1().copysign(y)
}
