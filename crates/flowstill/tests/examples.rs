//! Run every example and hold it to the result that its first line states.
// Two examples borrow the table and the flow of the first.
#![allow(clippy::duplicate_mod)]

#[path = "../examples/add_a_bijector.rs"]
mod add_a_bijector;
#[path = "../examples/distil.rs"]
mod distil;
#[path = "../examples/own_objective.rs"]
mod own_objective;
#[path = "../examples/sample_and_score.rs"]
mod sample_and_score;
#[path = "../examples/train.rs"]
mod train;

#[test]
fn train() {
    let report = train::run().expect("trains");
    let (first, best) = (report.history[0].value, report.best.expect("validated").value);
    assert!(best < 2.0 && first > best);
}

#[test]
fn distil() {
    let [(teacher, of_teacher), (student, of_student)] = distil::run().expect("distils");
    assert!(3 * student <= teacher && of_student < of_teacher + 0.05);
}

#[test]
fn sample_and_score() {
    let (rows, [before, after]) = sample_and_score::run().expect("runs");
    assert_eq!((rows.len(), before.len()), (9, 3));
    assert_eq!(before, after);
}

#[test]
fn add_a_bijector() {
    let ([without, with], drawn) = add_a_bijector::run().expect("trains");
    assert!(with < without - 0.3 && drawn.dims() == [1000, 1, 1, 2]);
    assert!(flowstill::to_f64(drawn).iter().all(|value| value.is_finite()));
}

#[test]
fn own_objective() {
    let [slope, shift] = own_objective::run().expect("trains");
    assert!((slope - 3.0).abs() < 0.02 && (shift + 1.0).abs() < 0.05, "{slope} {shift}");
}
