//! Score the rows of standard input by a flow file: `density flow.safetensors < rows.csv`, one log-density in nats a line.

use flowstill_runtime::Model;
use std::io::{BufRead, stdin};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: density FLOW < ROWS")?;
    let model = Model::load(path)?;
    for line in stdin().lock().lines() {
        let row: Vec<f64> = line?.split(',').map(|field| field.trim().parse()).collect::<Result<_, _>>()?;
        // Columns past the modelled ones are conditioning values.
        let (row, context) = row.split_at_checked(model.columns()).ok_or("a line is too short")?;
        let mut density = [0.0];
        model.log_prob(row, context, &mut density)?;
        println!("{}", density[0]);
    }
    Ok(())
}
