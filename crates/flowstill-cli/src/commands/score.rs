//! `flowstill score`: the log-density of each row of a table.

use super::{refuse_same, write_table};
use crate::args::Score;
use crate::failure::{Failure, Outcome};
use crate::{device, tables};
use flowstill::file;

pub(super) fn run(args: &Score) -> Outcome<()> {
    refuse_same(args.out.as_deref(), &args.file)?;
    device::choose(args.device.name())?;
    let model = file::load(&args.flow, &device::current())?;
    let raw = tables::read_for(&model, &args.file)?;
    let densities = model
        .log_prob(&raw.values, &raw.context)
        .map_err(|error| Failure::from(error).within(&args.file.display().to_string()))?;
    write_table(&["log_density_nats".into()], densities, args.out.as_deref())
}
