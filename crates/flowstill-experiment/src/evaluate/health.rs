//! See whether a flow comes back from its latents, on data and on its own samples, and whether it finds its samples likely.

use super::metrics::shown;
use crate::Result;
use flowstill::burn::tensor::{Tensor, TensorData};
use flowstill::model::Model;
use flowstill::to_f32;
use serde::{Deserialize, Serialize};

/// How far a value may come back from where it was: in units of what the flow sees, which are standard deviations for a table, or as a part
/// of the value itself where that is above 1.
pub const ROUND_TRIP_TOLERANCE: f64 = 1e-3;

/// The rows that are named, at most.
const NAMED: usize = 5;

/// A row and how far it came back from where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorstRow {
    /// Its place, counted from 1.
    pub row: usize,
    /// The largest `|x - f^-1(f(x))|` of its values; none when it is not finite.
    pub error: Option<f64>,
}

/// What a model makes of its own samples: those of temperature 1, in what the flow sees of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnSamples {
    /// Samples drawn.
    pub drawn: usize,
    /// Those with a value that is not finite; nothing else is asked of them.
    pub not_finite: usize,
    /// Those whose log-density is not finite.
    pub densities_not_finite: usize,
    /// Those whose log-density is absurdly low: below the one that they were drawn with, which is the same number but for rounding, by more
    /// than 10 nats and 0.01 nats a dimension together.
    pub densities_low: usize,
    /// `max |x - f^-1(f(x))|`; none when it is not finite.
    pub round_trip_error: Option<f64>,
    /// Those that come back further off than a tolerance of 1e-3.
    pub round_trip_beyond: usize,
}

impl OwnSamples {
    /// What is wrong, a line each; values that are not finite are told elsewhere.
    pub(super) fn faults(&self) -> Vec<String> {
        let drawn = self.drawn;
        let mut out = Vec::new();
        if self.densities_not_finite > 0 {
            out.push(format!("{} of {drawn} samples of its own have no finite density", self.densities_not_finite));
        }
        if self.densities_low > 0 {
            out.push(format!(
                "{} of {drawn} samples of its own score absurdly below the density that they were drawn with",
                self.densities_low
            ));
        }
        if self.round_trip_beyond > 0 {
            out.push(format!(
                "{} of {drawn} samples of its own come back from their latents off by more than {ROUND_TRIP_TOLERANCE}, the worst by {}",
                self.round_trip_beyond,
                shown(self.round_trip_error)
            ));
        }
        out
    }
}

/// How rows come back, gathered part by part.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    pub rows: usize,
    pub beyond: usize,
    largest: f64,
    broken: bool,
    /// The worst rows by what the tolerance bounds.
    worst: Vec<(f64, WorstRow)>,
}

impl RoundTrip {
    /// Send rows to their latents and back.
    pub fn add(&mut self, model: &Model, values: &[f32], context: &[f32]) -> Result<()> {
        let back = model.there_and_back_standardised(values, context)?;
        self.compare(values, &back, model.columns());
        Ok(())
    }

    fn compare(&mut self, values: &[f32], back: &[f32], columns: usize) {
        for (was, is) in values.chunks_exact(columns).zip(back.chunks_exact(columns)) {
            self.rows += 1;
            let (mut error, mut share) = (0.0_f64, 0.0_f64);
            for (&was, &is) in was.iter().zip(is) {
                let gap = (f64::from(was) - f64::from(is)).abs();
                // What is not finite must not be lost in a maximum.
                let gap = if gap.is_nan() { f64::INFINITY } else { gap };
                error = error.max(gap);
                share = share.max(gap / f64::from(was).abs().max(1.0));
            }
            self.beyond += usize::from(share > ROUND_TRIP_TOLERANCE);
            self.broken |= error.is_infinite();
            self.largest = self.largest.max(error);
            let least = self.worst.last().map_or(0.0, |(least, _)| *least);
            if share > 0.0 && (self.worst.len() < NAMED || share > least) {
                let row = WorstRow { row: self.rows, error: Some(error).filter(|error| error.is_finite()) };
                let at = self.worst.partition_point(|(other, _)| *other >= share);
                self.worst.insert(at, (share, row));
                self.worst.truncate(NAMED);
            }
        }
    }

    /// The largest gap; none when it is not finite.
    pub fn error(&self) -> Option<f64> {
        (!self.broken).then_some(self.largest)
    }

    /// The worst rows, the worst first.
    pub fn worst(&self) -> Vec<WorstRow> {
        self.worst.iter().map(|(_, row)| *row).collect()
    }
}

