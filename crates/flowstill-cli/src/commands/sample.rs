//! `flowstill sample`: rows drawn from a flow, in the data's own units.

use super::write_table;
use crate::args::Sample;
use crate::failure::{Failure, Outcome};
use crate::{device, tables};
use flowstill::file;
use flowstill::model::Model;

pub(super) fn run(args: &Sample) -> Outcome<()> {
    let model = file::load(&args.flow, &device::current())?;
    let (context, rows) = context(args, &model)?;
    let values = model.sample(rows, args.seed, args.temperature, &context)?;
    let (columns, width) = (model.columns(), model.context_columns());
    let names = |given: &[String], count: usize, prefix: &str| match given.len() == count {
        true => given.to_vec(),
        false => (1..=count).map(|at| format!("{prefix}{at}")).collect(),
    };
    let mut all = names(&model.facts.columns, columns, "c");
    if width == 0 {
        return write_table(all, values, args.out.as_deref());
    }
    // With a context each row says what it was drawn for.
    all.extend(names(&model.facts.context_columns, width, "context"));
    let pairs = values.chunks_exact(columns).zip(context.chunks_exact(width));
    let values = pairs.flat_map(|(row, context)| row.iter().chain(context).copied()).collect();
    write_table(all, values, args.out.as_deref())
}

/// The conditioning values of every row to draw, and how many rows those are.
fn context(args: &Sample, model: &Model) -> Outcome<(Vec<f64>, usize)> {
    let width = model.context_columns();
    match (&args.context, width) {
        (None, 0) => Ok((Vec::new(), args.rows.unwrap_or(1000))),
        (Some(_), 0) => Err(Failure::input("--context: this flow has no conditioning columns; leave it out")),
        (None, _) => Err(Failure::input(format!(
            "--context: this flow is conditioned on {width} columns ({}); give a table of them",
            model.facts.context_columns.join(", ")
        ))),
        (Some(path), _) => {
            let raw = tables::read_context(model, path)?;
            let each = args.rows.unwrap_or(1);
            let repeated: Vec<f64> = raw
                .context
                .chunks_exact(width)
                .flat_map(|row| std::iter::repeat_n(row, each).flatten().copied().collect::<Vec<_>>())
                .collect();
            Ok((repeated, raw.rows * each))
        }
    }
}
