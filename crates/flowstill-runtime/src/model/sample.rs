//! Draw rows: the same ones by the same seed as the full library draws, on any number of cores.

use super::output::{Output, Rows};
use super::{Model, Space, Value, with_space};
use crate::{Engine, Error, Result, pictures, random};
use std::cell::Cell;
use std::ops::Range;

/// Rows that share one stream of noise, and are handled at once where many are scored or drawn: enough to keep every core busy.
pub const CHUNK: usize = 8192;

thread_local! {
    /// Noise of a chunk: taken out while in use, for a thread that waits may begin another chunk.
    static NOISE: Cell<(Vec<f32>, Vec<f32>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// What a flow made of the noise of a tile.
pub(super) struct Drawn<'a> {
    /// The samples, standardised.
    pub x: &'a [f32],
    /// The standardised log-density of one of them.
    pub log_prob: &'a dyn Fn(usize) -> f32,
}

impl<E: Engine> Model<E> {
    /// Draw rows, in the data's own units, until `out` is full; with a context, one for each of its rows. `temperature` multiplies the
    /// standard deviation of the base; 1 samples the density.
    ///
    /// # Errors
    /// [`Error::Config`] for a temperature that is not above 0, [`Error::Shape`] if the lengths do not agree, [`Error::BadValue`] for a conditioning value that is not
    /// finite.
    pub fn sample<V: Value>(&self, seed: u64, temperature: f64, context: &[V], out: &mut [V]) -> Result<()> {
        self.sample_from(0, seed, temperature, context, out)
    }

    /// Draw from row `first`, a multiple of [`CHUNK`] (over pictures: of [`chunk_of`](crate::pictures::chunk_of) its values), of those that [`Model::sample`] draws by the same seed: a part of a draw that is
    /// too long to be held. `context` is that of these rows.
    ///
    /// # Errors
    /// As [`Model::sample`]; [`Error::Config`] for another `first`.
    pub fn sample_from<V: Value>(
        &self,
        first: u64,
        seed: u64,
        temperature: f64,
        context: &[V],
        out: &mut [V],
    ) -> Result<()> {
        self.check("rows to draw", out.len() / self.columns(), out.len(), context.len())?;
        let rows = Rows::new(out, self.columns());
        self.draw_rows(first, seed, temperature, context, rows, &|drawn, out| self.in_data_units(drawn.x, out.values))
    }

    /// Draw rows and their log-densities in one pass: nats, in the data's own units, those of the flow itself whatever the temperature. `log_prob` holds one
    /// value for each row of `out`; the rows are those that [`Model::sample`] draws.
    ///
    /// # Errors
    /// As [`Model::sample`].
    pub fn sample_and_log_prob<V: Value>(
        &self,
        seed: u64,
        temperature: f64,
        context: &[V],
        out: &mut [V],
        log_prob: &mut [V],
    ) -> Result<()> {
        let columns = self.columns();
        if log_prob.len().checked_mul(columns) != Some(out.len()) {
            let expected = format!("{} rows of {columns} values", log_prob.len());
            return Err(Error::shape("rows to draw", expected, format!("{} values", out.len())));
        }
        let both = (Rows::new(out, columns), Rows::new(log_prob, 1));
        self.draw_rows(0, seed, temperature, context, both, &|drawn, (rows, log_prob)| {
            self.in_data_units(drawn.x, rows.values);
            for ((sample, out), row) in log_prob.values.iter_mut().enumerate().zip(drawn.x.chunks_exact(columns)) {
                let shift = self.standardization.transforms_log_det(row);
                *out = V::from_f64(f64::from((drawn.log_prob)(sample)) + self.offset + shift);
            }
        })
    }

    fn draw_rows<V: Value, P: Output>(
        &self,
        first: u64,
        seed: u64,
        temperature: f64,
        context: &[V],
        out: P,
        leave: &(impl Fn(Drawn<'_>, P) + Sync),
    ) -> Result<()> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::config(
                "temperature",
                format!("{temperature}"),
                "use a number above 0; 1 samples the density",
            ));
        }
        self.check("rows to draw", out.samples(), out.samples() * self.columns(), context.len())?;
        let enter = |space: &mut Space, samples: Range<usize>| self.enter_context(space, 0, context, &samples);
        self.draw(first, seed, temperature, out, &enter, leave)
    }

    /// Rows of a chunk.
    pub(super) fn chunk(&self) -> usize {
        match self.pictures {
            Some(_) => pictures::chunk_of(self.columns()),
            None => CHUNK,
        }
    }

    /// Draw samples, chunk by chunk; `enter` brings a tile's context into the thread's space, `leave` writes what the flow made.
    pub(super) fn draw<P: Output>(
        &self,
        first: u64,
        seed: u64,
        temperature: f64,
        out: P,
        enter: &(impl Fn(&mut Space, Range<usize>) -> Result<()> + Sync),
        leave: &(impl Fn(Drawn<'_>, P) + Sync),
    ) -> Result<()> {
        let (chunk, d) = (self.chunk(), self.columns());
        if !first.is_multiple_of(chunk as u64) {
            return Err(Error::config("first row", format!("{first}"), format!("use a multiple of {chunk}")));
        }
        let one = |start: usize, out: P| {
            let count = out.samples();
            let (mut noise, mut uniform) = NOISE.take();
            let index = (first as usize + start) / chunk;
            self.noise(seed, index as u64, temperature, count, &mut noise, &mut uniform);
            let done = self.tiles(out, false, |samples, alone, out| {
                with_space(|space| {
                    enter(space, start + samples.start..start + samples.end)?;
                    let Space { x, context, log_det, .. } = space;
                    x.resize(samples.len() * d, 0.0);
                    log_det.resize(samples.len(), 0.0);
                    let of = |level: usize, range: Range<usize>| {
                        let (begin, end) = (self.starts[level], self.starts[level + 1]);
                        let own = &noise[begin * count..end * count];
                        &own[range.start * (end - begin)..range.end * (end - begin)]
                    };
                    let level = |level| of(level, samples.clone());
                    self.engine.decode(level, context, alone, x, log_det)?;
                    let log_prob = |sample: usize| {
                        let at = samples.start + sample;
                        self.density(|level| of(level, at..at + 1)) + log_det[sample]
                    };
                    leave(Drawn { x, log_prob: &log_prob }, out);
                    Ok(())
                })
            });
            NOISE.set((noise, uniform));
            done
        };
        match out.samples() {
            0 => Ok(()),
            count if count <= chunk => one(0, out),
            _ => self.in_parts(out, chunk, |samples, out| one(samples.start, out)),
        }
    }

    /// The latents of a chunk, level by level.
    fn noise(
        &self,
        seed: u64,
        chunk: u64,
        temperature: f64,
        count: usize,
        noise: &mut Vec<f32>,
        uniform: &mut Vec<f32>,
    ) {
        let mut rng = random::stream(seed, "sample", chunk);
        noise.resize(count * self.columns(), 0.0);
        uniform.resize(count, 0.0);
        random::fill_normals(noise, &mut rng);
        random::fill_uniforms(uniform, &mut rng);
        for (level, density) in self.densities.iter().enumerate() {
            let own = &mut noise[self.starts[level] * count..self.starts[level + 1] * count];
            density.shape_noise(own, uniform, temperature);
        }
    }
}
