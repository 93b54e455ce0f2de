//! Save a model, load it, draw rows and score them in the data's own units: the file gives back the same densities, 3 draws of 3 columns each.

use flowstill::burn::tensor::Device;
use flowstill::model::{Model, Standardization, TrainingFacts};
use flowstill::{Result, file};

#[allow(dead_code)]
#[path = "train.rs"]
mod training;

/// Three rows, and their log-densities before and after the file.
pub fn run() -> Result<(Vec<f64>, [Vec<f64>; 2])> {
    // An untrained flow will do; the columns have means and standard deviations of their own.
    let standardization = Standardization {
        mean: vec![1.0, -20.0, 300.0],
        std: vec![0.1, 2.0, 50.0],
        context_mean: Vec::new(),
        context_std: Vec::new(),
        columns: Vec::new(),
    };
    let facts = TrainingFacts { role: "example".into(), ..TrainingFacts::default() };
    let model = Model { flow: training::flow(4)?, standardization, pictures: None, dequantizer: None, facts };

    let path = std::env::temp_dir().join(format!("flowstill-example-{}.safetensors", std::process::id()));
    file::save(&model, &path)?;
    let loaded = file::load(&path, &Device::default())?;
    // The system may clear its folder of temporary files itself.
    let _ = std::fs::remove_file(&path);

    let rows = loaded.sample(3, 7, 1.0, &[])?;
    let densities = [model.log_prob(&rows, &[])?, loaded.log_prob(&rows, &[])?];
    Ok((rows, densities))
}

#[allow(dead_code)]
fn main() -> Result<()> {
    let (rows, [_, densities]) = run()?;
    rows.chunks(3).zip(densities).for_each(|(row, nats)| println!("{row:?}: {nats:.3} nats"));
    Ok(())
}
