//! Let a student take over permutations or whole steps from its teacher before it learns.

use super::{DistillConfig, Inheritance, align};
use crate::bijectors::{BijectorConfig, Reordering};
use crate::flows::{Architecture, Flow};
use crate::{Error, Parameters, Result, Role};
use std::collections::HashMap;

/// The student as the first step meets it, and a line that says what it took over.
///
/// # Errors
/// [`Error::Alignment`] if the steps named do not exist or have another configuration.
pub fn prepare_student(student: Flow, teacher: &Flow, config: &DistillConfig) -> Result<(Flow, Vec<String>)> {
    let j = student.architecture().steps();
    let spread = spread_steps(student.architecture(), teacher.architecture());
    match &config.inherit {
        Inheritance::None => Ok((student, Vec::new())),
        Inheritance::Permutations => inherit_permutations(student, teacher, config),
        Inheritance::Steps(steps) => inherit_steps(student, teacher, steps),
        Inheritance::Spread => inherit_steps(student, teacher, &spread),
        Inheritance::Last => match last_steps(teacher, j) {
            Some(steps) => inherit_steps(student, teacher, &steps),
            None => Err(Error::alignment(
                "inherit",
                format!("the teacher has no run of {j} steps that begins with its variables in the order of the data"),
                "name the steps (inherit.steps), or set distill.inherit = \"none\"",
            )),
        },
        Inheritance::Auto => {
            let (own, theirs) = (flat(student.architecture()), flat(teacher.architecture()));
            let (own_levels, levels) = (&student.architecture().levels, &teacher.architecture().levels);
            let fits = own_levels.iter().zip(levels).all(|(own, theirs)| own.len() <= theirs.len());
            let steps = match teacher.reordering_after(theirs.len()) {
                Reordering::Kept | Reordering::Permuted(_) if levels.len() == 1 => last_steps(teacher, j),
                _ => (fits && own_levels.len() == levels.len()).then_some(spread),
            };
            match steps {
                Some(steps) if own.iter().zip(&steps).all(|(own, &t)| *own == theirs[t - 1]) => {
                    inherit_steps(student, teacher, &steps)
                }
                _ => Ok((student, Vec::new())),
            }
        }
    }
}

/// The steps of all levels in one list.
fn flat(architecture: &Architecture) -> Vec<&BijectorConfig> {
    architecture.levels.iter().flatten().collect()
}

/// Steps spread over each level, the first and the last of it included, from 1 over all levels. Levels that only one flow has are left out.
fn spread_steps(student: &Architecture, teacher: &Architecture) -> Vec<usize> {
    let (mut steps, mut before) = (Vec::new(), 1);
    for (own, theirs) in student.levels.iter().zip(&teacher.levels) {
        let (j, k) = (own.len(), theirs.len());
        // A level of one step takes the last; where that has another form (a squeeze in front), its first.
        let single = if own.first() == theirs.last() { k.saturating_sub(1) } else { 0 };
        let spread = |i: usize| if j > 1 { (i * (k - 1)) as f64 / (j - 1) as f64 } else { single as f64 };
        steps.extend((0..j).map(|i| before + spread(i).round() as usize));
        before += k;
    }
    steps
}

/// The last `count` consecutive steps, from 1, that a student's first step may stand for: what enters them is in the data's order, or mixed.
fn last_steps(teacher: &Flow, count: usize) -> Option<Vec<usize>> {
    let last = teacher.architecture().steps().checked_sub(count)?;
    let first =
        (0..=last).rev().find(|&before| !matches!(teacher.reordering_after(before), Reordering::Permuted(_)))?;
    Some((first + 1..=first + count).collect())
}

