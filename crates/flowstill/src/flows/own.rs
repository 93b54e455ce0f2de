//! Make a flow of bijectors in hand, a user's own among them, and name the layers that a file or a sampler must refuse.

use super::Architecture;
use super::flow::{Flow, Level};
use crate::base::BaseConfig;
use crate::bijectors::{Bijector, BijectorConfig, InverseKind};
use crate::{Error, Result, random};
use burn::tensor::{Device, Tensor};

impl Flow {
    /// Join bijectors to a flow over samples of shape `event` (height, width, channels; `[1, 1, D]` for rows of D columns) and `context`
    /// conditioning values. Every level but the last ends in a split; `seed` draws the weights of the base, if it has any.
    ///
    /// Layers of the user's own run as they are, so such a flow has no compiled program; it trains, distils, scores and samples, but only the
    /// program that has them can rebuild it, so [`save`](crate::file::save) refuses it by the layer's name. Each is shown one sample of zeros
    /// here, which tells the shape of its output.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Config`] name the layer that does not fit.
    pub fn from_bijectors(
        event: [usize; 3],
        context: usize,
        levels: Vec<Level>,
        base: &BaseConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let ends = |(index, level): (usize, &Level)| level.split().is_some() == (index + 1 < levels.len());
        if !levels.iter().enumerate().all(ends) {
            return Err(Error::config("levels", "a split at the wrong place", "end every level but the last in one"));
        }
        let mut architecture =
            Architecture { event, context, levels: Vec::new(), splits: Vec::new(), base: base.clone() };
        let mut state = event;
        for (index, level) in levels.iter().enumerate() {
            let mut steps = Vec::new();
            for (place, step) in level.steps().iter().enumerate() {
                let own = || own_config(step.as_ref(), &place_of(index, place, step.as_ref()), state, context, device);
                let config = step.config().map_or_else(own, Ok)?;
                state = config.output_event(state, context)?;
                steps.push(config);
            }
            architecture.levels.push(steps);
            if let Some(split) = level.split() {
                state[2] = split.config().kept();
                architecture.splits.push(split.config().clone());
            }
        }
        architecture.check()?;
        Self::assemble(architecture, levels, &mut random::stream(seed, "weights", 0), device)
    }

    /// What the way from latents to data is worth: that of all layers, one after the other.
    pub fn inverse_kind(&self) -> InverseKind {
        self.placed().fold(InverseKind::Exact, |kind, (_, step)| kind.and(step.inverse_kind()))
    }

    /// Every step with its place and name, as messages tell it.
    fn placed(&self) -> impl Iterator<Item = (String, &dyn Bijector)> {
        self.levels().iter().enumerate().flat_map(|(index, level)| {
            let steps = level.steps().iter().enumerate();
            steps.map(move |(place, step)| (place_of(index, place, step.as_ref()), step.as_ref()))
        })
    }

    /// Refuse to go from latents to data where a layer has no inverse.
    pub(super) fn check_inverse(&self) -> Result<()> {
        match self.placed().find(|(_, step)| step.inverse_kind() == InverseKind::Unavailable) {
            Some((place, _)) => Err(Error::config(
                place,
                "has no inverse, so the flow cannot go from latents to data",
                "use the flow for densities alone, or give the layer an inverse",
            )),
            None => Ok(()),
        }
    }

    /// Refuse what no file could rebuild.
    pub(crate) fn check_saved(&self) -> Result<()> {
        match self.placed().find(|(_, step)| step.config().is_none()) {
            Some((place, _)) => Err(Error::config(
                place,
                "is not of flowstill, so no flow file could rebuild it",
                "keep the flow in the program that has the layer, its weights in the training's checkpoint",
            )),
            None => Ok(()),
        }
    }
}

fn place_of(level: usize, place: usize, step: &dyn Bijector) -> String {
    format!("layer levels.{level}.steps.{place} ({})", step.name())
}

/// What stands for a layer of the user's own in the architecture, by what it makes of one sample of zeros.
fn own_config(
    step: &dyn Bijector,
    place: &str,
    input: [usize; 3],
    context: usize,
    device: &Device,
) -> Result<BijectorConfig> {
    let [h, w, c] = input;
    let conditions = (context > 0).then(|| Tensor::<2>::zeros([1, context], device));
    let (z, log_det) = step.forward(Tensor::zeros([1, h, w, c], device), conditions.as_ref());
    let [batch, output @ ..] = z.dims();
    if batch != 1 || log_det.dims() != [1] || output.iter().product::<usize>() != h * w * c {
        let expected = format!("[1, height, width, channels] of {} values and a log-det of [1]", h * w * c);
        return Err(Error::shape(place, expected, format!("{:?} and {:?}", z.dims(), log_det.dims())));
    }
    Ok(BijectorConfig::Own { name: step.name(), input, output })
}
