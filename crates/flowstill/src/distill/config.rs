//! Set what a student learns from its teacher: weights, distance, alignment, the form of SKD.

use super::terms::{TermConfig, Terms, WeightSchedule};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How far two states are apart; the mean over all event dimensions and the batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// `|a - b|`, the paper's choice.
    L1,
    /// `(a - b)^2`.
    L2,
    /// `(a - b)^2 / 2` within `delta`, `delta (|a - b| - delta / 2)` beyond: an outlier pulls no harder than `delta`.
    Huber {
        /// Where the square gives way to the line.
        delta: f64,
    },
}

impl Distance {
    pub(super) fn is_sound(&self) -> bool {
        !matches!(self, Distance::Huber { delta } if !delta.is_finite() || *delta <= 0.0)
    }
}

/// Which depths of the two flows are compared by ILKD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlignmentConfig {
    /// [`AlignmentConfig::Levels`] for flows of several levels (pictures), [`AlignmentConfig::Even`] for those of one (tables).
    Auto,
    /// Student step `i` of `J` with teacher step `round(i K / J)` of the same level, the end included: 3 against 9 gives (1,3) (2,6) (3,9).
    Even,
    /// The final states alone.
    Ends,
    /// Every n-th student step of [`AlignmentConfig::Even`], and the end.
    Every(usize),
    /// The end of every level, on the state before half of it leaves: everything that carries learned signal is in it.
    Levels,
    /// Explicit pairs (student step, teacher step), counted from 1 over all levels.
    Pairs(Vec<(usize, usize)>),
}

/// What to do with a pair whose states hold their variables in different orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// Refuse to run.
    Error,
    /// Compare each variable with itself, by undoing the known permutations on both sides; the run says so.
    Reorder,
}

/// How SKD reaches the student's inverse: the paper's form, and the two of CaloFlow II (arXiv 2110.11377), its z-pass and its x-pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkdForm {
    /// `d(f_s^-1(u), f_t^-1(u))`: both inverses run, exact gradients through the student's.
    Inverse,
    /// `x = f_s^-1(u)`, `d(f_t(x), u)`: the teacher's inverse never runs.
    Cycle,
    /// The teacher runs forward on data; each student block, inverted at the teacher's state, must give the teacher's state before.
    Trajectory,
}

/// What a pair of states passes through before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// Nothing.
    None,
    /// A learned linear map of the student's state per pair (BiFlow, arXiv 2512.10953), started at the identity.
    Linear,
}

/// What a student takes over from its teacher before the first step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inheritance {
    /// Nothing.
    None,
    /// As [`Inheritance::Spread`] for flows that mix their variables (GLOW, NSF), as [`Inheritance::Last`] for others (MAF), where every step of
    /// the student has the configuration of its teacher step; else nothing.
    Auto,
    /// The fixed permutations (and the row orders of LU layers) of the aligned teacher steps.
    Permutations,
    /// All weights of these teacher steps, one for each student step, counted from 1 over all levels; steps must have the same configuration.
    Steps(Vec<usize>),
    /// All weights of teacher steps spread evenly over each level, the first and the last of it included.
    Spread,
    /// All weights of the teacher's last steps: of the last run of steps before which its variables stand in the order of the data (a MAF's
    /// blocks with as many reversals, modulo 2, before them as the student's), or are mixed.
    Last,
}

/// Where the noise that makes pictures continuous comes from while a student learns; teacher and student see the same values either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedNoise {
    /// Uniform, whatever the picture.
    #[default]
    Uniform,
    /// From the teacher's dequantiser, as it is; the student keeps it.
    Teacher,
}

impl SharedNoise {
    fn is_uniform(&self) -> bool {
        *self == SharedNoise::Uniform
    }
}

/// What a weight of 1 makes of a distance on tables, whose likelihood counts in nats; on pictures, in bits per dimension, both are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The mean over the dimensions beside the nats of a whole row: the wider the table, the less a weight means.
    #[default]
    Mean,
    /// That mean times `D ln 2`, as if the likelihood counted in bits per dimension: a weight means the same for tables of any width and pictures.
    PerDimension,
}

impl Scale {
    fn is_mean(&self) -> bool {
        *self == Scale::Mean
    }
}

