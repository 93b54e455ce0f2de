//! Search for students of small teachers, with data and without, and hold what is found to what was trained.

use flowstill::train::Control;
use flowstill_experiment::{
    Budget, Error, Event, Experiment, Frontier, FrontierConfig, FrontierReport, Override, Plan, Recipe,
};
use std::path::Path;

const TEXT: &str = r#"
name = "tiny"
data = { set = "household", limit_rows = 1500 }
train = { steps = 9, batch = 32, validate_every = 3, checkpoint_every = 3, validation_rows = 100 }
teacher = { flow = { kind = "maf", blocks = 3, hidden = [16] } }
student = { flow = { kind = "maf", blocks = 1, hidden = [4] } }
compare = { seeds = [1, 2] }
judge = { samples = 0, repetitions = 0 }
"#;

fn plan(text: &str, sets: &[&str]) -> Plan {
    let sets: Vec<Override> = sets.iter().map(|set| set.parse().expect("KEY=VALUE")).collect();
    Recipe::parse("tiny.toml", text, sets).and_then(|recipe| recipe.plan()).expect("a plan")
}

fn small(budget: Budget) -> FrontierConfig {
    FrontierConfig { budget, rungs: 2, finalists: 2, samples: 2_000, ..FrontierConfig::default() }
}

/// The report, and how many trainings took steps.
fn searched(search: &Frontier) -> Result<(FrontierReport, usize), Error> {
    let mut trained = 0;
    let report = search.search(&mut |event| {
        trained += usize::from(matches!(event, Event::Training { event: flowstill::train::Event::Started { .. }, .. }));
        Control::Continue
    })?;
    Ok((report, trained))
}

#[test]
fn a_search_keeps_to_the_budget_and_takes_what_is_finished() {
    let run = tempfile::tempdir().unwrap();
    let budget = Budget { parameters: Some(30_000), ..Budget::default() };
    let search = Frontier::new(plan(TEXT, &[]), small(budget), run.path());
    let (report, trained) = searched(&search).unwrap();
    assert!(trained > 8, "{trained}");
    // What is over the budget was never trained.
    let (over, within): (Vec<_>, Vec<_>) = report.candidates.iter().partition(|one| one.cost.parameters > 30_000);
    assert!(!over.is_empty() && over.iter().all(|one| one.rungs.is_empty() && one.broken.len() == 1));
    assert!(within.iter().all(|one| one.broken.is_empty() && !one.rungs.is_empty()));
    // The second rung is for the best of the first, by validation.
    let first = |one: &&flowstill_experiment::Candidate| one.rungs[0].1.expect("it was trained");
    let (kept, dropped): (Vec<_>, Vec<_>) = within.iter().partition(|one| one.rungs.len() == 2);
    let worst_kept = kept.iter().map(first).fold(f64::MIN, f64::max);
    assert!(!dropped.is_empty() && dropped.iter().all(|one| first(one) >= worst_kept));
    assert!(kept.iter().all(|one| [one.rungs[0].0, one.rungs[1].0] == [3, 9]));
    // The teacher, two finalists and their twins.
    let roles: Vec<&str> = report.models.iter().map(|model| model.role.as_str()).collect();
    assert_eq!((roles.len(), roles[0]), (5, "teacher"));
    for model in &report.models[1..] {
        assert_eq!((model.files.len(), model.nats.values.len(), model.divergences.len()), (2, 2, 2));
        assert!(model.nats.half_width_95.is_some() && model.broken.is_empty());
        assert_eq!(model.gain_over_plain.is_some(), !model.role.ends_with("-plain"));
    }
    let best = report.models[1..].iter().max_by(|a, b| {
        let nats = |model: &flowstill_experiment::FrontModel| model.validation_nats.clone().unwrap().mean;
        nats(a).total_cmp(&nats(b))
    });
    let chosen = report.chosen.clone().unwrap();
    assert!(best.unwrap().files.contains(&chosen) && Path::new(&chosen).exists());
    for file in ["frontier.png", "frontier.json", "frontier.md"] {
        assert!(run.path().join(file).exists(), "{file}");
    }
    // The page says what the report says, and the recipe beside it is a recipe.
    let page = std::fs::read_to_string(run.path().join("report.html")).unwrap();
    assert!(page.contains(&chosen) && report.models.iter().all(|model| page.contains(&model.role)));
    let kept = std::fs::read_to_string(run.path().join("recipe.toml")).unwrap();
    assert_eq!(plan(&kept, &[]).teacher, plan(TEXT, &[]).teacher);
    assert!(report.text().contains(&chosen) && report.markdown().contains("over plain"));
    // Once more: nothing is trained, and the same is chosen.
    let (again, trained) = searched(&search).unwrap();
    assert_eq!((trained, &again.chosen), (0, &report.chosen));
    assert_eq!(again.candidates, report.candidates);
    let nats = |report: &FrontierReport| report.models.iter().map(|model| model.nats.clone()).collect::<Vec<_>>();
    assert_eq!(nats(&again), nats(&report));
    // Another search is refused in this folder.
    let other = Frontier::new(plan(TEXT, &[]), small(Budget::default()), run.path());
    let error = searched(&other).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("another search"), "{error}");
}

#[test]
fn a_flow_file_alone_is_searched_by_its_samples() {
    let run = tempfile::tempdir().unwrap();
    let teacher = Experiment::new(plan(TEXT, &["train.steps=60"]), run.path().join("teacher"));
    let teacher = teacher.train_teacher(&mut |_| Control::Continue).unwrap().file;
    let text = format!(
        "{}teacher.file = {:?}\n",
        TEXT.lines().filter(|l| !l.starts_with("teacher")).collect::<Vec<_>>().join("\n") + "\n",
        teacher
    );
    let search =
        Frontier::new(plan(&text, &["compare.seeds=[5]"]), small(Budget::default()), run.path().join("search"));
    let (report, _) = searched(&search.without_data()).unwrap();
    assert!(report.without_data && report.data.starts_with("samples of "), "{}", report.data);
    assert!(run.path().join("search/report.html").exists() && !run.path().join("search/recipe.toml").exists());
    // Its own samples are as likely under the teacher as it says they are, and a student is no better than it.
    let (teacher, students) = report.models.split_first().unwrap();
    for student in students {
        assert!(student.lesson.is_none() && student.gain_over_plain.is_none());
        let (lost, gap) = (student.kl_from_teacher.clone().unwrap().mean, teacher.nats.mean - student.nats.mean);
        let error = student.divergences[0].kl_teacher_student_standard_error;
        assert!(lost > 0.0 && (lost - gap).abs() < 12.0 * error.max(0.02), "{lost} {gap} {error}");
    }
}

#[test]
fn a_budget_that_nobody_keeps_to_is_told_with_the_nearest() {
    let run = tempfile::tempdir().unwrap();
    let budget = Budget { parameters: Some(10), ..Budget::default() };
    let search = Frontier::new(plan(TEXT, &[]), small(budget), run.path());
    let error = searched(&search).unwrap_err();
    assert!(error.is_input(), "{error}");
    assert!(error.to_string().contains("comes nearest") && error.to_string().contains("at most 10"), "{error}");
    let wrong = Frontier::new(plan(TEXT, &[]), FrontierConfig { rungs: 0, ..FrontierConfig::default() }, run.path());
    assert!(searched(&wrong).unwrap_err().to_string().contains("frontier.rungs"));
}
