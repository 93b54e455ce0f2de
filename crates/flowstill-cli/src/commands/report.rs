//! `flowstill report`: a run as one HTML page.

use crate::args::Report;
use crate::failure::Outcome;
use crate::out;
use flowstill_experiment::write_report;
use serde_json::json;

pub(super) fn run(args: &Report) -> Outcome<()> {
    let page = write_report(&args.run, args.out.as_deref())?.display().to_string();
    match args.json {
        true => out::print_json(&json!({ "report": page })),
        false => out::print(&format!("{page}\n")),
    }
}
