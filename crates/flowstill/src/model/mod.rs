//! Join a flow to its preprocessing, so that densities and samples are in the data's own units.

mod facts;
mod pictures;

use crate::flows::Flow;
use crate::pictures::{PictureScaling, VariationalDequantizer};
use crate::shape::table_to_batch;
use crate::{Error, Result, random, to_f32};
use burn::tensor::{Tensor, TensorData};

pub use facts::{SplitFacts, TrainingFacts};
pub use flowstill_runtime::Standardization;
pub use pictures::PictureScore;

/// What a flow file holds: a flow, its preprocessing and its history.
#[derive(Clone, Debug)]
pub struct Model {
    /// The flow over standardised values.
    pub flow: Flow,
    /// From the data's units to the flow's.
    pub standardization: Standardization,
    /// How pixels become the flow's values, for a flow over pictures; its standardisation is then the identity.
    pub pictures: Option<PictureScaling>,
    /// What draws the noise that makes pixels continuous; uniform noise without one. Sampling does not need it.
    pub dequantizer: Option<VariationalDequantizer>,
    /// How it came to be.
    pub facts: TrainingFacts,
}

pub use flowstill_runtime::CHUNK;

impl Model {
    /// Values per row.
    pub fn columns(&self) -> usize {
        self.flow.architecture().event[2]
    }

    /// Conditioning values per row.
    pub fn context_columns(&self) -> usize {
        self.flow.architecture().context
    }

    /// Log-density of each row in nats, in the data's own units; `rows` and `context` are raw and row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] if the values do not fill whole rows, [`Error::BadValue`] names the first bad value, [`Error::NotFinite`] the
    /// first row whose density is not finite.
    pub fn log_prob(&self, rows: &[f64], context: &[f64]) -> Result<Vec<f64>> {
        self.log_prob_from(0, rows, context)
    }

    /// The same of rows that `first` others come before: a part of a table too long to be held. Errors count those too.
    ///
    /// # Errors
    /// As [`Model::log_prob`].
    pub fn log_prob_from(&self, first: usize, rows: &[f64], context: &[f64]) -> Result<Vec<f64>> {
        let s = &self.standardization;
        let (x, c) = (s.rows_from(first, rows)?, s.context_from(first, context)?);
        let offset = s.log_det();
        Ok(self.score(first, &x, &c)?.into_iter().map(|value| f64::from(value) + offset).collect())
    }

    /// Log-density of each standardised row in nats, of the standardised data.
    ///
    /// # Errors
    /// As [`Model::log_prob`].
    pub fn log_prob_standardised(&self, rows: &[f32], context: &[f32]) -> Result<Vec<f32>> {
        self.score(0, rows, context)
    }

