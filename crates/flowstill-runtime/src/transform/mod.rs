//! Bring a column to the real line before it is standardised, and back: in order, with its log-slope in the density.

mod fit;
mod step;

pub use fit::Spreads;
pub use step::Step;

use serde::{Deserialize, Serialize};

/// What is done to one column, first step first; nothing where there are no steps.
///
/// A density of a transformed column counts, in nats: log-slopes where the map is smooth; the logarithm of a value's own probability where a grid or a shared
/// value was spread by uniform noise, by the usual lower bound `log P(x) >= E log p(x + u step) + log step` with one draw of `u`; one turn of an angle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColumnTransform {
    /// The steps.
    pub steps: Vec<Step>,
}

impl ColumnTransform {
    /// Refuse steps that cannot be taken.
    ///
    /// # Errors
    /// Says which.
    pub fn check(&self) -> Result<(), String> {
        self.steps.iter().try_for_each(Step::check)?;
        match self.steps.iter().filter(|step| step.draws()).count() {
            0 | 1 => Ok(()),
            _ => Err("spreads values by noise twice; keep one of `dequantise` and `spread`".into()),
        }
    }

    /// Whether noise takes part.
    pub fn draws(&self) -> bool {
        self.steps.iter().any(Step::draws)
    }

    /// The transformed value, and the log-slope there in nats; `noise` lies in [0, 1).
    ///
    /// # Errors
    /// Says what values are taken, for one that is not.
    pub fn forward(&self, mut x: f64, noise: f64) -> Result<(f64, f64), String> {
        let mut sum = 0.0;
        for step in &self.steps {
            let y = step.forward(x, noise)?;
            sum += step.log_slope(x, y);
            x = y;
        }
        Ok((x, sum))
    }

    /// The value of a transformed one, and the log-slope there in nats.
    pub fn inverse(&self, mut y: f64) -> (f64, f64) {
        let mut sum = 0.0;
        for step in self.steps.iter().rev() {
            let x = step.inverse(y);
            sum += step.log_slope(x, y);
            y = x;
        }
        (y, sum)
    }

    /// The derivative of the transformed value by the value, and that of the log-slope; noise is held fast.
    pub(crate) fn derivatives(&self, mut x: f64, noise: f64) -> [f64; 2] {
        let (mut slope, mut of_log) = (1.0, 0.0);
        for step in &self.steps {
            let [own, own_log] = step.derivatives(x);
            of_log += own_log * slope;
            slope *= own;
            x = step.forward(x, noise).unwrap_or(x);
        }
        [slope, of_log]
    }

    /// The derivative of the transformed value by the value, at a transformed value.
    pub(crate) fn slope_at(&self, mut y: f64) -> f64 {
        let mut slope = 1.0;
        for step in self.steps.iter().rev() {
            // Before what noise hid is rounded away the map is smooth.
            let x = step.undone(y);
            slope *= step.derivatives(x)[0];
            y = x;
        }
        slope
    }
}

/// The noise of one row, in [0, 1) for every column: it follows from the row's own values and from `draw`, so that a row's density is a function of the row.
pub fn noise(row: impl Iterator<Item = f64>, draw: u64) -> impl Fn(usize) -> f64 {
    // FNV-1a over the bits; adding 0 makes one of the two zeros.
    let hash = row.fold(0xcbf2_9ce4_8422_2325_u64 ^ draw.wrapping_mul(0x9e37_79b9_7f4a_7c15), |hash, value| {
        (hash ^ (value + 0.0).to_bits()).wrapping_mul(0x0000_0100_0000_01b3)
    });
    move |column| {
        // SplitMix64, one state a column.
        let state = mixed(hash).wrapping_add((column as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (mixed(state) >> 11) as f64 * 0.5_f64.powi(53)
    }
}

fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests;
