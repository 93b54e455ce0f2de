//! Draw rows from a flow file without a context: `sampler flow.safetensors 1000 > rows.csv`.

use flowstill_runtime::Model;
use std::io::{BufWriter, Write, stdout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let model = Model::load(args.next().ok_or("usage: sampler FLOW [ROWS]")?)?;
    let rows: usize = args.next().as_deref().unwrap_or("10").parse()?;
    let mut values = vec![0.0_f64; rows * model.columns()];
    model.sample(7, 1.0, &[], &mut values)?;
    let mut out = BufWriter::new(stdout());
    for row in values.chunks_exact(model.columns()) {
        writeln!(out, "{}", row.iter().map(f64::to_string).collect::<Vec<_>>().join(","))?;
    }
    Ok(out.flush()?)
}
