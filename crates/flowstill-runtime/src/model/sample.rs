//! Draw rows: the same ones by the same seed as the full library draws, on any number of cores.

use super::{Model, SPACE, Space, Value};
use crate::{Error, Result, pictures, random};
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::Range;

/// Rows that share one stream of noise, and are handled at once where many are scored or drawn: enough to keep every core busy.
pub const CHUNK: usize = 8192;

thread_local! {
    /// Noise of a chunk: taken out while in use, for a thread that waits may begin another chunk.
    static NOISE: Cell<(Vec<f32>, Vec<f32>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

impl Model {
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
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::config(
                "temperature",
                format!("{temperature}"),
                "use a number above 0; 1 samples the density",
            ));
        }
        self.check("rows to draw", out.len() / self.columns(), out.len(), context.len())?;
        let enter = |space: &mut Space, samples: Range<usize>| self.enter_context(space, 0, context, &samples);
        self.draw(first, seed, temperature, out, &enter, &|x, out| self.in_data_units(x, out))
    }

    /// Rows of a chunk.
    pub(super) fn chunk(&self) -> usize {
        match self.pictures {
            Some(_) => pictures::chunk_of(self.columns()),
            None => CHUNK,
        }
    }

    /// Draw samples, chunk by chunk; `enter` brings a tile's context into the thread's space, `leave` writes what the flow made.
    pub(super) fn draw<O: Send>(
        &self,
        first: u64,
        seed: u64,
        temperature: f64,
        out: &mut [O],
        enter: &(impl Fn(&mut Space, Range<usize>) -> Result<()> + Sync),
        leave: &(impl Fn(&[f32], &mut [O]) + Sync),
    ) -> Result<()> {
        let (chunk, d) = (self.chunk(), self.columns());
        if !first.is_multiple_of(chunk as u64) {
            return Err(Error::config("first row", format!("{first}"), format!("use a multiple of {chunk}")));
        }
        let one = |index: usize, out: &mut [O]| {
            let (mut noise, mut uniform) = NOISE.take();
            self.noise(seed, first / chunk as u64 + index as u64, temperature, out.len() / d, &mut noise, &mut uniform);
            let count = out.len() / d;
            let done = self.tiles(out, d, |samples, out| {
                SPACE.with_borrow_mut(|space| {
                    enter(space, index * chunk + samples.start..index * chunk + samples.end)?;
                    let Space { x, context, .. } = space;
                    x.resize(samples.len() * d, 0.0);
                    let level = |level: usize| {
                        let (start, end) = (self.starts[level], self.starts[level + 1]);
                        let own = &noise[start * count..end * count];
                        &own[samples.start * (end - start)..samples.end * (end - start)]
                    };
                    self.program.decode_tile(samples.len(), level, context, x);
                    leave(x, out);
                    Ok(())
                })
            });
            NOISE.set((noise, uniform));
            done
        };
        if out.len() <= chunk * d {
            return if out.is_empty() { Ok(()) } else { one(0, out) };
        }
        let done = out.par_chunks_mut(chunk * d).enumerate().map(|(index, out)| one(index, out));
        done.find_first(Result::is_err).unwrap_or(Ok(()))
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
