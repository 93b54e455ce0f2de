//! Decide which state of the student is compared with which state of the teacher, and in which order of the variables.

use super::{AlignmentConfig, DistillConfig, Mismatch, SkdForm};
use crate::bijectors::Reordering;
use crate::bijectors::permute::{invert, take_channels};
use crate::flows::Flow;
use crate::{Error, Result};
use burn::tensor::Tensor;

/// One pair of depths, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Steps of the student, from 1.
    pub student: usize,
    /// Steps of the teacher, from 1.
    pub teacher: usize,
    /// How to take the student's channels so that variables match; `None` where they do as they stand.
    pub student_order: Option<Vec<usize>>,
    /// The same for the teacher's.
    pub teacher_order: Option<Vec<usize>>,
}

impl Pair {
    /// The two states in one common order.
    pub fn in_common_order(&self, student: Tensor<4>, teacher: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        (reordered(student, self.student_order.as_deref()), reordered(teacher, self.teacher_order.as_deref()))
    }

    /// A state of the teacher in the student's order of variables.
    pub fn to_student(&self, teacher: Tensor<4>) -> Tensor<4> {
        undone(reordered(teacher, self.teacher_order.as_deref()), self.student_order.as_deref())
    }

    /// A state of the student in the teacher's order of variables.
    pub fn to_teacher(&self, student: Tensor<4>) -> Tensor<4> {
        undone(reordered(student, self.student_order.as_deref()), self.teacher_order.as_deref())
    }
}

impl Pair {
    /// The pair of what leaves at the end of a level, all channels but the first `kept`; its orders count from there.
    fn leaving(self, kept: usize, notes: &mut Vec<String>) -> Self {
        let Some(channels) = self.student_order.as_ref().or(self.teacher_order.as_ref()).map(Vec::len) else {
            return self;
        };
        // Where each variable stands, of those that leave.
        let places = |order: &Option<Vec<usize>>| -> Vec<Option<usize>> {
            let place = |variable: usize| order.as_ref().map_or(variable, |order| order[variable]);
            (0..channels).map(|variable| place(variable).checked_sub(kept)).collect()
        };
        let (own, theirs) = (places(&self.student_order), places(&self.teacher_order));
        if own.iter().zip(&theirs).any(|(own, theirs)| own.is_some() != theirs.is_some()) {
            let (i, t) = (self.student, self.teacher);
            notes.push(format!(
                "pair ({i}, {t}): other variables leave the student than the teacher; compared as they stand"
            ));
            return Self { student_order: None, teacher_order: None, ..self };
        }
        let order = |places: Vec<Option<usize>>| Some(places.into_iter().flatten().collect());
        Self { student_order: order(own), teacher_order: order(theirs), ..self }
    }
}

fn reordered(state: Tensor<4>, order: Option<&[usize]>) -> Tensor<4> {
    match order {
        Some(order) => take_channels(state, order),
        None => state,
    }
}

/// From the common order back.
fn undone(state: Tensor<4>, order: Option<&[usize]>) -> Tensor<4> {
    match order {
        Some(order) => take_channels(state, &invert(order)),
        None => state,
    }
}

/// The pairs that the configuration asks for, and a line for each repair or doubt.
///
/// # Errors
/// [`Error::Alignment`] for depths that do not exist, and for variables in different orders under [`Mismatch::Error`].
pub fn align(student: &Flow, teacher: &Flow, config: &DistillConfig) -> Result<(Vec<Pair>, Vec<String>)> {
    let (j, k) = (student.architecture().steps(), teacher.architecture().steps());
    let depths = depths(student, teacher, config)?;
    if depths.is_empty() {
        return Err(Error::alignment(
            "ilkd",
            "no pair of steps",
            "name at least one pair (student step, teacher step)",
        ));
    }
    let mut notes = Vec::new();
    let mut pairs = Vec::new();
    let (own, theirs) = (student.architecture().step_events()?, teacher.architecture().step_events()?);
    for (i, t) in depths {
        if !(1..=j).contains(&i) || !(1..=k).contains(&t) {
            let problem =
                format!("pair ({i}, {t}) does not exist: the student has steps 1 to {j}, the teacher 1 to {k}");
            return Err(Error::alignment("ilkd", problem, "name steps that exist, counted from 1"));
        }
        if own[i - 1] != theirs[t - 1] {
            let problem = format!(
                "pair ({i}, {t}): the student's state is {:?} there, the teacher's {:?}",
                own[i - 1],
                theirs[t - 1]
            );
            return Err(Error::alignment("ilkd", problem, "pair steps of the same level"));
        }
        pairs.push(pair(student, teacher, (i, t), config.mismatch, &mut notes)?);
    }
    let backward =
        |two: &[Pair]| two[1].student < two[0].student || two[1].teacher < two[0].teacher || two[0] == two[1];
    if pairs.windows(2).any(backward) {
        return Err(Error::alignment(
            "ilkd",
            "the pairs do not go forward in both flows",
            "list them from the data side, each once",
        ));
    }
    if config.skd_form == SkdForm::Trajectory && pairs.windows(2).any(|two| two[0].student == two[1].student) {
        return Err(Error::alignment(
            "skd",
            "a student step is aligned twice, and the trajectory form undoes the steps between two pairs",
            "name each student step once in distill.alignment",
        ));
    }
    let ends = student.architecture().level_ends().into_iter().zip(teacher.architecture().level_ends());
    let met = |end: (usize, usize)| pairs.iter().any(|pair| (pair.student, pair.teacher) == end);
    if config.skd_form == SkdForm::Trajectory && config.skd > 0.0 && !ends.into_iter().all(met) {
        return Err(Error::alignment(
            "skd",
            "the trajectory form needs a pair at the end of every level",
            "set distill.alignment to even or levels, or name those pairs too",
        ));
    }
    Ok((pairs, notes))
}

