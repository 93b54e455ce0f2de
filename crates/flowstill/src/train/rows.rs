//! Hold the rows of a table, standardised, and make batches of them.

use crate::batch::Batch;
use crate::shape::table_to_batch;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};

/// Rows of a table, standardised, with or without conditioning columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    values: Vec<f32>,
    columns: usize,
    context: Vec<f32>,
    context_columns: usize,
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