    fn score(&self, first: usize, rows: &[f32], context: &[f32]) -> Result<Vec<f32>> {
        let device = self.flow.device();
        let (columns, width) = (self.columns(), self.context_columns());
        let count = rows.len() / columns;
        if !rows.len().is_multiple_of(columns) || context.len() != count * width {
            let expected = format!("rows of {columns} values and {width} conditioning ones");
            return Err(Error::shape(
                "rows to score",
                expected,
                format!("{} and {} values", rows.len(), context.len()),
            ));
        }
        let mut out = Vec::with_capacity(count);
        for start in (0..count).step_by(CHUNK) {
            let end = (start + CHUNK).min(count);
            let part = |data: &[f32], width: usize| {
                let values = data[start * width..end * width].to_vec();
                Tensor::<2>::from_data(TensorData::new(values, [end - start, width]), &device)
            };
            let context = (width > 0).then(|| part(context, width));
            out.extend(to_f32(self.flow.log_prob(table_to_batch(part(rows, columns)), context.as_ref())?));
        }
        if let Some(row) = out.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite {
                what: "log-density".into(),
                problem: format!("row {} has {}", first + row + 1, out[row]),
                remedy: "check that the row lies in the range of the training data".into(),
            });
        }
        Ok(out)
    }

    /// Draw `count` rows, row-major, in the data's own units; with a context, one for each of its rows.
    ///
    /// # Errors
    /// [`Error::Config`] for a temperature that is not above 0, [`Error::Shape`] for a context that does not fit.
    pub fn sample(&self, count: usize, seed: u64, temperature: f64, context: &[f64]) -> Result<Vec<f64>> {
        let drawn = self.sample_standardised(count, seed, temperature, &self.standardization.context(context)?)?;
        Ok(self.in_data_units(&drawn))
    }

    /// Draw `count` rows from row `first`, a multiple of [`CHUNK`], of those that [`Model::sample`] draws by the same seed: a part of a
    /// draw that is too long to be held. `context` is that of these rows.
    ///
    /// # Errors
    /// As [`Model::sample`]; [`Error::Config`] for another `first`.
    pub fn sample_from(
        &self,
        first: u64,
        count: usize,
        seed: u64,
        temperature: f64,
        context: &[f64],
    ) -> Result<Vec<f64>> {
        if !first.is_multiple_of(CHUNK as u64) {
            return Err(Error::config("first row", format!("{first}"), format!("use a multiple of {CHUNK}")));
        }
        let context = self.standardization.context(context)?;
        Ok(self.in_data_units(&self.draw(first / CHUNK as u64, count, seed, temperature, &context)?))
    }

    fn in_data_units(&self, drawn: &[f32]) -> Vec<f64> {
        let (s, columns) = (&self.standardization, self.columns());
        drawn.iter().enumerate().map(|(i, &v)| f64::from(v) * s.std[i % columns] + s.mean[i % columns]).collect()
    }

    /// Draw standardised rows.
    ///
    /// # Errors
    /// As [`Model::sample`].
    pub fn sample_standardised(&self, count: usize, seed: u64, temperature: f64, context: &[f32]) -> Result<Vec<f32>> {
        self.draw(0, count, seed, temperature, context)
    }

    /// The chunks of noise from `first`.
    fn draw(&self, first: u64, count: usize, seed: u64, temperature: f64, context: &[f32]) -> Result<Vec<f32>> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::config(
                "temperature",
                format!("{temperature}"),
                "use a number above 0; 1 samples the density",
            ));
        }
        let device = self.flow.device();
        let width = self.context_columns();
        if count.checked_mul(width) != Some(context.len()) {
            let expected = format!("{count} rows of {width} conditioning values");
            return Err(Error::shape("context", expected, format!("{} values", context.len())));
        }
        let mut out = Vec::new();
        let room = count.checked_mul(self.columns()).is_some_and(|values| out.try_reserve_exact(values).is_ok());
        if !room {
            return Err(Error::config("rows to draw", format!("{count} do not fit into memory"), "draw fewer at once"));
        }
        for (chunk, start) in (0..count).step_by(CHUNK).enumerate() {
            let end = (start + CHUNK).min(count);
            let context = (width > 0).then(|| {
                let values = context[start * width..end * width].to_vec();
                Tensor::<2>::from_data(TensorData::new(values, [end - start, width]), &device)
            });
            let mut rng = random::stream(seed, "sample", first + chunk as u64);
            out.extend(to_f32(self.flow.sample(end - start, temperature, context.as_ref(), &mut rng)?));
        }
        Ok(out)
    }

    /// `max |x - f^-1(f(x))|` over standardised rows: how far rounding spoils the inverse.
    ///
    /// # Errors
    /// As [`Model::log_prob`].
    pub fn round_trip_error(&self, rows: &[f32], context: &[f32]) -> Result<f64> {
        let device = self.flow.device();
        let (columns, width) = (self.columns(), self.context_columns());
        let count = rows.len() / columns;
        let x = Tensor::<2>::from_data(TensorData::new(rows.to_vec(), [count, columns]), &device);
        let context =
            (width > 0).then(|| Tensor::<2>::from_data(TensorData::new(context.to_vec(), [count, width]), &device));
        let (latents, _) = self.flow.forward(table_to_batch(x), context.as_ref())?;
        let back = to_f32(self.flow.inverse(&latents, context.as_ref())?.0);
        // f64::max would drop a NaN; a failed inverse must show as one.
        Ok(rows
            .iter()
            .zip(&back)
            .map(|(a, b)| f64::from((a - b).abs()))
            .fold(0.0, |worst, gap| if gap.is_nan() || gap > worst { gap } else { worst }))
    }
}