/// What distillation adds to the likelihood, which counts in nats for tables and in bits per dimension for pictures.
///
/// ```text
/// L = (1 - sum) NLL(data) + lkd L_LKD + ilkd L_ILKD + skd L_SKD + teacher_samples NLL(samples of the teacher)
/// ```
/// Source: Walton et al. 2025 (arXiv 2506.21003); the last term is ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DistillConfig {
    /// Weight of the distance of final latents on the same data (LKD); default 0.
    pub lkd: f64,
    /// Weight of the distance of aligned states on the same data (ILKD); default 0.05.
    pub ilkd: f64,
    /// Weight of the distance of samples from the same noise (SKD); default 0.1.
    pub skd: f64,
    /// Weight of the likelihood of the teacher's samples; default 0.15. How the defaults were found: `recipes/power/RESULT.md`.
    pub teacher_samples: f64,
    /// Distance of every term that has none of its own in `terms`; default `l1`, as in the paper's text. (Its code takes `l2` for ILKD.)
    pub distance: Distance,
    /// What LKD, ILKD and SKD are multiplied by on tables; default `mean`, by nothing.
    #[serde(skip_serializing_if = "Scale::is_mean")]
    pub scale: Scale,
    /// Pairs of depths; default `auto`.
    pub alignment: AlignmentConfig,
    /// Pairs whose variables stand in different orders; default `reorder`.
    pub mismatch: Mismatch,
    /// Form of SKD; default `inverse`.
    pub skd_form: SkdForm,
    /// Rows of noise per step for SKD and teacher samples, 0 for the batch size; default 0.
    pub noise_batch: usize,
    /// Teacher samples drawn once, before the first step, and used again and again; 0 draws fresh ones at every step (always so for
    /// conditional flows); default 131072. SKD and teacher samples at different temperatures have one each. A pool never holds more than 16,777,216 values (5,461 pictures of 32x32x3).
    pub pool: usize,
    /// Take the SKD term every n-th step only; default 1.
    pub skd_every: u64,
    /// Standard deviation of the noise of SKD and of the teacher's samples, where `terms` gives them none of their own; default 1.
    pub temperature: f64,
    /// Teacher samples with a (standardised) value past this are left out; default 30.
    pub outlier: f64,
    /// Schedule of the weights that have none of their own in `terms`; default `constant`.
    pub schedule: WeightSchedule,
    /// Distance, schedule and temperature of single terms; default none, so that the common ones hold.
    #[serde(skip_serializing_if = "Terms::is_empty")]
    pub terms: Terms,
    /// Learned map between aligned states; default `none`.
    pub projection: Projection,
    /// Weight of `(mean squared norm of the student's aligned states / the teacher's - 1)^2` (BiFlow's norm control); default 0.
    pub norm_control: f64,
    /// What the student takes over; default `auto`: on POWER students that started from teacher steps gained 0.19 nats, with GLOW (spread
    /// evenly) and with MAF (the last ones), see `recipes/power/RESULT.md`.
    pub inherit: Inheritance,
    /// Noise of pictures; default `uniform`. `teacher` needs a teacher with a variational dequantiser.
    #[serde(skip_serializing_if = "SharedNoise::is_uniform")]
    pub dequantization: SharedNoise,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self {
            lkd: 0.0,
            ilkd: 0.05,
            skd: 0.1,
            teacher_samples: 0.15,
            distance: Distance::L1,
            scale: Scale::Mean,
            alignment: AlignmentConfig::Auto,
            mismatch: Mismatch::Reorder,
            skd_form: SkdForm::Inverse,
            noise_batch: 0,
            pool: 131_072,
            skd_every: 1,
            temperature: 1.0,
            outlier: 30.0,
            schedule: WeightSchedule::Constant,
            terms: Terms::default(),
            projection: Projection::None,
            norm_control: 0.0,
            inherit: Inheritance::Auto,
            dequantization: SharedNoise::Uniform,
        }
    }
}

impl DistillConfig {
    /// The weight that is left for NLL on data: all weights sum to one.
    pub fn nll(&self) -> f64 {
        // Sums like 0.1 + 0.2 + 0.7 must not leave -1e-17.
        (1.0 - (self.lkd + self.ilkd + self.skd + self.teacher_samples)).max(0.0)
    }

    /// The distance of a term.
    pub(super) fn distance_of(&self, term: &TermConfig) -> Distance {
        term.distance.unwrap_or(self.distance)
    }

    /// The standard deviation of a term's noise.
    pub(super) fn temperature_of(&self, term: &TermConfig) -> f64 {
        term.temperature.unwrap_or(self.temperature)
    }

    /// Check every range.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let weights =
            [("lkd", self.lkd), ("ilkd", self.ilkd), ("skd", self.skd), ("teacher_samples", self.teacher_samples)];
        if let Some((name, value)) = weights.iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(Error::config(format!("distill.{name}"), format!("{value} is out of range"), "use 0 to 1"));
        }
        let sum: f64 = weights.iter().map(|(_, value)| value).sum();
        if sum > 1.0 + 1e-9 {
            return Err(Error::config(
                "distill",
                format!("the weights sum to {sum}"),
                "keep the sum at or below 1; NLL gets the rest",
            ));
        }
        let rules = [
            ("distill.schedule", self.schedule.is_sound(), "give fractions of the run between 0 and 1, from before to"),
            ("distill.noise_batch", self.noise_batch <= crate::train::MOST_ROWS, "use 0 (the batch size) to 1048576"),
            ("distill.pool", self.pool <= 1 << 24, "use 0 (fresh samples at every step) to 16777216"),
            ("distill.skd_every", self.skd_every >= 1, "use at least 1"),
            ("distill.temperature", self.temperature > 0.0 && self.temperature.is_finite(), "use a number above 0"),
            ("distill.outlier", self.outlier > 0.0 && self.outlier.is_finite(), "use a finite number above 0"),
            ("distill.norm_control", self.norm_control >= 0.0 && self.norm_control.is_finite(), "use 0 or more"),
            ("distill.alignment", self.alignment != AlignmentConfig::Every(0), "use every n-th step with n at least 1"),
            ("distill.distance", self.distance.is_sound(), "use a finite delta above 0"),
        ];
        match rules.iter().find(|(_, good, _)| !good) {
            Some((name, _, remedy)) => Err(Error::config(*name, "out of range", *remedy)),
            None => self.terms.check(),
        }
    }
}
