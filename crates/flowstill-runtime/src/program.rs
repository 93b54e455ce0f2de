//! Compile the description of a flow into layers, and carry tiles of a batch through them, all threads busy.

use crate::architecture::{Architecture, BijectorConfig, Stop};
use crate::layers::{
    Affine, Autoregressive, Coupling, Elementwise, Inverted, Layer, Linear, Permute, Purpose, Split, Squeeze, Sylvester,
};
use crate::offsets::Offsets;
use crate::work::{Tape, Work};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Mutex;

/// A flow ready to run: layers with their weights.
#[derive(Debug)]
pub struct Program {
    pub(crate) event: [usize; 3],
    pub(crate) context: usize,
    pub(crate) stages: Vec<Stage>,
    /// The shape of the latents of every level.
    pub(crate) latents: Vec<[usize; 3]>,
    /// The shape after each step.
    pub(crate) steps: Vec<[usize; 3]>,
    /// Values of a worker's accumulators of gradients.
    pub(crate) accumulators: usize,
    values: usize,
    /// Tapes and accumulators that wait for their next use.
    pub(crate) tapes: Pool<Tape>,
    pub(crate) spare_accumulators: Pool<Vec<f32>>,
}

/// Things that are lent again and again.
#[derive(Debug, Default)]
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    pub(crate) fn take(&self) -> T {
        self.0.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    pub(crate) fn give(&self, thing: T) {
        if let Ok(mut spare) = self.0.lock() {
            spare.push(thing);
        }
    }
}

/// Why a flow has no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{layer}: {kind}")]
pub struct Refused {
    /// Where the layer stands, as the names of its tensors begin.
    pub layer: String,
    /// What it is.
    pub kind: String,
}

/// What comes next on the way from data to latents.
#[derive(Debug)]
pub(crate) enum Stage {
    /// A layer, and its part of the accumulators.
    Layer(Box<dyn Layer>, Range<usize>),
    /// The end of a step, counted from 1 over all levels.
    Step(usize),
    /// The end of a level: the planes from `kept` on leave.
    Leave {
        /// Planes that stay.
        kept: usize,
        /// The level, from 0.
        level: usize,
    },
}

impl Program {
    /// Compile; `offsets` are those of the tensors under their names in a flow file.
    ///
    /// # Errors
    /// [`Refused`] names the first layer that is without one of its tensors, or does not fit what comes before it.
    pub fn new(architecture: &Architecture, offsets: &Offsets) -> Result<Self, Refused> {
        let mut maker = Maker { offsets, context: architecture.context, stages: Vec::new(), accumulators: 0 };
        let (mut latents, mut steps) = (Vec::new(), Vec::new());
        let mut refused = None;
        let walked = architecture.walk(|stop| {
            match stop {
                Stop::Step { level, place, step, before, after } => {
                    let added = maker.add(&format!("levels.{level}.steps.{place}"), step, false, before);
                    refused = refused.take().or(added.err());
                    steps.push(after);
                    maker.stages.push(Stage::Step(steps.len()));
                }
                Stop::Latents { level, split, event } => {
                    if let Some(config) = split {
                        let layer = format!("levels.{level}.split");
                        match Split::new(&layer, config, offsets) {
                            Some(split) => maker.push(Box::new(split)),
                            None => refused = refused.take().or(Some(Refused { layer, kind: "split".into() })),
                        }
                        maker.stages.push(Stage::Leave { kept: config.kept(), level });
                    }
                    latents.push(event);
                }
            }
            Ok(())
        });
        if let Err(error) = walked {
            return Err(Refused { layer: "levels".into(), kind: error.to_string() });
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        Ok(Self {
            event: architecture.event,
            context: architecture.context,
            stages: maker.stages,
            latents,
            steps,
            accumulators: maker.accumulators,
            values: offsets.len(),
            tapes: Pool::default(),
            spare_accumulators: Pool::default(),
        })
    }

    /// Take the weights from the vector that the offsets describe.
    ///
    /// # Panics
    /// If the vector has another length than the offsets.
    pub fn load(&mut self, values: &[f32], purpose: Purpose) {
        assert_eq!(values.len(), self.values, "values of the program");
        self.stages.par_iter_mut().for_each(|stage| {
            if let Stage::Layer(layer, _) = stage {
                layer.load(values, purpose);
            }
        });
    }

    /// Height, width and channels of a sample.
    pub fn event(&self) -> [usize; 3] {
        self.event
    }

    /// Conditioning values of a sample.
    pub fn context(&self) -> usize {
        self.context
    }

    /// The shape of the latents of every level.
    pub fn latents(&self) -> &[[usize; 3]] {
        &self.latents
    }

    /// The shape of the state after every step.
    pub fn steps(&self) -> &[[usize; 3]] {
        &self.steps
    }

    /// Values of one sample.
    pub fn dimensions(&self) -> usize {
        self.event.iter().product()
    }

    /// Samples of a tile.
    pub(crate) fn tile(&self, samples: usize, keeps: bool) -> usize {
        // What a position of the data keeps, layers of later levels counted by their share of positions.
        let area = (self.event[0] * self.event[1]) as f64;
        let (mut share, mut kept, mut widest) = (1.0, 0.0, 0.0f64);
        let mut step = 0;
        for stage in &self.stages {
            match stage {
                Stage::Layer(layer, _) => {
                    kept += layer.planes() as f64 * share;
                    widest = widest.max(layer.planes() as f64 * share);
                }
                Stage::Step(_) => {
                    let [h, w, _] = self.steps[step];
                    share = (h * w) as f64 / area;
                    step += 1;
                }
                Stage::Leave { .. } => {}
            }
        }
        let fitting = match self.event[0] * self.event[1] {
            1 => {
                let planes = if keeps { kept.min(4.0 * widest) } else { widest };
                (CACHE / 4.0 / planes.max(1.0)).clamp(LEAST, MOST) as usize
            }
            // Of pictures, enough for long products on the smallest level, as far as the tape of a tile stays small; bands take care of the caches.
            _ => {
                let smallest = self.latents.iter().map(|[h, w, _]| h * w).min().unwrap_or(1).max(1);
                let most = if keeps { TAPE / (4.0 * kept * area).max(1.0) } else { 64.0 };
                (MOST as usize / 2).div_ceil(smallest).min(most as usize).max(1)
            }
        };
        // As many tiles for every worker, of one size; a few more, if the last would be so small that a worker waits.
        let workers = rayon::current_num_threads();
        let least = samples.div_ceil(fitting).next_multiple_of(workers).max(workers);
        let tile = |tiles: usize| match self.event[0] * self.event[1] {
            // A tile of table rows fills whole vectors.
            1 => samples.div_ceil(tiles).max(1).next_multiple_of(crate::work::LANES),
            _ => samples.div_ceil(tiles).max(1),
        };
        let busiest = |tile: &usize| (samples.div_ceil(*tile).div_ceil(workers) * tile).min(samples);
        (least..=2 * least).step_by(workers).map(tile).min_by_key(busiest).unwrap_or(1)
    }
}

/// Bytes that the widest layer of a tile may take: a good part of a second-level cache.
const CACHE: f64 = 768.0 * 1024.0;
/// Positions of a tile, at least and at most, where single samples do not decide.
const LEAST: f64 = 64.0;
const MOST: f64 = 256.0;
/// Bytes that the tape of a tile of pictures may take.
const TAPE: f64 = 48.0 * 1024.0 * 1024.0;

struct Maker<'a> {
    offsets: &'a Offsets,
    context: usize,
    stages: Vec<Stage>,
    accumulators: usize,
}

