//! `flowstill score`: the log-density of each row of a table.

use super::write_table;
use crate::args::Score;
use crate::failure::Outcome;
use crate::{device, tables};
use flowstill::file;

pub(super) fn run(args: &Score) -> Outcome<()> {
    let model = file::load(&args.flow, &device::current())?;
    let raw = tables::read_for(&model, &args.file)?;
    let densities = model.log_prob(&raw.values, &raw.context)?;
    write_table(vec!["log_density_nats".into()], densities, args.out.as_deref())
}