fn inherit_steps(mut student: Flow, teacher: &Flow, steps: &[usize]) -> Result<(Flow, Vec<String>)> {
    let refuse = |problem: String, remedy: &str| Err(Error::alignment("inherit", problem, remedy));
    let own_architecture = student.architecture().clone();
    let (own, theirs) = (flat(&own_architecture), flat(teacher.architecture()));
    if steps.len() != own.len() {
        return refuse(
            format!("{} teacher steps for a student of {}", steps.len(), own.len()),
            "name one teacher step for each student step",
        );
    }
    for (i, &t) in steps.iter().enumerate() {
        match t.checked_sub(1).and_then(|t| theirs.get(t)) {
            None => {
                return refuse(
                    format!("teacher step {t} does not exist"),
                    &format!("name steps 1 to {}", theirs.len()),
                );
            }
            Some(config) if *config != own[i] => {
                return refuse(
                    format!("student step {} and teacher step {t} have different configurations", i + 1),
                    "give the student the teacher's family, width and conditioner, or inherit permutations only",
                );
            }
            Some(_) => {}
        }
    }
    let values: HashMap<String, Vec<f32>> = teacher.params().into_iter().map(|(name, p)| (name, p.values())).collect();
    let (own, theirs) = (&own_architecture, teacher.architecture());
    let same_base = own.base == theirs.base && student.latent_events().last() == teacher.latent_events().last();
    let same_split = |level: usize| own.splits.get(level).is_some_and(|split| theirs.splits.get(level) == Some(split));
    for (name, param) in student.params_mut().into_iter().filter(|(_, p)| p.role() != Role::Constant) {
        let source = match step_of(&name) {
            Some((level, place, rest)) => {
                let step = own.levels[..level].iter().map(Vec::len).sum::<usize>() + place;
                theirs.locate(steps[step]).map(|(level, place)| format!("levels.{level}.steps.{place}.{rest}"))
            }
            None => match name.strip_prefix("levels.").and_then(|rest| rest.split_once('.')?.0.parse().ok()) {
                Some(level) => same_split(level).then(|| name.clone()),
                None => same_base.then(|| name.clone()),
            },
        };
        if let Some(values) = source.and_then(|source| values.get(&source)) {
            // Only layers of the user's own can be alike in all that is known of them and differ in this.
            if values.len() != param.len() {
                return refuse(
                    format!("{name} has {} values, and {} in the teacher", param.len(), values.len()),
                    "give both flows the same layers, or set distill.inherit = \"none\"",
                );
            }
            param.set_values(values.clone());
        }
    }
    Ok((student, vec![format!("the student starts from the teacher's steps {steps:?}")]))
}

/// The level and the step of it (from 0) that a parameter belongs to, and its name within the step.
fn step_of(name: &str) -> Option<(usize, usize, &str)> {
    let (level, rest) = name.strip_prefix("levels.")?.split_once('.')?;
    let (index, rest) = rest.strip_prefix("steps.")?.split_once('.')?;
    Some((level.parse().ok()?, index.parse().ok()?, rest))
}

fn inherit_permutations(student: Flow, teacher: &Flow, config: &DistillConfig) -> Result<(Flow, Vec<String>)> {
    // The orders are about to change, so that the check of orders must not refuse what it finds now.
    let lenient = DistillConfig { mismatch: super::Mismatch::Reorder, ..config.clone() };
    let pairs = align(&student, teacher, &lenient)?.0;
    let mut architecture = student.architecture().clone();
    let mut copied = 0;
    for pair in &pairs {
        let at = |architecture: &Architecture, step| {
            architecture
                .locate(step)
                .ok_or_else(|| Error::alignment("inherit", "a step that does not exist", "name steps that exist"))
        };
        let ((level, place), (from, from_place)) =
            (at(&architecture, pair.student)?, at(teacher.architecture(), pair.teacher)?);
        let source = &teacher.architecture().levels[from][from_place];
        copied += copy_permutations(&mut architecture.levels[level][place], source);
    }
    let mut rebuilt = Flow::new(&architecture, 0, &student.device())?;
    for ((_, to), (_, from)) in rebuilt.params_mut().into_iter().zip(student.params()) {
        to.set(from.flat().clone());
    }
    // The row order alone: any row order of an orthogonal matrix is orthogonal, but another sign on the diagonal of U is not.
    let fixed = |name: &str| name.ends_with(".permutation");
    let values: HashMap<String, Vec<f32>> =
        teacher.params().into_iter().filter(|(name, _)| fixed(name)).map(|(name, p)| (name, p.values())).collect();
    for (name, param) in rebuilt.params_mut().into_iter().filter(|(name, _)| fixed(name)) {
        let Some((level, place, rest)) = step_of(&name) else { continue };
        let is_it = |pair: &&super::Pair| architecture.locate(pair.student) == Some((level, place));
        let Some((level, place)) =
            pairs.iter().find(is_it).and_then(|pair| teacher.architecture().locate(pair.teacher))
        else {
            continue;
        };
        if let Some(values) = values.get(&format!("levels.{level}.steps.{place}.{rest}")) {
            param.set_values(values.clone());
            copied += 1;
        }
    }
    match copied {
        0 => Err(Error::alignment(
            "inherit",
            "no aligned pair of steps has a permutation in common",
            "set distill.inherit = \"none\"",
        )),
        _ => Ok((rebuilt, vec![format!("the student took over {copied} fixed permutations from its teacher")])),
    }
}

/// Copy the indices of permutations that stand at the same places; says how many.
fn copy_permutations(to: &mut BijectorConfig, from: &BijectorConfig) -> usize {
    match (to, from) {
        (BijectorConfig::Permute { indices: to }, BijectorConfig::Permute { indices: from })
            if to.len() == from.len() =>
        {
            to.clone_from(from);
            1
        }
        (BijectorConfig::Chain { steps: to }, BijectorConfig::Chain { steps: from }) => {
            to.iter_mut().zip(from).map(|(to, from)| copy_permutations(to, from)).sum()
        }
        _ => 0,
    }
}
