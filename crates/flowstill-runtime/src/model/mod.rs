//! Score and sample a flow in the units of the data, from one row to millions.

mod dequantize;
mod gradients;
mod output;
mod pictures;
mod sample;
mod value;

pub use sample::CHUNK;
pub use value::Value;

use crate::density::Density;
use crate::file::{Loaded, parse};
use crate::pictures::PictureScaling;
use crate::standardization::standardise;
use crate::stored::whole;
use crate::{Compiled, Engine, Error, Result, Standardization, TrainingFacts};
use output::{Output, Rows};
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::Range;
use std::path::Path;

/// A flow and its preprocessing, ready to run: its weights are arranged once, and every call reads them.
///
/// Rows are slices of `f32` or `f64`, row-major, in the data's own units. A row of a flow over pictures is one picture, `[height, width, channels]`, of the
/// values that the flow sees; the methods that take bytes are the ones for pixels.
///
/// [`Model::load`] makes one of a flow file, which runs as compiled programs; [`Model::new`] one of whatever else runs a flow.
#[derive(Debug)]
pub struct Model<E = Compiled> {
    engine: E,
    /// Where the latents of each level begin in those of a sample.
    starts: Vec<usize>,
    /// The densities of every level's latents.
    densities: Vec<Density>,
    standardization: Standardization,
    /// What turns a standardised log-density into one in the data's units.
    offset: f64,
    pictures: Option<PictureScaling>,
    /// From noise to standard normal noise, given the picture.
    dequantizer: Option<E>,
    facts: TrainingFacts,
}

/// What a thread keeps from call to call.
#[derive(Default)]
struct Space {
    x: Vec<f32>,
    context: Vec<f32>,
    latents: Vec<f32>,
    log_det: Vec<f32>,
    /// Of gradients, and of what a dequantiser works on.
    spare: [Vec<f32>; 3],
}

thread_local! {
    /// Taken out while in use: a thread that waits for what others share out may be handed another tile.
    static SPACE: Cell<Space> = Cell::default();
}

fn with_space<R>(run: impl FnOnce(&mut Space) -> R) -> R {
    let mut space = SPACE.take();
    let result = run(&mut space);
    SPACE.set(space);
    result
}

impl Model {
    /// Read a flow file.
    ///
    /// # Errors
    /// [`Error::File`] for a truncated, damaged, foreign or newer file; [`Error::Io`] if it cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = whole(path)?;
        Self::of(parse(&bytes, path)?)
    }

    /// The same from the bytes of a file: a flow that is compiled into a program (`include_bytes!`), or came over a network.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::of(parse(bytes, Path::new("flow"))?)
    }

    fn of(loaded: Loaded) -> Result<Self> {
        let Loaded { flow, base, dequantizer, document } = loaded;
        let model = Self::new(flow, base, document.standardization)?;
        let model = Self { facts: document.facts, ..model };
        match document.pictures {
            Some(scaling) => model.over_pictures(scaling, dequantizer),
            None => Ok(model),
        }
    }
}

impl<E: Engine> Model<E> {
    /// Join what runs a flow to the density of its last level's latents, and to what brings the data to the flow's units, channel by channel.
    ///
    /// # Errors
    /// [`Error::Shape`] if the standardisation does not fit the flow.
    pub fn new(engine: E, base: Density, standardization: Standardization) -> Result<Self> {
        let [height, width, channels] = engine.event();
        let Standardization { mean, std, context_mean, context_std } = &standardization;
        let got = [mean.len(), std.len(), context_mean.len(), context_std.len()];
        let wanted = [channels, channels, engine.context(), engine.context()];
        if got != wanted {
            return Err(Error::shape("standardisation", format!("{wanted:?} values"), format!("{got:?}")));
        }
        let mut starts = vec![0];
        for event in engine.latents() {
            starts.push(starts[starts.len() - 1] + event.iter().product::<usize>());
        }
        let lower = starts.windows(2).take(starts.len() - 2).map(|ends| Density::standard(ends[1] - ends[0]));
        let densities = lower.chain([base]).collect();
        let offset = standardization.log_det() * (height * width) as f64;
        let (pictures, dequantizer, facts) = (None, None, TrainingFacts::default());
        Ok(Self { engine, starts, densities, standardization, offset, pictures, dequantizer, facts })
    }

