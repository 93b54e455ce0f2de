//! Distil a GLOW of 6 steps into one of 2: the student has a third of the weights and stays within 0.05 nats of its teacher.

use flowstill::Result;
use flowstill::burn::tensor::Device;
use flowstill::distill::{DistillConfig, Distillation, prepare_student};
use flowstill::train::{Control, NegativeLogLikelihood, mean_nll, train};

#[allow(dead_code)]
#[path = "train.rs"]
mod teacher;

/// Parameters and validation nats of the teacher and of the student.
pub fn run() -> Result<[(usize, f64); 2]> {
    let (data, settings) = (teacher::data()?, teacher::settings());
    let go = &mut |_: &_| Control::Continue;
    let taught = train(teacher::flow(6)?, &mut NegativeLogLikelihood, &data, &settings, None, go)?.model;

    let config = DistillConfig { pool: 4096, ..DistillConfig::default() };
    let (student, notes) = prepare_student(teacher::flow(2)?, &taught, &config)?;
    let mut lesson = Distillation::new(&taught, &student, &config, 1, settings.batch)?;
    notes.iter().chain(lesson.notes()).for_each(|note| println!("{note}"));
    let student = train(student, &mut lesson, &data, &settings, None, go)?.model;

    let nll = |flow| mean_nll(flow, &data.validation, &Device::default());
    Ok([(taught.parameter_count(), nll(&taught)?), (student.parameter_count(), nll(&student)?)])
}

#[allow(dead_code)]
fn main() -> Result<()> {
    let [teacher, student] = run()?;
    println!(
        "teacher: {} parameters, {:.3} nats; student: {} parameters, {:.3} nats",
        teacher.0, teacher.1, student.0, student.1
    );
    Ok(())
}
