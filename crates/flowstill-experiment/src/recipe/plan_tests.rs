//! Test that recipes become checked plans, and that every recipe of the project does.

use super::*;
use crate::Recipe;
use crate::recipe::resolved;
use flowstill::distill::SharedNoise;
use proptest::prelude::*;
use std::path::Path;

fn planned(text: &str, sets: &[&str]) -> Result<Plan, String> {
    let sets = sets.iter().map(|set| set.parse()).collect::<Result<Vec<_>, _>>()?;
    let plan = Recipe::parse("r.toml", text, sets).and_then(|recipe| recipe.plan());
    plan.map_err(|error| match error {
        Error::Input(message) => message,
        other => format!("not an input error: {other:?}"),
    })
}

const TEXT: &str = r#"
name = "r"
[train]
steps = 100
optimiser = { rate = 1e-3 }
[teacher]
flow = { kind = "maf", blocks = 2 }
train = { steps = 200, optimiser = { beta1 = 0.8 } }
[student]
flow = { kind = "glow", steps = 2 }
[distill]
teacher_samples = 0.1
[compare]
seeds = [4]
variants = [{ name = "a", lkd = 0.2 }, { name = "b", flow = { hidden = 64 }, train = { batch = 32 } }]
"#;

#[test]
fn parts_are_laid_over_the_common_sections() {
    let plan = planned(TEXT, &[]).unwrap();
    let teacher = &plan.teacher.as_ref().unwrap().train;
    assert_eq!((teacher.steps, teacher.optimiser.rate, teacher.optimiser.beta1), (200, 1e-3, 0.8));
    assert_eq!(plan.student().unwrap().train.steps, 100);
    let weights = |at: usize| plan.variants[at].distill.as_ref().map(|d: &DistillConfig| (d.lkd, d.teacher_samples));
    assert_eq!((weights(0), weights(1)), (Some((0.2, 0.1)), Some((0.0, 0.1))));
    assert_eq!((plan.variants[0].differs.clone(), plan.variants[1].train.batch), (None, 32));
    assert_eq!(plan.variants[1].differs.as_deref(), Some("flow: hidden = 64; train: batch = 32"));
    let FlowConfig::Glow(glow) = &plan.variants[1].flow else { panic!("a variant keeps its family") };
    assert_eq!((glow.steps, glow.hidden), (2, 64));
}

#[test]
fn every_named_flow_is_read_by_its_name() {
    for kind in FlowConfig::KINDS {
        let plan = planned(&format!("name = \"r\"\n[student]\nflow = {{ kind = \"{kind}\" }}"), &[]).unwrap();
        let flow = &plan.student().unwrap().flow;
        assert_eq!((flow.kind(), serde_json::json!(flow)["kind"].as_str()), (*kind, Some(*kind)));
        assert!(flow.describe(false).starts_with(kind), "{}", flow.describe(false));
    }
}