    /// The same over pixels: how they become what the flow sees, and what runs the [learned noise](crate::pictures::VariationalConfig::architecture) that
    /// makes them continuous; uniform noise without it.
    ///
    /// # Errors
    /// [`Error::Shape`] if the noise does not fit the pictures.
    pub fn over_pictures(mut self, scaling: PictureScaling, dequantizer: Option<E>) -> Result<Self> {
        let [h, w, c] = self.event();
        if let Some(got) = dequantizer.as_ref().map(E::event).filter(|got| *got != [h / 2, w / 2, 8 * c]) {
            return Err(Error::shape("dequantiser", format!("{:?}", [h / 2, w / 2, 8 * c]), format!("{got:?}")));
        }
        (self.pictures, self.dequantizer) = (Some(scaling), dequantizer);
        Ok(self)
    }

    /// Height, width and channels of a sample; a row of D columns is `[1, 1, D]`.
    pub fn event(&self) -> [usize; 3] {
        self.engine.event()
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Conditioning values of a row, 0 for none.
    pub fn context_columns(&self) -> usize {
        self.engine.context()
    }

    /// What is known about how the flow came to be, the names of its columns among it.
    pub fn facts(&self) -> &TrainingFacts {
        &self.facts
    }

    /// From the data's units to the flow's.
    pub fn standardization(&self) -> &Standardization {
        &self.standardization
    }

    /// How pixels become what the flow sees, for a flow over pictures.
    pub fn scaling(&self) -> Option<PictureScaling> {
        self.pictures
    }

    /// Log-density of each row in nats, in the data's own units.
    ///
    /// # Errors
    /// [`Error::Shape`] if the lengths do not agree, [`Error::BadValue`] names the first value that is not finite or too far off, [`Error::NotFinite`] the first row whose density is not
    /// finite. `out` then holds anything.
    pub fn log_prob<V: Value>(&self, rows: &[V], context: &[V], out: &mut [V]) -> Result<()> {
        self.log_prob_from(0, rows, context, out)
    }

    /// The same of rows that `first` others come before: a part of a table too long to be held. Errors count those too.
    ///
    /// # Errors
    /// As [`Model::log_prob`].
    pub fn log_prob_from<V: Value>(&self, first: usize, rows: &[V], context: &[V], out: &mut [V]) -> Result<()> {
        self.check("rows to score", out.len(), rows.len(), context.len())?;
        self.tiles(Rows::new(out, 1), false, |samples, alone, Rows { values: out, .. }| {
            with_space(|space| {
                self.enter(space, first, rows, context, &samples)?;
                self.encode_space(space, samples.len(), alone)?;
                self.put_densities(space, first + samples.start, out)
            })
        })
    }

    /// Rows to latents: what meets the base density. Each row's are those of level after level, `[height, width, channels]` each, as many values as the row has.
    ///
    /// # Errors
    /// As [`Model::log_prob`], densities aside.
    pub fn encode<V: Value>(&self, rows: &[V], context: &[V], latents: &mut [V]) -> Result<()> {
        let d = self.columns();
        self.check("rows to encode", latents.len() / d, rows.len(), context.len())?;
        self.check("latents", latents.len() / d, latents.len(), context.len())?;
        self.tiles(Rows::new(latents, d), false, |samples, alone, Rows { values: out, .. }| {
            with_space(|space| {
                self.enter(space, 0, rows, context, &samples)?;
                self.encode_space(space, samples.len(), alone)?;
                self.leave_latents(&space.latents, out);
                Ok(())
            })
        })
    }

    /// Latents, as [`Model::encode`] gives them, to rows in the data's own units.
    ///
    /// # Errors
    /// [`Error::Shape`] if the lengths do not agree, [`Error::BadValue`] for a conditioning value that is not finite.
    pub fn decode<V: Value>(&self, latents: &[V], context: &[V], rows: &mut [V]) -> Result<()> {
        let d = self.columns();
        self.check("latents to decode", rows.len() / d, latents.len(), context.len())?;
        self.check("rows", rows.len() / d, rows.len(), context.len())?;
        self.tiles(Rows::new(rows, d), false, |samples, alone, Rows { values: out, .. }| {
            with_space(|space| {
                self.enter_context(space, 0, context, &samples)?;
                let count = samples.len();
                self.enter_latents(space, latents, &samples);
                let Space { x, context, latents: own, log_det, .. } = space;
                x.resize(count * d, 0.0);
                let level = |level: usize| &own[self.starts[level] * count..self.starts[level + 1] * count];
                log_det.resize(count, 0.0);
                self.engine.decode(level, context, alone, x, log_det)?;
                self.in_data_units(x, out);
                Ok(())
            })
        })
    }

    /// Bring latents of the samples into the thread's space, level by level.
    fn enter_latents<V: Value>(&self, space: &mut Space, latents: &[V], samples: &Range<usize>) {
        let (d, count) = (self.columns(), samples.len());
        space.latents.resize(count * d, 0.0);
        for (index, row) in latents[samples.start * d..samples.end * d].chunks_exact(d).enumerate() {
            for level in 0..self.densities.len() {
                let from = &row[self.starts[level]..self.starts[level + 1]];
                let to = &mut space.latents[self.level(level, index, count)];
                to.iter_mut().zip(from).for_each(|(to, from)| *to = (*from).into() as f32);
            }
        }
    }

    /// Latents in the thread's space, level by level, to whole rows of them.
    fn leave_latents<V: Value>(&self, latents: &[f32], out: &mut [V]) {
        let d = self.columns();
        let count = out.len() / d;
        for (index, row) in out.chunks_exact_mut(d).enumerate() {
            for level in 0..self.densities.len() {
                let own = &latents[self.level(level, index, count)];
                let to = &mut row[self.starts[level]..self.starts[level + 1]];
                to.iter_mut().zip(own).for_each(|(to, from)| *to = V::from_f64(f64::from(*from)));
            }
        }
    }

    fn in_data_units<V: Value>(&self, x: &[f32], out: &mut [V]) {
        let Standardization { mean, std, .. } = &self.standardization;
        for (x, out) in x.chunks_exact(mean.len()).zip(out.chunks_exact_mut(mean.len())) {
            for ((x, out), (mean, std)) in x.iter().zip(out).zip(mean.iter().zip(std)) {
                *out = V::from_f64(f64::from(*x) * std + mean);
            }
        }
    }

    /// Where the latents of one sample of a tile lie on a level.
    fn level(&self, level: usize, sample: usize, samples: usize) -> Range<usize> {
        let (start, end) = (self.starts[level], self.starts[level + 1]);
        let at = start * samples + sample * (end - start);
        at..at + end - start
    }

    fn check(&self, what: &str, count: usize, values: usize, context: usize) -> Result<()> {
        let (columns, width) = (self.columns(), self.context_columns());
        if count.checked_mul(columns) == Some(values) && count.checked_mul(width) == Some(context) {
            return Ok(());
        }
        let expected = format!("{count} rows of {columns} values and {width} conditioning ones");
        Err(Error::shape(what, expected, format!("{values} and {context} values")))
    }

    /// Bring the samples' rows and context into the thread's space, standardised.
    fn enter<V: Value>(
        &self,
        space: &mut Space,
        first: usize,
        rows: &[V],
        context: &[V],
        samples: &Range<usize>,
    ) -> Result<()> {
        let (s, d) = (&self.standardization, self.columns());
        let own = &rows[samples.start * d..samples.end * d];
        standardise(first + samples.start, own, &s.mean, &s.std, "rows", &mut space.x)?;
        self.enter_context(space, first, context, samples)
    }

    fn enter_context<V: Value>(
        &self,
        space: &mut Space,
        first: usize,
        context: &[V],
        samples: &Range<usize>,
    ) -> Result<()> {
        let (s, width) = (&self.standardization, self.context_columns());
        let own = &context[samples.start * width..samples.end * width];
        standardise(first + samples.start, own, &s.context_mean, &s.context_std, "context", &mut space.context)
    }

    /// From the rows in the thread's space to the latents and log-determinants there.
    fn encode_space(&self, space: &mut Space, samples: usize, alone: bool) -> Result<()> {
        let Space { x, context, latents, log_det, .. } = space;
        latents.resize(samples * self.columns(), 0.0);
        log_det.resize(samples, 0.0);
        self.engine.encode(x, context, alone, latents, log_det)
    }

    /// The log-densities of a tile, in the data's units; `first` rows come before it.
    fn put_densities<V: Value>(&self, space: &Space, first: usize, out: &mut [V]) -> Result<()> {
        let count = out.len();
        for (index, out) in out.iter_mut().enumerate() {
            let log_prob = self.density_of(space, index, count);
            if !log_prob.is_finite() {
                return Err(Error::NotFinite {
                    what: "log-density".into(),
                    problem: format!("row {} has {log_prob}", first + index + 1),
                    remedy: "check that the row lies in the range of the training data".into(),
                });
            }
            *out = V::from_f64(f64::from(log_prob) + self.offset);
        }
        Ok(())
    }

    /// The standardised log-density of one sample of a tile; sums are rounded as the full library rounds them.
    fn density_of(&self, space: &Space, sample: usize, samples: usize) -> f32 {
        self.density(|level| &space.latents[self.level(level, sample, samples)]) + space.log_det[sample]
    }

    /// The log-density of the latents of one sample under the base.
    fn density<'a>(&self, latents: impl Fn(usize) -> &'a [f32]) -> f32 {
        let of = |level: usize| self.densities[level].log_prob(latents(level)) as f32;
        let top = self.densities.len() - 1;
        (0..top).fold(of(top), |sum, level| sum + of(level))
    }