/// Rows that are handled at once.
pub(super) fn chunk(model: &Model) -> usize {
    ((1 << 22) / model.columns()).clamp(1, 8192)
}

/// Parts of rows with their context.
pub(super) fn parts<'a>(
    model: &Model,
    values: &'a [f32],
    context: &'a [f32],
) -> impl Iterator<Item = (&'a [f32], &'a [f32])> + use<'a> {
    let (chunk, columns, width) = (chunk(model), model.columns(), model.context_columns());
    values.chunks(chunk * columns).enumerate().map(move |(index, part)| {
        let start = index * chunk * width;
        (part, &context[start..start + part.len() / columns * width])
    })
}

/// The log-density of every standardised row, whether finite or not; nats, of the standardised data.
///
/// # Errors
/// What the flow reports.
pub(crate) fn densities(model: &Model, values: &[f32], context: &[f32]) -> Result<Vec<f64>> {
    let device = model.flow.device();
    let [height, width, channels] = model.flow.architecture().event;
    let mut out = Vec::with_capacity(values.len() / model.columns());
    for (values, context) in parts(model, values, context) {
        let rows = values.len() / model.columns();
        let shape = [rows, height, width, channels];
        let x = Tensor::<4>::from_data(TensorData::new(values.to_vec(), shape), &device);
        let columns = model.context_columns();
        let beside =
            (columns > 0).then(|| Tensor::<2>::from_data(TensorData::new(context.to_vec(), [rows, columns]), &device));
        out.extend(to_f32(model.flow.log_prob(x, beside.as_ref())?).into_iter().map(f64::from));
    }
    Ok(out)
}

/// Draw samples, one for each row of the context where the flow has one, and ask the model about those that are finite; gives the samples,
/// row-major.
///
/// # Errors
/// What the flow reports.
pub(super) fn own_samples(model: &Model, count: usize, seed: u64, context: &[f32]) -> Result<(Vec<f32>, OwnSamples)> {
    let (columns, width) = (model.columns(), model.context_columns());
    let (drawn, drawn_with) = model.sample_and_log_prob_standardised(count, seed, 1.0, context)?;
    let finite: Vec<usize> = (0..count)
        .filter(|row| drawn[row * columns..(row + 1) * columns].iter().all(|value| value.is_finite()))
        .collect();
    let gather = |data: &[f32], width: usize| -> Vec<f32> {
        finite.iter().flat_map(|row| &data[row * width..(row + 1) * width]).copied().collect()
    };
    let (values, context) = (gather(&drawn, columns), gather(context, width));
    let scored = densities(model, &values, &context)?;
    let mut found = OwnSamples { drawn: count, not_finite: count - finite.len(), ..OwnSamples::default() };
    let most = 10.0 + 0.01 * columns as f64;
    for (density, row) in scored.iter().zip(&finite) {
        match density.is_finite() {
            false => found.densities_not_finite += 1,
            true => found.densities_low += usize::from(f64::from(drawn_with[*row]) - density > most),
        }
    }
    let mut trip = RoundTrip::default();
    for (values, context) in parts(model, &values, &context) {
        trip.add(model, values, context)?;
    }
    found.round_trip_error = trip.error();
    found.round_trip_beyond = trip.beyond;
    Ok((drawn, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_count_and_the_worst_are_named() {
        let mut trip = RoundTrip::default();
        let was = [0.0, 1.0, 2.0, 3.0, 1e4, 0.0];
        trip.compare(&was, &was, 2);
        assert_eq!((trip.rows, trip.beyond, trip.error(), trip.worst()), (3, 0, Some(0.0), Vec::new()));
        // Far out a thousandth of the value itself is allowed; elsewhere of a standard deviation.
        trip.compare(&was, &[0.0, 1.0, 2.5, 3.0, 1e4 + 5.0, 0.0], 2);
        assert_eq!((trip.rows, trip.beyond), (6, 1));
        assert_eq!(trip.error(), Some(5.0));
        assert_eq!(trip.worst()[0], WorstRow { row: 5, error: Some(0.5) });
        trip.compare(&[0.0, 0.0], &[0.0, f32::NAN], 2);
        assert_eq!((trip.beyond, trip.error()), (2, None));
        assert_eq!(trip.worst()[0], WorstRow { row: 7, error: None });
        for _ in 0..9 {
            trip.compare(&[0.0], &[1.0], 1);
        }
        assert_eq!((trip.worst().len(), trip.beyond, trip.worst()[4].row), (NAMED, 11, 11));
    }
}
