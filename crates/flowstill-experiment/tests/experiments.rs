//! Run small experiments from the library alone: what is told on the way, how they stop and go on, and whose fault an error is.

use flowstill::train::Control;
use flowstill_experiment::{Comparison, Error, Event, Experiment, Override, Plan, Recipe};
use std::path::Path;

const TEXT: &str = r#"
name = "tiny"
data = { set = "household", limit_rows = 1000 }
train = { steps = 12, batch = 32, validate_every = 6, checkpoint_every = 3, validation_rows = 100 }
teacher = { flow = { kind = "maf", blocks = 2, hidden = [8] } }
student = { flow = { kind = "maf", blocks = 1, hidden = [4] } }
compare = { seeds = [1, 2], variants = [{ name = "lkd", lkd = 0.1 }] }
judge = { samples = 0, repetitions = 0, round_trip_rows = 10 }
"#;

fn plan(sets: &[&str]) -> Result<Plan, Error> {
    let sets: Vec<Override> = sets.iter().map(|set| set.parse().expect("KEY=VALUE")).collect();
    Recipe::parse("tiny.toml", TEXT, sets)?.plan()
}

/// What a comparison tells, one word an event, trainings left out.
fn compared(run: &Path, sets: &[&str]) -> (Vec<String>, Comparison) {
    let mut told = Vec::new();
    let comparison = Experiment::new(plan(sets).expect("a plan"), run).compare(&mut |event| {
        told.push(match event {
            Event::Loaded(data) => format!("loaded {}", data.names.len()),
            Event::Begun { label, .. } => format!("begun {label}"),
            Event::Done { label, found, .. } => format!("done {label} {found}"),
            Event::Note(text) => format!("note {text}"),
            _ => return Control::Continue,
        });
        Control::Continue
    });
    (told, comparison.expect("a comparison"))
}

#[test]
fn a_comparison_tells_every_model_and_takes_what_is_finished() {
    let run = tempfile::tempdir().unwrap();
    let labels = [(1, "teacher"), (1, "plain"), (1, "lkd"), (2, "teacher"), (2, "plain"), (2, "lkd")];
    let expected = |found: bool| {
        let one = |(at, (seed, role)): (usize, &(u64, &str))| {
            let label = format!("[{}/6] seed {seed} {role}", at + 1);
            [format!("begun {label}"), format!("done {label} {found}")]
        };
        let models = labels.iter().enumerate().flat_map(one);
        // The meter's minutes recur: the table is prepared like POWER, which leaves them so.
        let spikes = "note values recur in a column (Time): likelihoods are unbounded there, for a flow can put spikes on them; \
                      `flowstill data describe` names the cure";
        ["loaded 6", spikes].map(str::to_string).into_iter().chain(models).collect::<Vec<_>>()
    };
    let (told, first) = compared(run.path(), &[]);
    assert_eq!(told, expected(false));
    let (told, again) = compared(run.path(), &[]);
    assert_eq!(told, expected(true));
    assert_eq!(first.rows, again.rows);
    assert_eq!(first.summary.iter().map(|role| role.role.as_str()).collect::<Vec<_>>(), ["teacher", "plain", "lkd"]);
    assert!(run.path().join("comparison.md").exists() && run.path().join("gains.png").exists());
}

