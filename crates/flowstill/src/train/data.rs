//! Feed rows or pictures to a training in an order that follows from the seed and the step alone.

use crate::flows::Flow;
use crate::pictures::{Pictures, PixelBatch, chunk_of};
use crate::shape::table_to_batch;
use crate::{Error, Result, random};
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;

/// Rows of a table, standardised, with or without conditioning columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    values: Vec<f32>,
    columns: usize,
    context: Vec<f32>,
    context_columns: usize,
}

/// A batch on its device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, height, width, channels]`, what the flow sees; a row of a table is a 1x1 picture.
    pub x: Tensor<4>,
    /// `[batch, context]`.
    pub context: Option<Tensor<2>>,
    /// `log |det|` of the preprocessing of each sample, nats; empty where it is the same for all and accounted for elsewhere (tables).
    pub log_dets: Vec<f64>,
    /// What `x` was made of, for pictures.
    pub pixels: Option<PixelBatch>,
}

impl Batch {
    /// A mean negative log-likelihood of what the flow sees, in nats, as the loss that is minimised and shown: as it is for tables, bits per
    /// dimension of the pixel values for pictures.
    pub fn loss_of(&self, flow: &Flow, nll: Tensor<1>) -> Tensor<1> {
        let unit = flow.architecture().unit_of_loss();
        let nll = if self.log_dets.is_empty() { nll } else { nll - self.mean_log_det() };
        if unit == 1.0 { nll } else { nll * unit }
    }

    /// The mean of the preprocessing's log-determinants, nats.
    pub fn mean_log_det(&self) -> f64 {
        self.log_dets.iter().sum::<f64>() / self.log_dets.len().max(1) as f64
    }
}

impl Rows {
    /// Rows without context; `values` is row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] if the values do not fill whole rows, [`Error::BadValue`] names the first bad row and column.
    pub fn new(values: Vec<f32>, columns: usize) -> Result<Self> {
        Self::with_context(values, columns, Vec::new(), 0)
    }

    /// Rows with `context_columns` conditioning values each.
    ///
    /// # Errors
    /// As [`Rows::new`].
    pub fn with_context(values: Vec<f32>, columns: usize, context: Vec<f32>, context_columns: usize) -> Result<Self> {
        if columns == 0 || !values.len().is_multiple_of(columns) {
            return Err(Error::shape(
                "rows",
                format!("a multiple of {columns} values"),
                format!("{} values", values.len()),
            ));
        }
        let rows = values.len() / columns;
        if context.len() != rows * context_columns {
            let expected = format!("{rows} rows of {context_columns} values");
            return Err(Error::shape("context of the rows", expected, format!("{} values", context.len())));
        }
        for (what, data, width) in [("rows", &values, columns), ("context of the rows", &context, context_columns)] {
            if let Some(at) = data.iter().position(|value| !value.is_finite()) {
                return Err(Error::BadValue {
                    what: what.to_string(),
                    problem: format!("row {} column {} is {}", at / width + 1, at % width + 1, data[at]),
                    remedy: "drop such rows, or mend them".to_string(),
                });
            }
        }
        Ok(Self { values, columns, context, context_columns })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values per row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Conditioning values per row.
    pub fn context_columns(&self) -> usize {
        self.context_columns
    }

    /// The values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The conditioning values, row-major.
    pub fn context_values(&self) -> &[f32] {
        &self.context
    }

    /// The first `count` rows, or all.
    pub fn head(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            values: self.values[..count * self.columns].to_vec(),
            context: self.context[..count * self.context_columns].to_vec(),
            ..*self
        }
    }

    /// Some rows, in the given order.
    pub fn batch(&self, indices: &[u32], device: &Device) -> Batch {
        let gather = |data: &[f32], width: usize| {
            let mut out = Vec::with_capacity(indices.len() * width);
            indices.iter().for_each(|&i| out.extend_from_slice(&data[i as usize * width..(i as usize + 1) * width]));
            Tensor::<2>::from_data(TensorData::new(out, [indices.len(), width]), device)
        };
        Batch {
            x: table_to_batch(gather(&self.values, self.columns)),
            context: (self.context_columns > 0).then(|| gather(&self.context, self.context_columns)),
            log_dets: Vec::new(),
            pixels: None,
        }
    }

