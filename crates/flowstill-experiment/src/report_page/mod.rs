//! Write a run down as one HTML file that opens from disk: verdict first, then tables, charts, pictures, model cards, and how to do it again.
//!
//! The page asks for nothing from anywhere: its style, script and pictures are inside it. Whatever comes from a recipe, a file or a name is escaped.

mod cards;
mod chart;
mod curves;
mod found;
mod front;
mod gains;
mod html;
mod pictures;
mod reproduce;
mod results;
mod sections;
mod table;
mod verdict;

use crate::{Event, Events, Result};
use flowstill::file::write_atomically;
use std::path::{Path, PathBuf};

/// The page's name in its run folder.
pub const REPORT: &str = "report.html";

/// Write what the folder `run` holds, a comparison, a frontier or trained models, to `out`, else to [`REPORT`] in the folder; gives the file.
///
/// # Errors
/// A folder without any of them, a file in it that cannot be read, and one that cannot be written.
pub fn write_report(run: &Path, out: Option<&Path>) -> Result<PathBuf> {
    let page = sections::page(&found::find(run)?);
    let path = out.map_or_else(|| run.join(REPORT), Path::to_path_buf);
    write_atomically(&path, page.as_bytes())?;
    Ok(path)
}

/// The same at the end of a run, which does not fail by it.
pub(crate) fn write_or_tell(run: &Path, events: &mut Events<'_>) {
    if let Err(error) = write_report(run, None) {
        events(Event::Note(&format!("{REPORT} is missing: {error}")));
    }
}
