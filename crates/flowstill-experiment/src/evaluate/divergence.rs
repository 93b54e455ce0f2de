//! Measure how far one flow's density is from another's, by samples of both.

use super::health;
use super::rows::beside;
use crate::{Error, Result};
use flowstill::model::Model;
use flowstill_metrics::{C2stConfig, MmdConfig, c2st, mean_and_standard_error, mmd_unbiased};
use serde::{Deserialize, Serialize};

/// How far a student's density `q` is from its teacher's `p`. Divergences are in nats and do not depend on the units of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// Samples of each flow.
    pub samples: usize,
    /// `KL(p || q)`: what is lost by coding the teacher's samples with the student; the mean of `log p - log q` over the teacher's samples.
    #[serde(deserialize_with = "crate::report::number")]
    pub kl_teacher_student: f64,
    /// Its standard error over the samples.
    #[serde(deserialize_with = "crate::report::number")]
    pub kl_teacher_student_standard_error: f64,
    /// `KL(q || p)` over the student's samples: large where the student puts mass that the teacher has not.
    #[serde(deserialize_with = "crate::report::number")]
    pub kl_student_teacher: f64,
    /// Its standard error over the samples.
    #[serde(deserialize_with = "crate::report::number")]
    pub kl_student_teacher_standard_error: f64,
    /// Effective sample size of the importance weights `p / q` over the student's samples, as a part of them: 1 for equal flows.
    #[serde(deserialize_with = "crate::report::number")]
    pub effective_sample_size: f64,
    /// Samples of the teacher, and of the student, that are not finite or have no finite density under both; the means leave them out.
    pub not_finite: [usize; 2],
    /// Accuracy of a classifier between the samples of both: 0.5 where it cannot tell them apart.
    pub c2st: Option<f64>,
    /// Its standard error.
    pub c2st_standard_error: Option<f64>,
    /// Unbiased squared maximum mean discrepancy between the samples of both.
    pub mmd2: Option<f64>,
    /// Its standard error.
    pub mmd2_standard_error: Option<f64>,
}

/// Measure how far `student` is from `teacher` by `count` samples of each. `context` has the raw conditioning values of as many rows, for flows
/// that have a context; it is empty for others. For models of tables.
///
/// # Errors
/// When the two do not model the same number of columns, when no sample has a finite density under both, and what the flows report.
pub fn divergence(teacher: &Model, student: &Model, count: usize, seed: u64, context: &[f64]) -> Result<Divergence> {
    let fits = |model: &Model| (model.columns(), model.context_columns());
    if fits(teacher) != fits(student) || teacher.pictures.is_some() || student.pictures.is_some() {
        let told = |(columns, context)| format!("{columns} columns with {context} conditioning ones");
        return Err(Error::input(format!(
            "expected two flows over the same columns of a table, got {} and {}; compare a student with the teacher it was made from",
            told(fits(teacher)),
            told(fits(student))
        )));
    }
    let columns = teacher.columns();
    let from_teacher = Drawn::new(teacher, [teacher, student], count, seed, context)?;
    // Noise of its own: shared noise would make the two sets of samples dependent.
    let from_student = Drawn::new(student, [teacher, student], count, seed ^ 0x5eed_0f57, context)?;
    let mut out = Divergence { samples: count, ..Divergence::default() };
    out.not_finite = [from_teacher.lost, from_student.lost];
    let forward = from_teacher.gaps("teacher", |[p, q]| p - q)?;
    (out.kl_teacher_student, out.kl_teacher_student_standard_error) = (forward.mean, forward.standard_error);
    let reverse = from_student.gaps("student", |[p, q]| q - p)?;
    (out.kl_student_teacher, out.kl_student_teacher_standard_error) = (reverse.mean, reverse.standard_error);
    out.effective_sample_size = effective(from_student.densities.iter().map(|[p, q]| p - q));
    let width = teacher.context_columns();
    let pairs = |drawn: &Drawn| beside(&drawn.rows, columns, &drawn.context, width);
    let (real, made, columns) = (pairs(&from_teacher), pairs(&from_student), columns + width);
    if let Ok(result) = c2st(&real, &made, columns, &C2stConfig { seed, ..C2stConfig::default() }) {
        (out.c2st, out.c2st_standard_error) = (Some(result.accuracy), Some(result.standard_error));
    }
    if let Ok(result) = mmd_unbiased(&real, &made, columns, &MmdConfig { seed, ..MmdConfig::default() }) {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        (out.mmd2, out.mmd2_standard_error) = (finite(result.mmd2), finite(result.standard_error));
    }
    Ok(out)
}

/// Samples of one flow with their log-densities under both.
struct Drawn {
    /// In the teacher's standardised units.
    rows: Vec<f32>,
    context: Vec<f32>,
    /// Under teacher and student, nats, in the data's own units.
    densities: Vec<[f64; 2]>,
    lost: usize,
}