    /// Consecutive rows.
    pub fn range(&self, rows: std::ops::Range<usize>, device: &Device) -> Batch {
        let slice = |data: &[f32], width: usize| {
            let out = data[rows.start * width..rows.end * width].to_vec();
            Tensor::<2>::from_data(TensorData::new(out, [rows.len(), width]), device)
        };
        Batch {
            x: table_to_batch(slice(&self.values, self.columns)),
            context: (self.context_columns > 0).then(|| slice(&self.context, self.context_columns)),
            log_dets: Vec::new(),
            pixels: None,
        }
    }

    /// A number that changes whenever the rows do; ties a checkpoint to its data.
    pub fn fingerprint(&self) -> u64 {
        let start = 0xcbf2_9ce4_8422_2325_u64 ^ self.columns as u64 ^ ((self.context_columns as u64) << 32);
        self.values
            .iter()
            .chain(&self.context)
            .fold(start, |hash, value| (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

/// Rows of a table, or pictures.
#[derive(Clone, Debug)]
pub enum Examples {
    /// Rows of a table.
    Rows(Rows),
    /// Pictures.
    Pictures(Pictures),
}

impl From<Rows> for Examples {
    fn from(rows: Rows) -> Self {
        Self::Rows(rows)
    }
}

impl From<Pictures> for Examples {
    fn from(pictures: Pictures) -> Self {
        Self::Pictures(pictures)
    }
}

impl Examples {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Pictures(pictures) => pictures.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of a table; none of pictures.
    pub fn rows(&self) -> Option<&Rows> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Pictures(_) => None,
        }
    }

    /// The pictures; none of a table.
    pub fn pictures(&self) -> Option<&Pictures> {
        match self {
            Self::Rows(_) => None,
            Self::Pictures(pictures) => Some(pictures),
        }
    }

    /// The first `count`, or all.
    pub fn head(&self, count: usize) -> Self {
        match self {
            Self::Rows(rows) => rows.head(count).into(),
            Self::Pictures(pictures) => pictures.head(count).into(),
        }
    }

    /// Some of them, in the given order; noise and flips of pictures follow from (seed, step).
    pub fn batch(&self, indices: &[u32], seed: u64, step: u64, device: &Device) -> Batch {
        match self {
            Self::Rows(rows) => rows.batch(indices, device),
            Self::Pictures(pictures) => pictures.batch(indices, seed, step, device),
        }
    }

    /// Consecutive ones; the noise of pictures is always the same.
    pub fn range(&self, range: std::ops::Range<usize>, device: &Device) -> Batch {
        match self {
            Self::Rows(rows) => rows.range(range, device),
            Self::Pictures(pictures) => pictures.range(range, 0, device),
        }
    }

    /// How many to handle at once where all are scored.
    pub fn chunk(&self) -> usize {
        match self {
            Self::Rows(_) => 8192,
            Self::Pictures(pictures) => chunk_of(pictures.event().iter().product()),
        }
    }

    /// How many fit into one batch without a tape, for the initialisation.
    pub(super) fn initial_count(&self) -> usize {
        match self {
            Self::Rows(_) => usize::MAX,
            Self::Pictures(pictures) => ((1 << 22) / pictures.event().iter().product::<usize>().max(1)).max(16),
        }
    }

    /// A number that changes whenever they do; ties a checkpoint to its data.
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.fingerprint(),
            Self::Pictures(pictures) => pictures.fingerprint(),
        }
    }
}

/// What a training learns from and what it is steered by. The test split is not here: nothing may be selected on it.
#[derive(Clone, Debug)]
pub struct TrainingData {
    /// What to learn from.
    pub train: Examples,
    /// What chooses the best weights.
    pub validation: Examples,
}

/// Batches in the order of (seed, step): each epoch is one permutation, and a batch may straddle two epochs.
pub(super) struct Order {
    seed: u64,
    rows: usize,
    epoch: Option<(u64, Vec<u32>)>,
}

impl Order {
    pub(super) fn new(seed: u64, rows: usize) -> Self {
        Self { seed, rows, epoch: None }
    }

    /// The rows of step `step` (from 0).
    pub(super) fn batch(&mut self, step: u64, size: usize) -> Vec<u32> {
        let first = step * size as u64;
        (first..first + size as u64)
            .map(|position| {
                let (epoch, at) = (position / self.rows as u64, position % self.rows as u64);
                if self.epoch.as_ref().is_none_or(|(current, _)| *current != epoch) {
                    let mut order: Vec<u32> = (0..self.rows as u32).collect();
                    order.shuffle(&mut random::stream(self.seed, "epoch", epoch));
                    self.epoch = Some((epoch, order));
                }
                self.epoch.as_ref().map_or(0, |(_, order)| order[at as usize])
            })
            .collect()
    }
}
