//! Train a model that is no flow, by its own objective and validation, and stop it at will: it ends in the same bits.

#[path = "../examples/own_objective.rs"]
#[allow(dead_code)]
mod example;

use example::{Line, learn};
use flowstill::train::{Control, Event, RunFolder, Trained};
use flowstill::{Error, Parameters};

fn bits(trained: &Trained<Line>) -> Vec<u32> {
    trained.model.params().iter().flat_map(|(_, param)| param.values()).map(f32::to_bits).collect()
}

#[test]
fn a_stopped_and_resumed_training_of_a_line_ends_in_the_same_bits() {
    let straight = learn(None, &mut |_| Control::Continue).expect("trains");
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(folder.path()).expect("a folder");
    for stop in [1, 45, 60, 299] {
        let mut watch = |event: &Event| match event {
            Event::Step { step, .. } if *step == stop => Control::Stop,
            _ => Control::Continue,
        };
        let error = learn(Some(&run), &mut watch).map(|_| ()).expect_err("stops");
        assert!(matches!(error, Error::Interrupted { step } if step == stop), "{error}");
    }
    let resumed = learn(Some(&run), &mut |_| Control::Continue).expect("ends");
    assert_eq!(bits(&straight), bits(&resumed));
    assert_eq!(straight.report.history, resumed.report.history);
    // The noise of the points has a variance of 0.01, which no line explains.
    let best = straight.report.best.expect("validated").value;
    assert!((0.005..0.015).contains(&best), "{best}");
    assert_eq!(straight.report.history.iter().map(|one| one.value).fold(f64::INFINITY, f64::min), best);
    let metrics = std::fs::read_to_string(run.metrics()).expect("metrics");
    assert!(metrics.contains("validation_mean_square") && !metrics.contains("nll"), "{metrics}");
}
