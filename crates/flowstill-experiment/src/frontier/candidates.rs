//! List the students that a search tries: families and sizes, and what each is taught.

use crate::recipe::{ModelPlan, Plan};
use flowstill::distill::{DistillConfig, Inheritance};
use flowstill::flows::{FlowConfig, GlowConfig, MafConfig, NsfConfig, RealNvpConfig};
use flowstill::train::TrainConfig;

/// Students for a teacher over `columns` columns: couplings (spline and affine, with and without LU layers), MAF and IAF in several sizes, and the teacher with fewer
/// steps, started from its own, where its recipe is known. `lesson` is the weight of the likelihood of the teacher's samples; 0 where the data are its samples already.
pub(super) fn candidates(plan: &Plan, columns: usize, train: &TrainConfig, lesson: f64) -> Vec<ModelPlan> {
    let taught = |inherit: Inheritance| DistillConfig {
        ilkd: 0.0,
        skd: 0.0,
        teacher_samples: lesson,
        inherit,
        ..DistillConfig::default()
    };
    let mut out = Vec::new();
    let mut add = |role: String, flow: FlowConfig, inherit: Inheritance| {
        let teaches = lesson > 0.0 || inherit != Inheritance::None;
        let distill = teaches.then(|| taught(inherit));
        out.push(ModelPlan { role, flow, train: train.clone(), distill, differs: None });
    };
    // A coupling needs two halves.
    if columns > 1 {
        for (steps, hidden) in [(2, 32), (3, 64), (5, 64), (5, 128)] {
            let config = NsfConfig { steps, hidden, ..NsfConfig::default() };
            add(format!("nsf-{steps}x{hidden}"), FlowConfig::Nsf(config), Inheritance::None);
        }
        for (steps, hidden) in [(3, 32), (5, 64), (8, 128)] {
            let config = GlowConfig { steps, hidden, layers: 3, ..GlowConfig::default() };
            add(format!("glow-{steps}x{hidden}"), FlowConfig::Glow(config), Inheritance::None);
        }
        for (steps, hidden) in [(6, 64), (10, 128)] {
            let config = RealNvpConfig { steps, hidden: vec![hidden; 2], ..RealNvpConfig::default() };
            add(format!("realnvp-{steps}x{hidden}"), FlowConfig::Realnvp(config), Inheritance::None);
        }
    }
    for (blocks, hidden) in [(2, 64), (5, 128)] {
        let config = MafConfig { blocks, hidden: vec![hidden; 2], ..MafConfig::default() };
        add(format!("iaf-{blocks}x{hidden}"), FlowConfig::Iaf(config.clone()), Inheritance::None);
        add(format!("maf-{blocks}x{hidden}"), FlowConfig::Maf(config), Inheritance::None);
    }
    for (flow, steps) in plan.teacher.iter().flat_map(|teacher| shorter(&teacher.flow)) {
        add(format!("teacher-{steps}-steps"), flow, Inheritance::Auto);
    }
    out
}

/// The same flow with two thirds and one third of its steps.
fn shorter(flow: &FlowConfig) -> Vec<(FlowConfig, usize)> {
    let whole = match flow {
        FlowConfig::Glow(config) => config.steps,
        FlowConfig::Realnvp(config) => config.steps,
        FlowConfig::Maf(config) | FlowConfig::Iaf(config) => config.blocks,
        FlowConfig::Nsf(config) => config.steps,
        FlowConfig::Sylvester(config) => config.steps,
        _ => return Vec::new(),
    };
    let mut counts = vec![(2 * whole).div_ceil(3), whole.div_ceil(3)];
    counts.dedup();
    counts.retain(|steps| *steps < whole);
    let cut = |steps: usize| {
        let mut flow = flow.clone();
        match &mut flow {
            FlowConfig::Glow(config) => config.steps = steps,
            FlowConfig::Realnvp(config) => config.steps = steps,
            FlowConfig::Maf(config) | FlowConfig::Iaf(config) => config.blocks = steps,
            FlowConfig::Nsf(config) => config.steps = steps,
            FlowConfig::Sylvester(config) => config.steps = steps,
            _ => {}
        }
        (flow, steps)
    };
    counts.into_iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_teacher_is_cut_to_two_thirds_and_one_third() {
        let steps = |count| shorter(&FlowConfig::Glow(GlowConfig { steps: count, ..GlowConfig::default() }));
        assert_eq!(steps(9).iter().map(|(_, steps)| *steps).collect::<Vec<_>>(), [6, 3]);
        assert_eq!(steps(2).iter().map(|(_, steps)| *steps).collect::<Vec<_>>(), [1]);
        assert!(steps(1).is_empty());
        assert!(steps(5).iter().all(|(flow, steps)| matches!(flow, FlowConfig::Glow(c) if c.steps == *steps)));
    }
}
