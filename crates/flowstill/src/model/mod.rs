//! Join a flow to its preprocessing, so that densities and samples are in the data's own units.

mod engine;
mod pictures;

use crate::flows::Flow;
use crate::pictures::{PictureScaling, VariationalDequantizer};
use crate::{Error, Result};
use flowstill_runtime::Model as Units;

pub use engine::FlowEngine;
pub use flowstill_runtime::{CHUNK, SplitFacts, Standardization, TrainingFacts};
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

/// What is asked of a flow beside densities.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Densities,
    Rows,
    Gradients,
}

impl Model {
    /// Values per row.
    pub fn columns(&self) -> usize {
        self.flow.architecture().dimensions()
    }

    /// Conditioning values per row.
    pub fn context_columns(&self) -> usize {
        self.flow.architecture().context
    }

    /// The same model with its engine chosen, without a copy of the weights: all methods on slices that files without the framework have too. It stands for the
    /// flow as it is now, gradients aside of which it makes no use.
    fn units(&self, standardization: Standardization, wanted: Wanted) -> Result<Units<FlowEngine<'_>>> {
        let (inverse, gradients) = (wanted == Wanted::Rows, wanted == Wanted::Gradients);
        let engine = FlowEngine::new(&self.flow, inverse, gradients);
        let top = self.flow.latent_events().last().map_or(0, |event| event.iter().product());
        Units::new(engine, self.flow.base().density(top), standardization)
    }

    fn raw(&self, wanted: Wanted) -> Result<Units<FlowEngine<'_>>> {
        self.units(self.standardization.clone(), wanted)
    }

    fn standardised(&self, wanted: Wanted) -> Result<Units<FlowEngine<'_>>> {
        let identity = Standardization::identity(self.flow.architecture().event[2], self.context_columns());
        self.units(identity, wanted)
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
        let mut out = vec![0.0; rows.len() / self.columns()];
        self.raw(Wanted::Densities)?.log_prob_from(first, rows, context, &mut out)?;
        Ok(out)
    }

    /// Log-density of each standardised row in nats, of the standardised data.
    ///
    /// # Errors
    /// As [`Model::log_prob`].
    pub fn log_prob_standardised(&self, rows: &[f32], context: &[f32]) -> Result<Vec<f32>> {
        let mut out = vec![0.0; rows.len() / self.columns()];
        self.standardised(Wanted::Densities)?.log_prob(rows, context, &mut out)?;
        Ok(out)
    }

    /// Log-density of each row, as [`Model::log_prob`] gives it, with its gradients in nats per unit of the data: with respect to the rows, and to the context.
    ///
    /// # Errors
    /// As [`Model::log_prob`].
    pub fn log_prob_with_gradients(&self, rows: &[f64], context: &[f64]) -> Result<(Vec<f64>, [Vec<f64>; 2])> {
        let mut out = vec![0.0; rows.len() / self.columns()];
        let (mut d_rows, mut d_context) = (vec![0.0; rows.len()], vec![0.0; context.len()]);
        let units = self.raw(Wanted::Gradients)?;
        units.log_prob_with_gradients(rows, context, &mut out, &mut d_rows, &mut d_context)?;
        Ok((out, [d_rows, d_context]))
    }

    /// Rows to latents, row-major: those of level after level, as many values as the rows have.
    ///
    /// # Errors
    /// As [`Model::log_prob`], densities aside.
    pub fn encode(&self, rows: &[f64], context: &[f64]) -> Result<Vec<f64>> {
        let mut latents = vec![0.0; rows.len()];
        self.raw(Wanted::Densities)?.encode(rows, context, &mut latents)?;
        Ok(latents)
    }

    /// Latents, as [`Model::encode`] gives them, to rows in the data's own units.
    ///
    /// # Errors
    /// [`Error::Shape`] if the values do not fill whole rows, [`Error::BadValue`] for a conditioning value that is not finite, [`Error::Config`] names a layer
    /// that has no inverse.
    pub fn decode(&self, latents: &[f64], context: &[f64]) -> Result<Vec<f64>> {
        let mut rows = vec![0.0; latents.len()];
        self.raw(Wanted::Rows)?.decode(latents, context, &mut rows)?;
        Ok(rows)
    }

    /// From the gradients of a loss with respect to the rows that [`Model::decode`] gives to those with respect to latents and context.
    ///
    /// # Errors
    /// As [`Model::decode`].
    pub fn decode_pullback(&self, latents: &[f64], context: &[f64], d_rows: &[f64]) -> Result<[Vec<f64>; 2]> {
        let (mut d_latents, mut d_context) = (vec![0.0; latents.len()], vec![0.0; context.len()]);
        let units = self.raw(Wanted::Gradients)?;
        units.decode_pullback(latents, context, d_rows, &mut d_latents, &mut d_context)?;
        Ok([d_latents, d_context])
    }

    /// Draw `count` rows, row-major, in the data's own units; with a context, one for each of its rows.
    ///
    /// # Errors
    /// [`Error::Config`] for a temperature that is not above 0, [`Error::Shape`] for a context that does not fit.
    pub fn sample(&self, count: usize, seed: u64, temperature: f64, context: &[f64]) -> Result<Vec<f64>> {
        self.sample_from(0, count, seed, temperature, context)
    }

    /// Draw `count` rows from row `first`, a multiple of [`CHUNK`] (over pictures: of [`chunk_of`](crate::pictures::chunk_of) their values), of those that
    /// [`Model::sample`] draws by the same seed: a part of a draw that is too long to be held. `context` is that of these rows.
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
        let mut rows = self.room(count)?;
        self.raw(Wanted::Rows)?.sample_from(first, seed, temperature, context, &mut rows)?;
        Ok(rows)
    }

    /// Draw rows and their log-densities in one pass: nats, in the data's own units, those of the flow itself whatever the temperature.
    ///
    /// # Errors
    /// As [`Model::sample`].
    pub fn sample_and_log_prob(
        &self,
        count: usize,
        seed: u64,
        temperature: f64,
        context: &[f64],
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        let (mut rows, mut log_prob) = (self.room(count)?, vec![0.0; count]);
        let units = self.raw(Wanted::Rows)?;
        units.sample_and_log_prob(seed, temperature, context, &mut rows, &mut log_prob)?;
        Ok((rows, log_prob))
    }

    /// Draw standardised rows.
    ///
    /// # Errors
    /// As [`Model::sample`].
    pub fn sample_standardised(&self, count: usize, seed: u64, temperature: f64, context: &[f32]) -> Result<Vec<f32>> {
        let mut rows = self.room(count)?;
        self.standardised(Wanted::Rows)?.sample(seed, temperature, context, &mut rows)?;
        Ok(rows)
    }

    /// Room for so many rows.
    fn room<T: Clone + Default>(&self, count: usize) -> Result<Vec<T>> {
        let mut out = Vec::new();
        match count.checked_mul(self.columns()).filter(|values| out.try_reserve_exact(*values).is_ok()) {
            Some(values) => {
                out.resize(values, T::default());
                Ok(out)
            }
            None => Err(Error::config("rows to draw", format!("{count} do not fit into memory"), "draw fewer at once")),
        }
    }

    /// The same with the log-density that the pass of the draw gives: nats, of the standardised data.
    ///
    /// # Errors
    /// As [`Model::sample`].
    pub fn sample_and_log_prob_standardised(
        &self,
        count: usize,
        seed: u64,
        temperature: f64,
        context: &[f32],
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let (mut rows, mut log_prob) = (self.room(count)?, vec![0.0; count]);
        let units = self.standardised(Wanted::Rows)?;
        units.sample_and_log_prob(seed, temperature, context, &mut rows, &mut log_prob)?;
        Ok((rows, log_prob))
    }

    /// `f^-1(f(x))` of standardised rows: where they come back to, which differs from where they were by what rounding spoils.
    ///
    /// # Errors
    /// As [`Model::encode`] and [`Model::decode`].
    pub fn there_and_back_standardised(&self, rows: &[f32], context: &[f32]) -> Result<Vec<f32>> {
        let units = self.standardised(Wanted::Rows)?;
        let (mut latents, mut back) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
        units.encode(rows, context, &mut latents)?;
        units.decode(&latents, context, &mut back)?;
        Ok(back)
    }
}
