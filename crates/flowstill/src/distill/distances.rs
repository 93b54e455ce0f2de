//! Compare latents and states of two flows on the same data: LKD, ILKD and norm control.

use super::Distillation;
use crate::flows::Latents;
use burn::tensor::Tensor;

/// Steps whose states are kept, each once, in rising order.
#[derive(Clone, Debug)]
pub(super) struct Taps(pub(super) Vec<usize>);

impl Taps {
    pub(super) fn new(steps: impl Iterator<Item = usize>) -> Self {
        let mut all: Vec<usize> = steps.collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Where the state of a step stands.
    pub(super) fn at(&self, step: usize) -> usize {
        self.0.partition_point(|own| *own < step)
    }
}

impl Distillation {
    /// The mean distance over all dimensions of the latents, those that left at a split included.
    pub(super) fn lkd(&self, student: &Latents, teacher: &Latents) -> Tensor<1> {
        let distance = self.config.distance_of(&self.config.terms.lkd);
        self.over_levels(student, teacher, |level, s, t| {
            let (s, t) = self.ends[level].in_common_order(s, t);
            distance.mean(s, t)
        })
    }

    /// The mean over the levels of latents, each counted by its dimensions.
    pub(super) fn over_levels(
        &self,
        student: &Latents,
        teacher: &Latents,
        term: impl Fn(usize, Tensor<4>, Tensor<4>) -> Tensor<1>,
    ) -> Tensor<1> {
        let (all, levels) = (student.dimensions() as f64, student.levels.len());
        let each = student.levels.iter().zip(&teacher.levels).enumerate().map(|(level, (s, t))| {
            let own = s.dims()[1..].iter().product::<usize>() as f64;
            let distance = term(level, s.clone(), t.clone());
            if levels == 1 { distance } else { distance * (own / all) }
        });
        each.reduce(|sum, next| sum + next).expect("latents have a level")
    }

    /// The mean distance of the aligned states.
    pub(super) fn ilkd(&self, student: &[Tensor<4>], teacher: &[Tensor<4>]) -> Tensor<1> {
        let distance = self.config.distance_of(&self.config.terms.ilkd);
        self.mean_over_pairs(student, teacher, |s, t| distance.mean(s, t))
    }

    /// How far the student's states are from the teacher's in mean squared size.
    pub(super) fn norm_control(&self, student: &[Tensor<4>], teacher: &[Tensor<4>]) -> Tensor<1> {
        self.mean_over_pairs(student, teacher, |s, t| (s.square().mean() / t.square().mean() - 1.0).square())
    }

    fn mean_over_pairs(
        &self,
        student: &[Tensor<4>],
        teacher: &[Tensor<4>],
        term: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
    ) -> Tensor<1> {
        let each = self.pairs.iter().enumerate().map(|(index, pair)| {
            let (s, t) = pair.in_common_order(
                student[self.student_taps.at(pair.student)].clone(),
                teacher[self.teacher_taps.at(pair.teacher)].clone(),
            );
            let s = self.projectors.get(index).map_or(s.clone(), |projector| projector.forward(s));
            term(s, t)
        });
        Tensor::cat(each.collect(), 0).mean()
    }
}
