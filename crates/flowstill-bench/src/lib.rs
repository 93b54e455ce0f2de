//! Build one flow of flowstill and time what it is asked for: a JSON line in, a JSON line out.
//!
//! `bench/compare` starts `examples/worker.rs`, which is [`serve`] between standard input and standard output.

#![forbid(unsafe_code)]

mod array;
mod case;
mod memory;
mod protocol;
mod timing;
mod training;
mod workload;

use protocol::{Reply, Request};
use std::io::{BufRead, Write};
use workload::Workload;

fn answer(request: Request, workload: &mut Option<Workload>) -> Result<Reply, String> {
    match (request, workload) {
        (Request::Build { case, seed, save, data, teacher }, slot) => {
            let built = Workload::build(*case, seed)?;
            built.save(&save, teacher.as_deref(), &data)?;
            let parameters = built.flow().parameter_count();
            *slot = Some(built);
            Ok(Reply::Built { parameters })
        }
        (_, None) => Err("nothing is built yet: send build first".into()),
        (Request::Check, Some(workload)) => Ok(Reply::Checked { values: workload.check()? }),
        (Request::Run { seconds }, Some(workload)) => {
            let (timing, unit) = workload.run(seconds)?;
            let (count, seconds) = (timing.count, timing.seconds);
            Ok(Reply::Ran { count, unit, seconds, rss_mib: memory::peak_mib() })
        }
    }
}

/// Answer every line of `input` with one line of `output`, until `input` ends.
///
/// A request that cannot be done is answered with `{"error": "..."}`; only reading and writing can fail.
pub fn serve(input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    let mut workload = None;
    for line in input.lines() {
        let reply = serde_json::from_str(&line?)
            .map_err(|error| format!("no request: {error}"))
            .and_then(|request| answer(request, &mut workload))
            .unwrap_or_else(|error| Reply::Failed { error });
        writeln!(output, "{}", serde_json::to_string(&reply)?)?;
        output.flush()?;
    }
    Ok(())
}