/// The pairs of depths, level by level, counted from 1 over all levels.
fn depths(student: &Flow, teacher: &Flow, config: &DistillConfig) -> Result<Vec<(usize, usize)>> {
    let count = |flow: &Flow| flow.architecture().levels.iter().map(Vec::len).collect::<Vec<_>>();
    let (own, theirs) = (count(student), count(teacher));
    let ends = (own.iter().sum(), theirs.iter().sum());
    let every = match &config.alignment {
        AlignmentConfig::Pairs(pairs) => return Ok(pairs.clone()),
        AlignmentConfig::Ends => return Ok(vec![ends]),
        AlignmentConfig::Levels => None,
        AlignmentConfig::Auto => (own.len() == 1).then_some(1),
        AlignmentConfig::Even => Some(1),
        AlignmentConfig::Every(n) => Some(*n),
    };
    if own.len() != theirs.len() {
        return Err(Error::alignment(
            "ilkd",
            format!("the student has {} levels, the teacher {}", own.len(), theirs.len()),
            "give both the same number of levels, or name pairs of the same shape in distill.alignment",
        ));
    }
    let (mut depths, mut before) = (Vec::new(), (0, 0));
    for (j, k) in own.into_iter().zip(theirs) {
        let even = |i: usize| (before.0 + i, before.1 + ((i * k) as f64 / j as f64).round().max(1.0) as usize);
        depths.extend((1..=j).filter(|i| every.is_some_and(|n| i % n == 0) || *i == j).map(even));
        before = (before.0 + j, before.1 + k);
    }
    Ok(depths)
}

/// The ends of every level: what LKD compares and SKD shares its noise at. Both flows have as many levels.
pub(super) fn align_ends(
    student: &Flow,
    teacher: &Flow,
    config: &DistillConfig,
    notes: &mut Vec<String>,
) -> Result<Vec<Pair>> {
    let (own, theirs) = (student.architecture(), teacher.architecture());
    let ends = own.level_ends().into_iter().zip(theirs.level_ends()).enumerate();
    ends.map(|(level, end)| {
        let whole = pair(student, teacher, end, config.mismatch, notes)?;
        match own.splits.get(level) {
            Some(split) => Ok(whole.leaving(split.kept(), notes)),
            None => Ok(whole),
        }
    })
    .collect()
}

fn pair(
    student: &Flow,
    teacher: &Flow,
    (i, t): (usize, usize),
    mismatch: Mismatch,
    notes: &mut Vec<String>,
) -> Result<Pair> {
    let orders = (student.reordering_after(i), teacher.reordering_after(t));
    let kept = Pair { student: i, teacher: t, student_order: None, teacher_order: None };
    let undo = |order: Reordering| match order {
        Reordering::Permuted(indices) => Some(invert(&indices)),
        Reordering::Kept | Reordering::Mixed => None,
    };
    match orders {
        (Reordering::Mixed, Reordering::Mixed) => Ok(kept),
        (Reordering::Mixed, _) | (_, Reordering::Mixed) => {
            notes.push(format!(
                "pair ({i}, {t}): one flow mixes its variables by learned weights, the other only reorders them; compared as they stand"
            ));
            Ok(kept)
        }
        (student, teacher) if student == teacher => Ok(kept),
        (student, teacher) => match mismatch {
            Mismatch::Error => Err(Error::alignment(
                "ilkd",
                format!(
                    "pair ({i}, {t}): the variables stand in different orders there (reversals or permutations differ)"
                ),
                "choose depths with the same number of reversals modulo 2, inherit the permutations, or set distill.mismatch = \"reorder\"",
            )),
            Mismatch::Reorder => {
                notes.push(format!(
                    "pair ({i}, {t}): the variables stand in different orders; each is compared with itself"
                ));
                Ok(Pair { student_order: undo(student), teacher_order: undo(teacher), ..kept })
            }
        },
    }
}