#[test]
fn faults_are_told_with_their_place() {
    for (from, to, expected) in [
        ("steps = 100", "stepz = 100", "r.toml:4: unknown key `train.stepz`; did you mean `steps`?"),
        ("beta1", "beta3", "r.toml:8: unknown key `teacher.train.optimiser.beta3`; did you mean `beta2`?"),
        ("kind = \"maf\"", "kind = \"mof\"", "r.toml:7: teacher.flow.kind: no flow `mof`; did you mean `maf`?"),
        ("lkd = 0.2", "lkd = 2", "r.toml:15: variant `a`: distill.lkd: 2 is out of range; use 0 to 1"),
        ("[4]", "[]", "r.toml:14: compare.seeds: expected at least one seed, got none"),
        ("\"b\"", "\"plain\"", "r.toml:15: variant 2: name `plain` is taken or unfit"),
        ("name = \"r\"", "name = \"../r\"", "r.toml:2: name: `../r` is no folder name"),
    ] {
        let error = planned(&TEXT.replacen(from, to, 1), &[]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_recipe_without_variants_compares_what_its_distill_section_says() {
    let (head, _) = TEXT.split_once("variants").unwrap();
    let roles = |plan: &Plan| plan.variants.iter().map(|variant| variant.role.clone()).collect::<Vec<_>>();
    let plan = planned(head, &[]).unwrap();
    assert_eq!(
        (roles(&plan), plan.variants[0].distill.as_ref().unwrap().teacher_samples),
        (vec!["distilled".into()], 0.1)
    );
    assert!(plan.variant("distilled").is_ok());
    // The recipe in the run folder means the same, and so it does where nothing is distilled.
    assert_eq!(roles(&planned(&resolved(&plan).unwrap(), &[]).unwrap()), roles(&plan));
    let nothing = "teacher_samples = 0.0\nilkd = 0.0\nskd = 0.0\ninherit = \"none\"";
    for text in [head.replace("[distill]\nteacher_samples = 0.1\n", ""), head.replace("teacher_samples = 0.1", nothing)]
    {
        let plan = planned(&text, &[]).unwrap();
        assert!(roles(&plan).is_empty(), "{text}");
        let again = planned(&resolved(&plan).unwrap(), &[]).unwrap();
        assert!(roles(&again).is_empty() && again.distilled == plan.distilled, "{text}");
    }
}

#[test]
fn an_override_that_a_part_of_the_recipe_hides_is_told_where_it_is_hidden_alone() {
    let told = |sets: &[&str]| {
        let sets = sets.iter().map(|set| set.parse().unwrap()).collect();
        Recipe::parse("r.toml", TEXT, sets).unwrap().shadowed()
    };
    let [line] = &told(&["train.steps=7"])[..] else { panic!("one line") };
    assert!(
        line.starts_with("--set train.steps=7 does not reach the teacher: the recipe has teacher.train.steps = 200")
    );
    assert!(told(&["train.steps=7", "teacher.train.steps=9"]).is_empty());
    assert!(told(&["teacher.train={ steps = 9 }", "train.steps=7"]).is_empty());
    assert!(told(&["train.steps=200"]).is_empty());
    assert!(told(&["student.train.steps=7"]).is_empty());
}

#[test]
fn a_resolved_plan_means_the_same() {
    let plan = planned(TEXT, &["data.seed=3", "student.train.ema=0.9"]).unwrap();
    let again = planned(&resolved(&plan).unwrap(), &[]).unwrap();
    assert_eq!((&again.teacher, &again.plain, &again.distilled), (&plan.teacher, &plan.plain, &plan.distilled));
    assert_eq!((&again.data, &again.evaluate, &again.seeds), (&plan.data, &plan.evaluate, &plan.seeds));
    for (one, other) in again.variants.iter().zip(&plan.variants) {
        let parts = |plan: &ModelPlan| (plan.role.clone(), plan.flow.clone(), plan.train.clone(), plan.distill.clone());
        assert_eq!(parts(one), parts(other));
    }
}

#[test]
fn learned_noise_survives_in_a_resolved_plan() {
    let text = "name = \"r\"\n[data]\nset = \"digits\"\n[pictures]\ndequantization = { variational = { hidden = 8 } }\n\
        [student]\nflow = { kind = \"glow\" }\n[distill]\ndequantization = \"teacher\"\n\
        [[compare.variants]]\nname = \"a\"\ndequantization = \"uniform\"\n[[compare.variants]]\nname = \"b\"\n";
    let plan = planned(text, &[]).unwrap();
    let noise = |plan: &Plan| {
        let all = plan.variants.iter().filter_map(|variant| variant.distill.as_ref());
        all.map(|config| config.dequantization).collect::<Vec<_>>()
    };
    assert_eq!(noise(&plan), [SharedNoise::Uniform, SharedNoise::Teacher]);
    let again = planned(&resolved(&plan).unwrap(), &[]).unwrap();
    assert_eq!((&again.data, &again.distilled, noise(&again)), (&plan.data, &plan.distilled, noise(&plan)));
    let error = planned(&text.replace("hidden = 8", "steps = 0"), &[]).unwrap_err();
    assert!(error.contains("r.toml:5") && error.contains("dequantization.variational.steps"), "{error}");
}

#[test]
fn every_recipe_of_the_project_is_a_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let mut count = 0;
    for folder in std::fs::read_dir(&root).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|ending| ending == "toml") {
                let plan = Recipe::read(&file, Vec::new()).and_then(|recipe| recipe.plan());
                let plan = plan.unwrap_or_else(|error| panic!("{}: {error:?}", file.display()));
                assert!(
                    plan.teacher.is_some() && plan.plain.is_some() && !plan.variants.is_empty(),
                    "{}",
                    file.display()
                );
                count += 1;
            }
        }
    }
    assert!(count >= 16, "{count} recipes");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = planned(&text, &[]);
    }

    /// A recipe with a piece of it overwritten by anything.
    #[test]
    fn no_damaged_recipe_panics(at in 0..TEXT.len(), length in 0..20usize, patch in "[\\[\\]{}=\"',.a-z0-9\\n -]{0,12}") {
        let end = (at + length).min(TEXT.len());
        prop_assume!(TEXT.is_char_boundary(at) && TEXT.is_char_boundary(end));
        let _ = planned(&format!("{}{patch}{}", &TEXT[..at], &TEXT[end..]), &[]);
    }

    #[test]
    fn no_set_panics(set in "[a-z0-9._=\\[\\]{}\"'-]{0,30}", key in "(train|teacher|compare|data|name)(\\.[a-z0-9]{0,8}){0,3}") {
        let _ = planned(TEXT, &[&set]);
        let _ = planned(TEXT, &[&format!("{key}={set}")]);
    }
}
