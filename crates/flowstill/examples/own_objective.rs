//! Train what is no flow, on data of one's own, by an objective of one's own: a line is fitted until its slope is within 0.02 of the 3 that made the points.

use flowstill::burn::tensor::{Device, Tensor, TensorData};
use flowstill::random::{normals, stream};
use flowstill::train::{
    Control, Dataset, Event, Loss, Objective, OptimiserConfig, RunFolder, TrainConfig, Trainable, Trained,
    TrainingData, train,
};
use flowstill::{Param, Result, parameters, to_f64};
use std::ops::Range;

/// Pairs `(x, y)` with `y = 3 x - 1` and some noise.
pub struct Points {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Points {
    pub fn new(count: usize, seed: u64) -> Self {
        let noise = normals(2 * count, &mut stream(seed, "points", 0));
        let y = noise.chunks(2).map(|n| 3.0 * n[0] - 1.0 + 0.1 * n[1]).collect();
        Self { x: noise.chunks(2).map(|n| n[0]).collect(), y }
    }
}

// 1. Data: whatever can give a batch by indices, and consecutive ones for validation.
impl Dataset for Points {
    /// `x` and `y`, each `[batch]`.
    type Batch = [Tensor<1>; 2];

    fn len(&self) -> usize {
        self.x.len()
    }

    fn batch(&self, indices: &[u32], _seed: u64, _step: u64, device: &Device) -> Self::Batch {
        [&self.x, &self.y].map(|values| {
            let chosen: Vec<f32> = indices.iter().map(|&index| values[index as usize]).collect();
            Tensor::from_data(TensorData::new(chosen, [indices.len()]), device)
        })
    }

    fn range(&self, examples: Range<usize>, device: &Device) -> Self::Batch {
        [&self.x, &self.y].map(|values| Tensor::from_floats(&values[examples.clone()], device))
    }

    fn fingerprint(&self) -> u64 {
        self.x.iter().chain(&self.y).fold(0, |hash, value| hash.rotate_left(5) ^ u64::from(value.to_bits()))
    }
}

/// `y = slope x + shift`.
#[derive(Clone, Debug)]
pub struct Line {
    pub slope: Param,
    pub shift: Param,
}

parameters!(Line { slope, shift });

impl Line {
    pub fn new(device: &Device) -> Self {
        Self { slope: Param::zeros(&[1], device), shift: Param::zeros(&[1], device) }
    }

    /// `y - (slope x + shift)`, `[batch]`.
    fn residuals(&self, [x, y]: &[Tensor<1>; 2]) -> Tensor<1> {
        y.clone() - (x.clone() * self.slope.tensor::<1>() + self.shift.tensor::<1>())
    }
}

// 2. The model: named parameters, what tells it from others in a checkpoint, and how it is judged.
impl Trainable for Line {
    type Batch = [Tensor<1>; 2];

    fn description(&self) -> String {
        "line".into()
    }

    /// The mean square of the residuals.
    fn validate(&self, batches: &mut dyn Iterator<Item = Self::Batch>) -> Result<f64> {
        let residuals: Vec<f64> = batches.flat_map(|batch| to_f64(self.residuals(&batch))).collect();
        Ok(residuals.iter().map(|r| r * r).sum::<f64>() / residuals.len() as f64)
    }
}

/// Huber's loss: a square within 1, the size beyond.
pub struct Robust;

parameters!(Robust {});

// 3. What is minimised.
impl Objective<Line> for Robust {
    fn loss(&self, line: &Line, batch: &[Tensor<1>; 2], _step: u64, _total: u64) -> Result<Loss> {
        let size = line.residuals(batch).abs();
        let inner = size.clone().clamp(0.0, 1.0);
        let total = (inner.clone() * (size - inner * 0.5)).mean();
        Ok(Loss { total, terms: Vec::new() })
    }

    fn identity(&self) -> String {
        "robust".into()
    }

    // `validate` could be given here too, in the place of the model's own.
    fn measure(&self) -> &'static str {
        "mean_square"
    }
}

pub fn learn(run: Option<&RunFolder>, events: &mut dyn FnMut(&Event) -> Control) -> Result<Trained<Line>> {
    let optimiser = OptimiserConfig { rate: 0.05, ..OptimiserConfig::default() };
    let settings =
        TrainConfig { steps: 300, batch: 64, validate_every: 30, ema: 0.9, optimiser, ..TrainConfig::default() };
    let data = TrainingData { train: Points::new(1000, 1), validation: Points::new(200, 2) };
    train(Line::new(&Device::default()), &mut Robust, &data, &settings, run, events)
}

pub fn run() -> Result<[f32; 2]> {
    let line = learn(None, &mut |_| Control::Continue)?.model;
    Ok([&line.slope, &line.shift].map(|param| param.values()[0]))
}

#[allow(dead_code)]
fn main() -> Result<()> {
    run().map(|[slope, shift]| println!("y = {slope:.3} x + {shift:.3}"))
}