#[test]
fn a_stop_leaves_what_the_next_call_goes_on_from() {
    let (run, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let experiment = Experiment::new(plan(&[]).unwrap(), run.path());
    let mut left = 9;
    let stopped = experiment.train_teacher(&mut |_| {
        left -= 1;
        if left > 0 { Control::Continue } else { Control::Stop }
    });
    let error = stopped.expect_err("it was stopped");
    assert!(matches!(error, Error::Run(_)), "{error}");
    let mut from = None;
    let on = experiment.train_teacher(&mut |event| {
        if let Event::Training { event: flowstill::train::Event::Started { step, .. }, .. } = event {
            from = Some(*step);
        }
        Control::Continue
    });
    assert!(from.is_some_and(|step| step > 0), "{from:?}");
    let whole = Experiment::new(plan(&[]).unwrap(), other.path()).train_teacher(&mut |_| Control::Continue);
    assert_eq!(std::fs::read(on.unwrap().file).unwrap(), std::fs::read(whole.unwrap().file).unwrap());
}

#[test]
fn errors_say_whose_fault_they_are_on_one_line() {
    let error = plan(&["train.stepz=3"]).expect_err("an unknown key");
    assert!(error.is_input() && error.to_string().contains("did you mean `steps`?"), "{error}");
    let run = tempfile::tempdir().unwrap();
    let blocked = run.path().join("file");
    std::fs::write(&blocked, "in the way").unwrap();
    let failed = Experiment::new(plan(&[]).unwrap(), &blocked).train_student(&mut |_| Control::Continue);
    let error = failed.expect_err("no folder can be made");
    assert!(!error.is_input() && !error.to_string().contains('\n'), "{error}");
    assert_eq!(Error::input("a:\nb\nc").to_string(), "a: b; c");
}

/// Train `steps` steps of the teacher in `run`; gives where it began and its flow file's bytes.
fn trained(run: &Path, sets: &[&str]) -> Result<(u64, Vec<u8>), Error> {
    let mut from = 0;
    let trained = Experiment::new(plan(sets)?, run).train_teacher(&mut |event| {
        if let Event::Training { event: flowstill::train::Event::Started { step, .. }, .. } = event {
            from = *step;
        }
        Control::Continue
    })?;
    Ok((from, std::fs::read(trained.file).expect("a flow file")))
}

#[test]
fn a_finished_training_goes_on_with_more_steps_to_the_bits_of_a_longer_one() {
    for kind in ["constant", "plateau"] {
        let (run, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let kind = format!("train.schedule.kind={kind}");
        let shorter = trained(run.path(), &[&kind]).unwrap();
        let longer = trained(run.path(), &[&kind, "train.steps=24"]).unwrap();
        assert_eq!((shorter.0, longer.0), (0, 12));
        assert_eq!(longer.1, trained(other.path(), &[&kind, "train.steps=24"]).unwrap().1);
        // It is the longer one's folder from now on.
        assert!(trained(run.path(), &[&kind, "train.steps=24"]).is_ok());
        let error = trained(run.path(), &[&kind]).expect_err("cut short").to_string();
        assert!(error.contains("(train.steps: 24 there, 12 here; it cannot go on, for a finished training"), "{error}");
    }
}

#[test]
fn what_hinders_more_steps_and_what_differs_are_said() {
    let run = tempfile::tempdir().unwrap();
    let refused = |sets: &[&str]| {
        let error = trained(run.path(), sets).expect_err("another plan");
        assert!(error.is_input(), "{error}");
        error.to_string()
    };
    trained(run.path(), &[]).unwrap();
    assert!(refused(&["train.steps=24"]).contains("train.schedule.kind = \"cosine\" has brought its rate to the end"));
    assert!(refused(&["train.batch=16"]).contains("(train.batch: 32 there, 16 here)"));
    assert!(
        refused(&["teacher.flow.hidden=[9]", "train.steps=24"])
            .contains("flow.hidden: [8] there, [9] here, train.steps")
    );
    assert!(refused(&["data.limit_rows=900"]).contains("(the data's rows are others)"));
    // A student that has learned from the teacher as it is would be another's.
    let (run, constant) = (tempfile::tempdir().unwrap(), "train.schedule.kind=constant");
    compared(run.path(), &[constant]);
    let longer = |sets: &[&str]| {
        Experiment::new(plan(sets).unwrap(), run.path())
            .compare(&mut |_| Control::Continue)
            .map_err(|error| error.to_string())
    };
    let error = longer(&[constant, "train.steps=24"]).expect_err("two teachers");
    assert!(error.contains("lkd: its teacher would go on with more steps"), "{error}");
    let comparison = longer(&[constant, "student.train.steps=24"]).expect("students go on");
    let steps: Vec<u64> = comparison.rows.iter().map(|row| row.steps).collect();
    assert_eq!(steps, [12, 24, 24, 12, 24, 24]);
}
