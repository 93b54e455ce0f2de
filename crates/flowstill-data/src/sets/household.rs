//! Prepare the household table that ships inside, just like POWER.

use std::io::{Cursor, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use super::{Prepared, power};
use crate::{DataConfig, ReadOptions, Result, read};

/// A sample of UCI's household electricity; `assets/README.md` says how it was made.
static ASSET: &[u8] = include_bytes!("../../assets/household.csv.gz");

pub(super) fn prepare(config: &DataConfig) -> Result<Prepared> {
    let open = || -> Result<Box<dyn Read>> { Ok(Box::new(GzDecoder::new(Cursor::new(ASSET)))) };
    let (path, options) = (Path::new("household.csv.gz"), ReadOptions::default());
    let keep = &mut |_: &[String], _: &[f64]| Ok(true);
    let read = read::text::read_from(&open, path, &options, keep)?.finish()?;
    let source = "Individual household electric power consumption (Hebrail and Berard, 2012, doi 10.24432/C58K54, \
                  CC BY 4.0), a random sample of its complete rows";
    power::finish(read, config, source.into())
}