    /// Fill `out` tile by tile: one on this thread, more on all. The error is that of the first tile that has one. `run` is told whether its tile is alone.
    fn tiles<P: Output>(
        &self,
        out: P,
        gradients: bool,
        run: impl Fn(Range<usize>, bool, P) -> Result<()> + Sync,
    ) -> Result<()> {
        let count = out.samples();
        let tile = self.engine.tile(count, gradients);
        match count {
            0 => Ok(()),
            _ if count <= tile => run(0..count, true, out),
            _ => self.in_parts(out, tile, |samples, out| run(samples, false, out)),
        }
    }

    /// Fill parts of `each` samples on all threads, if the engine runs on several.
    fn in_parts<P: Output>(
        &self,
        out: P,
        each: usize,
        run: impl Fn(Range<usize>, P) -> Result<()> + Sync,
    ) -> Result<()> {
        let mut parts = Vec::with_capacity(out.samples().div_ceil(each));
        let (mut rest, mut start) = (out, 0);
        while rest.samples() > 0 {
            let count = each.min(rest.samples());
            let (part, tail) = rest.split(count);
            parts.push((start..start + count, part));
            (rest, start) = (tail, start + count);
        }
        if !self.engine.side_by_side() {
            return parts.into_iter().try_for_each(|(samples, part)| run(samples, part));
        }
        let done = parts.into_par_iter().map(|(samples, part)| run(samples, part));
        done.find_first(Result::is_err).unwrap_or(Ok(()))
    }
}
