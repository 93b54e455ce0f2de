//! `flowstill score`: the log-density of each row of a table, or of each picture of a folder.

use super::{choose, refuse_options, refuse_same, score_pictures, write_streamed};
use crate::args::Score;
use crate::failure::{Failure, Outcome};
use crate::interrupt::leave_nothing_beside;
use flowstill::file;
use flowstill_experiment::{Error, stream_rows};

pub(super) fn run(args: &Score) -> Outcome<()> {
    refuse_same(args.out.as_deref(), &args.file)?;
    args.out.iter().for_each(|out| leave_nothing_beside(out));
    let device = choose(args.device)?;
    let model = file::load(&args.flow, &device)?;
    if model.pictures.is_some() {
        return score_pictures::run(args, &model);
    }
    let given = [("draws", args.draws.is_some()), ("class", args.class.is_some())];
    refuse_options(&given, "the flow models rows of a table, and this goes with pictures")?;
    if args.file.is_dir() || score_pictures::is_picture(&args.file) {
        return Err(Failure::input(format!(
            "{}: expected a table, as the flow models rows of one, got pictures; give a table, or a flow over pictures",
            args.file.display()
        )));
    }
    let mut first = 0;
    write_streamed(&["log_density_nats".into()], args.out.as_deref(), &mut |put| {
        stream_rows(&model, &args.file, &mut |raw| {
            let rows = raw.values.len() / model.columns();
            let densities = model.log_prob_from(first, &raw.values, &raw.context);
            first += rows;
            put(&densities.map_err(|error| Error::from(error).within(&args.file.display().to_string()))?)
        })
    })
}
