//! `flowstill evaluate STUDENT --against TEACHER`: how far a student is from its teacher, by samples of both.

use super::{choose, refuse_options};
use crate::args::Evaluate;
use crate::failure::{Failure, Outcome};
use crate::out;
use flowstill::file;
use flowstill::model::Model;
use flowstill_experiment::{EvaluateConfig, divergence, read_context};
use std::path::Path;

pub(super) fn run(args: &Evaluate, student: &Model, teacher: &Path) -> Outcome<()> {
    let given = [("draws", args.draws.is_some()), ("features", args.features.is_some())];
    refuse_options(&given, "--against compares two flows over a table, and this goes with pictures")?;
    if args.samples < 100 {
        return Err(Failure::input(format!(
            "--samples: expected at least 100 to compare two flows, got {}",
            args.samples
        )));
    }
    let teacher = file::load(teacher, &choose(args.device)?)?;
    let (context, count) = match (student.context_columns(), &args.data) {
        (0, Some(_)) => {
            return Err(Failure::input(
                "--data: two flows without a context are compared by their samples alone; leave it out, or leave --against out",
            ));
        }
        (0, None) => (Vec::new(), args.samples),
        (_, None) => {
            return Err(Failure::input(
                "--against: the flow has a context; give a table of conditioning values with --data",
            ));
        }
        (width, Some(path)) => {
            let mut context = read_context(student, Path::new(path))?.context;
            context.truncate(args.samples * width);
            let rows = context.len() / width;
            (context, rows)
        }
    };
    let found = divergence(&teacher, student, count, EvaluateConfig::default().seed, &context)?;
    if args.json {
        return out::print_json(&found);
    }
    let optional = |value: Option<f64>, error: Option<f64>, digits: usize| match (value, error) {
        (Some(value), Some(error)) => format!("{value:.digits$} ± {:.digits$}", 2.0 * error),
        _ => "-".into(),
    };
    let nats = |value: f64, error: f64| format!("{value:.4} ± {:.4} nats (2 se)", 2.0 * error);
    let lines = [
        (
            "samples",
            format!(
                "{} of each ({} and {} without a finite density)",
                found.samples, found.not_finite[0], found.not_finite[1]
            ),
        ),
        ("KL(teacher || student)", nats(found.kl_teacher_student, found.kl_teacher_student_standard_error)),
        ("KL(student || teacher)", nats(found.kl_student_teacher, found.kl_student_teacher_standard_error)),
        ("effective samples", format!("{:.4} of the student's, by importance weights", found.effective_sample_size)),
        ("C2ST", format!("{} (0.5: cannot be told apart)", optional(found.c2st, found.c2st_standard_error, 4))),
        ("MMD^2", optional(found.mmd2, found.mmd2_standard_error, 6)),
    ];
    out::print_values(lines, 23)
}
