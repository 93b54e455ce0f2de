//! `flowstill score`: the log-density of each row of a table, or of each picture of a folder.

use super::{refuse_options, refuse_same, score_pictures, write_table};
use crate::args::Score;
use crate::failure::{Failure, Outcome};
use crate::{device, tables};
use flowstill::file;

pub(super) fn run(args: &Score) -> Outcome<()> {
    refuse_same(args.out.as_deref(), &args.file)?;
    device::choose(args.device.name())?;
    let model = file::load(&args.flow, &device::current())?;
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
    let raw = tables::read_for(&model, &args.file)?;
    let densities = model
        .log_prob(&raw.values, &raw.context)
        .map_err(|error| Failure::from(error).within(&args.file.display().to_string()))?;
    write_table(&["log_density_nats".into()], densities, args.out.as_deref())
}