impl Maker<'_> {
    fn push(&mut self, layer: Box<dyn Layer>) {
        let end = self.accumulators + layer.accumulators();
        self.stages.push(Stage::Layer(layer, self.accumulators..end));
        self.accumulators = end;
    }

    /// Add a layer, or all that it is made of, `inverted` or as it is; the shape that it makes of `event`.
    fn add(
        &mut self,
        path: &str,
        config: &BijectorConfig,
        inverted: bool,
        event: [usize; 3],
    ) -> Result<[usize; 3], Refused> {
        match config {
            BijectorConfig::Chain { steps } => {
                let step = |index: usize| (format!("{path}.steps.{index}"), &steps[index]);
                let order: Box<dyn Iterator<Item = usize>> =
                    if inverted { Box::new((0..steps.len()).rev()) } else { Box::new(0..steps.len()) };
                order.map(step).try_fold(event, |event, (path, step)| self.add(&path, step, inverted, event))
            }
            BijectorConfig::Inverted { inner } => self.add(&format!("{path}.inner"), inner, !inverted, event),
            one => {
                let refused = || Refused { layer: path.into(), kind: one.name().into() };
                let after = match inverted {
                    true => one.input_event(event, self.context),
                    false => one.output_event(event, self.context),
                };
                let after = after.map_err(|_| refused())?;
                let layer = self.layer(path, one, event[2]).ok_or_else(refused)?;
                self.push(if inverted { Box::new(Inverted::new(layer, after[2])) } else { layer });
                Ok(after)
            }
        }
    }

    fn layer(&self, path: &str, config: &BijectorConfig, channels: usize) -> Option<Box<dyn Layer>> {
        let offsets = self.offsets;
        Some(match config {
            BijectorConfig::ActNorm { channels } | BijectorConfig::Affine { channels } => {
                Box::new(Affine::new(path, *channels, offsets)?)
            }
            BijectorConfig::BatchNorm { channels } => Box::new(Affine::normalised(path, *channels, offsets)?),
            BijectorConfig::Linear { channels } => Box::new(Linear::whole(path, *channels, offsets)?),
            BijectorConfig::LuLinear { channels } => Box::new(Linear::factors(path, *channels, offsets)?),
            BijectorConfig::Permute { indices } => Box::new(Permute::new(indices)?),
            BijectorConfig::Elementwise { map } => Box::new(Elementwise::new(*map, channels)),
            BijectorConfig::Coupling(config) => Box::new(Coupling::new(path, config, offsets)?),
            BijectorConfig::MaskedAutoregressive(config) => Box::new(Autoregressive::new(path, config, offsets)?),
            BijectorConfig::Sylvester(config) => Box::new(Sylvester::new(path, config, offsets)?),
            BijectorConfig::Squeeze => Box::new(Squeeze),
            // Taken apart before.
            BijectorConfig::Inverted { .. } | BijectorConfig::Chain { .. } => return None,
            // Only the program that has it can run it.
            BijectorConfig::Own { .. } => return None,
        })
    }
}

/// A worker's tile before its first layer.
pub(crate) fn begin(work: &mut Work, samples: usize, event: [usize; 3]) {
    [work.height, work.width, work.channels] = event;
    work.samples = samples;
    work.alone = false;
    work.wants_context = false;
    work.log_det.clear();
    work.log_det.resize(samples, 0.0);
}