impl Drawn {
    fn new(from: &Model, under: [&Model; 2], count: usize, seed: u64, context: &[f64]) -> Result<Self> {
        let (columns, width) = (from.columns(), from.context_columns());
        let raw = from.sample(count, seed, 1.0, context)?;
        let mut kept = Vec::with_capacity(raw.len());
        let mut kept_context = Vec::with_capacity(context.len());
        // Far outside of single precision nothing has a density.
        let sound = |value: &f64| value.is_finite() && value.abs() < 1e30;
        for (at, row) in raw.chunks_exact(columns).enumerate() {
            if row.iter().all(sound) {
                kept.extend_from_slice(row);
                kept_context.extend_from_slice(&context[at * width..(at + 1) * width]);
            }
        }
        // The teacher's units for both, or two flows with scales of their own would look alike.
        let scales = &under[0].standardization;
        let under = [densities(under[0], &kept, &kept_context)?, densities(under[1], &kept, &kept_context)?];
        let (rows, context) = (scales.rows(&kept)?, scales.context(&kept_context)?);
        let mut out = Self { rows: Vec::new(), context: Vec::new(), densities: Vec::new(), lost: 0 };
        for (at, (&p, &q)) in under[0].iter().zip(&under[1]).enumerate() {
            if p.is_finite() && q.is_finite() {
                out.densities.push([p, q]);
                out.rows.extend_from_slice(&rows[at * columns..(at + 1) * columns]);
                out.context.extend_from_slice(&context[at * width..(at + 1) * width]);
            }
        }
        out.lost = count - out.densities.len();
        Ok(out)
    }

    fn gaps(&self, whose: &str, gap: impl Fn([f64; 2]) -> f64) -> Result<flowstill_metrics::MeanAndError> {
        let gaps: Vec<f64> = self.densities.iter().map(|pair| gap(*pair)).collect();
        mean_and_standard_error(&gaps).map_err(|_| {
            Error::Diverged(format!(
                "none of the {whose}'s samples has a finite density under both flows; train the student further"
            ))
        })
    }
}

/// Log-densities in the data's own units, nats; what is not finite is left as it is.
fn densities(model: &Model, rows: &[f64], context: &[f64]) -> Result<Vec<f64>> {
    let scales = &model.standardization;
    let seen = scales.rows(rows)?;
    let mut out = health::densities(model, &seen, &scales.context(context)?)?;
    for (value, row) in out.iter_mut().zip(seen.chunks_exact(model.columns())) {
        *value += scales.log_det() + scales.transforms_log_det(row);
    }
    Ok(out)
}

/// `(sum w)^2 / (n sum w^2)` of weights by their logarithms.
fn effective(log_weights: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = log_weights.clone().fold(f64::NEG_INFINITY, f64::max);
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for weight in log_weights.map(|log| (log - most).exp()) {
        count += 1.0;
        sum += weight;
        squares += weight * weight;
    }
    if squares > 0.0 { sum * sum / (count * squares) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstill::device;
    use flowstill::flows::{Architecture, Flow};
    use flowstill::model::Standardization;

    /// A flow without steps is its base: a Gaussian of given mean and deviation in two columns.
    fn gaussian(mean: f64, std: f64) -> Model {
        let architecture = Architecture::table(2, 0, Vec::new(), flowstill::base::BaseConfig::StandardNormal);
        Model {
            flow: Flow::new(&architecture, 1, &device::cpu()).expect("a flow"),
            standardization: Standardization {
                mean: vec![mean; 2],
                std: vec![std; 2],
                context_mean: Vec::new(),
                context_std: Vec::new(),
                columns: Vec::new(),
            },
            pictures: None,
            dequantizer: None,
            facts: flowstill::model::TrainingFacts::default(),
        }
    }

    #[test]
    fn gaussians_have_the_divergence_of_the_formula() {
        let (p, q) = (gaussian(0.0, 1.0), gaussian(0.5, 1.25));
        // KL(N(a, s) || N(b, t)) = ln(t / s) + (s^2 + (a - b)^2) / (2 t^2) - 1/2, in each of two columns.
        let kl =
            |a: f64, s: f64, b: f64, t: f64| 2.0 * ((t / s).ln() + (s * s + (a - b).powi(2)) / (2.0 * t * t) - 0.5);
        let found = divergence(&p, &q, 20_000, 3, &[]).unwrap();
        let near = |value: f64, error: f64, truth: f64| (value - truth).abs() < 5.0 * error;
        let (forward, reverse) = (kl(0.0, 1.0, 0.5, 1.25), kl(0.5, 1.25, 0.0, 1.0));
        assert!(
            near(found.kl_teacher_student, found.kl_teacher_student_standard_error, forward),
            "{found:?} {forward}"
        );
        assert!(
            near(found.kl_student_teacher, found.kl_student_teacher_standard_error, reverse),
            "{found:?} {reverse}"
        );
        assert!(found.kl_teacher_student_standard_error < 0.02 && found.not_finite == [0, 0]);
        // 1 / (the integral of p^2 / q), which is t / sqrt(2 a) exp(m^2 / (4 a t^4) + m^2 / (2 t^2)) a column with a = 1 - 1 / (2 t^2).
        let (m, t) = (0.5_f64, 1.25_f64);
        let a = 1.0 - 1.0 / (2.0 * t * t);
        let integral = t / (2.0 * a).sqrt() * (m * m / (4.0 * a * t.powi(4)) + m * m / (2.0 * t * t)).exp();
        assert!((found.effective_sample_size - integral.powi(-2)).abs() < 0.03, "{found:?} {}", integral.powi(-2));
        assert!(found.c2st.unwrap() - 0.5 > 3.0 * found.c2st_standard_error.unwrap(), "{found:?}");
    }

    #[test]
    fn a_flow_is_at_no_distance_from_itself() {
        let p = gaussian(2.0, 3.0);
        let found = divergence(&p, &p.clone(), 2_000, 3, &[]).unwrap();
        assert_eq!((found.kl_teacher_student, found.kl_student_teacher, found.effective_sample_size), (0.0, 0.0, 1.0));
        assert!((found.c2st.unwrap() - 0.5).abs() < 0.06);
    }

    #[test]
    fn weights_count_by_how_even_they_are() {
        assert_eq!(effective([700.0, 700.0].into_iter()), 1.0);
        assert!(
            (effective([0.0, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY].into_iter()) - 0.25).abs()
                < 1e-12
        );
    }
}
