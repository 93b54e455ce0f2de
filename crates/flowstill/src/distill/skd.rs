//! Compare what two flows make of the same noise: SKD in its three forms.

use super::Distillation;
use super::pool::{Draw, row_indices, rows_within, select_noise};
use crate::Result;
use crate::base::Noise;
use crate::flows::Flow;
use crate::train::Batch;
use burn::tensor::Tensor;

impl Distillation {
    /// The distance of what the two inverses make of the same noise.
    pub(super) fn skd_inverse(&self, student: &Flow, draw: &Draw) -> Result<Option<Tensor<1>>> {
        let device = student.device();
        let context = draw.context.as_ref();
        let mut noise = draw.noise.clone();
        let mut target = draw.samples.clone();
        let mut samples = self.student_samples(student, &noise, context)?;
        // A row that the student throws far out would drown the others, or spoil the gradient; it waits until the student is better.
        let good = rows_within(&samples, 10.0 * self.config.outlier);
        if good.is_empty() {
            return Ok(None);
        }
        if good.len() < noise.batch() {
            noise = select_noise(&noise, &good, &device);
            target = target.select(0, row_indices(&good, &device));
            let context = context.map(|c| c.clone().select(0, row_indices(&good, &device)));
            samples = self.student_samples(student, &noise, context.as_ref())?;
        }
        Ok(Some(self.config.distance_of(&self.config.terms.skd).mean(samples, target)))
    }

    fn student_samples(&self, student: &Flow, noise: &Noise, context: Option<&Tensor<2>>) -> Result<Tensor<4>> {
        let mut own = noise.clone();
        own.normal = own.normal.into_iter().zip(&self.ends).map(|(level, end)| end.to_student(level)).collect();
        let temperature = self.config.temperature_of(&self.config.terms.skd);
        Ok(student.inverse(&student.latents_from_noise(&own, temperature), context)?.0)
    }

    /// The distance between the noise and what the teacher makes of the student's sample from it.
    pub(super) fn skd_cycle(&self, student: &Flow, batch: &Batch, step: u64) -> Result<Option<Tensor<1>>> {
        let rows = self.rows_of(batch);
        let mut rng = crate::random::stream(self.seed, "cycle noise", step);
        let mut noise = Noise::draw(rows, self.teacher.latent_events(), &mut rng, &student.device());
        let mut context = batch.context.clone();
        let mut samples = self.student_samples(student, &noise, context.as_ref())?;
        let good = rows_within(&samples, self.config.outlier);
        if good.is_empty() {
            return Ok(None);
        }
        if good.len() < rows {
            let device = student.device();
            noise = select_noise(&noise, &good, &device);
            context = context.map(|c| c.select(0, row_indices(&good, &device)));
            samples = self.student_samples(student, &noise, context.as_ref())?;
        }
        // How far the student itself comes back from where it began: the rounding in what follows.
        let back = student.forward(samples.clone().detach(), context.as_ref())?.0;
        let (latents, _) = self.teacher.forward(samples, context.as_ref())?;
        let terms = &self.config.terms;
        let temperature = self.config.temperature_of(&terms.skd);
        let wanted = self.teacher.latents_from_noise(&noise, temperature);
        let mut own = noise;
        own.normal = own.normal.into_iter().zip(&self.ends).map(|(level, end)| end.to_student(level)).collect();
        let before = student.latents_from_noise(&own, temperature);
        let distance = self.config.distance_of(&terms.skd);
        Ok(Some(self.over_levels(&latents, &wanted, |level, came, went| {
            let own = [&back, &before].map(|latents| self.ends[level].to_teacher(latents.levels[level].clone()));
            let [back, before] = own;
            distance.mean_beyond_rounding(came, went, (back, before))
        })))
    }

    /// The mean distance between the teacher's states and what the student's blocks, inverted at the teacher's next state, make of them; `trace` holds
    /// the student's own states.
    pub(super) fn skd_trajectory(
        &self,
        student: &Flow,
        x: &Tensor<4>,
        [trace, teacher]: [&[Tensor<4>]; 2],
        context: Option<&Tensor<2>>,
    ) -> Result<Tensor<1>> {
        let distance = self.config.distance_of(&self.config.terms.skd);
        let mut terms = Vec::new();
        // The teacher's way and the student's own, which tells how far its blocks come back from where they began.
        let (mut from, mut before) = (0, [x.clone(), x.clone()]);
        for pair in &self.pairs {
            let start = [
                pair.to_student(teacher[self.teacher_taps.at(pair.teacher)].clone()),
                trace[self.student_taps.at(pair.student)].clone().detach(),
            ];
            if let Some(ended) = student.architecture().level_ends().iter().position(|end| *end == from) {
                // A level begins with what the last one kept.
                let kept = student.architecture().splits[ended].kept();
                before = before.map(|state| state.narrow(3, 0, kept));
            }
            let [back, own] = start.clone().map(|state| student.inverse_steps(from..pair.student, state, context));
            let [met, passed] = before;
            terms.push(distance.mean_beyond_rounding(back?, met, (own?, passed)));
            (from, before) = (pair.student, start);
        }
        Ok(Tensor::cat(terms, 0).mean())
    }
}
