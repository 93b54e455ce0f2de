//! `flowstill sample`: rows drawn from a flow, in the data's own units.

use super::{choose, refuse_same, write_parts};
use crate::args::Sample;
use crate::failure::{Failure, Outcome};
use crate::interrupt::leave_nothing_beside;
use crate::out;
use flowstill::file;
use flowstill::model::{CHUNK, Model};
use flowstill_experiment::read_context;

pub(super) fn run(args: &Sample) -> Outcome<()> {
    if let Some(context) = &args.context {
        refuse_same(args.out.as_deref(), context)?;
    }
    args.out.iter().for_each(|out| leave_nothing_beside(out));
    let device = choose(args.device)?;
    let model = file::load(&args.flow, &device)?;
    if model.pictures.is_some() {
        return super::sample_pictures::run(args, &model);
    }
    if args.class.is_some() {
        return Err(Failure::input("--class: the flow models rows of a table, and has no classes; leave it out"));
    }
    let wanted = Wanted::new(args, &model)?;
    let rows = wanted.rows()?;
    let names = |given: &[String], count: usize, prefix: &str| match given.len() == count {
        true => given.to_vec(),
        false => (1..=count).map(|at| format!("{prefix}{at}")).collect(),
    };
    let mut all = names(&model.facts.columns, model.columns(), "c");
    // With a context each row says what it was drawn for.
    all.extend(names(&model.facts.context_columns, model.context_columns(), "context"));
    let (mut drawn, mut bad) = (0, 0);
    // Chunks are drawn side by side, as many as there are cores for; about a million values are held.
    let part = CHUNK * ((1 << 20) / (CHUNK * all.len()).max(1)).clamp(1, 16);
    let mut next = || -> Outcome<Option<Vec<f64>>> {
        let count = part.min(rows - drawn);
        if count == 0 {
            return match bad {
                // Before a file takes its name.
                bad if bad > 0 && bad == rows => Err(all_bad(rows)),
                _ => Ok(None),
            };
        }
        let context = wanted.context(drawn, count);
        let values = model.sample_from(drawn as u64, count, args.seed, args.temperature, &context)?;
        bad += values.chunks_exact(model.columns()).filter(|row| row.iter().any(|value| !value.is_finite())).count();
        drawn += count;
        if context.is_empty() {
            return Ok(Some(values));
        }
        let pairs = values.chunks_exact(model.columns()).zip(context.chunks_exact(wanted.width));
        Ok(Some(pairs.flat_map(|(row, context)| row.iter().chain(context).copied()).collect()))
    };
    write_parts(&all, rows, args.out.as_deref(), &mut next)?;
    if bad > 0 {
        out::note(&format!("{bad} of {rows} rows are not finite; drop them, or lower --temperature"));
    }
    Ok(())
}

fn all_bad(rows: usize) -> Failure {
    Failure::run(format!("none of the {rows} rows drawn is finite; lower --temperature, or train the flow again"))
}

/// How many rows are wanted, and what they are conditioned on.
struct Wanted {
    each: usize,
    given: Vec<f64>,
    width: usize,
}

impl Wanted {
    fn new(args: &Sample, model: &Model) -> Outcome<Self> {
        let width = model.context_columns();
        match (&args.context, width) {
            (None, 0) => Ok(Self { each: args.rows.unwrap_or(1000), given: Vec::new(), width }),
            (Some(_), 0) => Err(Failure::input("--context: this flow has no conditioning columns; leave it out")),
            (None, _) => Err(Failure::input(format!(
                "--context: this flow is conditioned on {width} columns ({}); give a table of them",
                model.facts.context_columns.join(", ")
            ))),
            (Some(path), _) => {
                let raw = read_context(model, path)?;
                Ok(Self { each: args.rows.unwrap_or(1), given: raw.context, width })
            }
        }
    }

    fn rows(&self) -> Outcome<usize> {
        let given = self.given.len().checked_div(self.width).unwrap_or(1);
        // No machine counts further, and sums of rows stay sums.
        self.each.checked_mul(given).filter(|rows| *rows < 1 << 48).ok_or_else(|| {
            Failure::input(format!("--rows {}: expected fewer than 2^48 rows in all; draw fewer", self.each))
        })
    }

    /// The conditioning values of `count` rows from row `first`: every given row serves `each` of them.
    fn context(&self, first: usize, count: usize) -> Vec<f64> {
        let given = |at: usize| &self.given[at / self.each * self.width..][..self.width];
        match self.width {
            0 => Vec::new(),
            _ => (first..first + count).flat_map(given).copied().collect(),
        }
    }
}
