//! Transform one half of the channels (or of the positions) by parameters computed from the other half.

use super::permute::{invert, take_channels};
use super::{Bijector, BijectorConfig, Context, ScaleMap, Univariate};
use crate::Error;
use crate::conditioners::{Conditioner, ConditionerConfig};
use crate::shape::{from_rows, positions, sum_event, to_rows};
use burn::tensor::{Device, Tensor, TensorData};
use flowstill_kernels::coupling::Direction;
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// Which channels, or which positions of a picture, condition; the others are transformed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// Channels below the middle condition (Glow). With an odd number the larger half is transformed.
    #[default]
    FirstHalf,
    /// Channels from the middle on condition.
    SecondHalf,
    /// Channels 0, 2, 4, ... condition (RealNVP on tables).
    Even,
    /// Channels 1, 3, 5, ... condition.
    Odd,
    /// Positions whose row and column have an even sum condition, in every channel (RealNVP on pictures).
    CheckerboardEven,
    /// Positions whose row and column have an odd sum condition.
    CheckerboardOdd,
    /// Channels below this one condition, the others are transformed: a first part of the state that is never moved (a picture beside its noise).
    Below(usize),
}

impl Mask {
    /// Whether positions are halved instead of channels.
    pub fn is_spatial(&self) -> bool {
        matches!(self, Mask::CheckerboardEven | Mask::CheckerboardOdd)
    }

    /// 1 where the position `(y, x)` conditions, for a checkerboard of `height x width`.
    fn board(&self, height: usize, width: usize) -> Vec<f32> {
        let parity = usize::from(*self == Mask::CheckerboardOdd);
        (0..height * width).map(|i| if (i / width + i % width) % 2 == parity { 1.0 } else { 0.0 }).collect()
    }

    /// The conditioning channels and the transformed ones; for a checkerboard all channels are both.
    pub fn halves(&self, channels: usize) -> (Vec<usize>, Vec<usize>) {
        let conditions = |&i: &usize| match self {
            Mask::FirstHalf => i < channels / 2,
            Mask::SecondHalf => i >= channels.div_ceil(2),
            Mask::Even => i % 2 == 0,
            Mask::Odd => i % 2 == 1,
            Mask::Below(first) => i < *first,
            Mask::CheckerboardEven | Mask::CheckerboardOdd => true,
        };
        if self.is_spatial() {
            return ((0..channels).collect(), (0..channels).collect());
        }
        (0..channels).partition(conditions)
    }
}

/// What rebuilds a [`Coupling`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CouplingConfig {
    /// Channels of the whole state, at least 2 (1 for a checkerboard).
    pub channels: usize,
    /// Which of them condition.
    #[serde(default)]
    pub mask: Mask,
    /// The map of each transformed value.
    #[serde(default)]
    pub transform: Univariate,
    /// The network.
    #[serde(default)]
    pub conditioner: ConditionerConfig,
    /// Width of the conditioning input, 0 for none.
    #[serde(default)]
    pub context: usize,
}

impl CouplingConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.channels < 2 && !self.mask.is_spatial() {
            return Err(Error::config(
                "coupling.channels",
                format!("{} channel", self.channels),
                "a coupling needs at least 2",
            ));
        }
        if let Mask::Below(first) = self.mask
            && !(1..self.channels).contains(&first)
        {
            let problem = format!("below {first} of {} channels leaves nothing to condition or to move", self.channels);
            return Err(Error::config("coupling.mask", problem, "use 1 to the number of channels less 1"));
        }
        self.transform.check("coupling.transform")?;
        self.conditioner.check("coupling.conditioner")
    }
}

/// `z_a = x_a`, `z_b = t(x_b; net(x_a, context))`; the log-det is the sum of the log-slopes of `t`.
///
/// Source: NICE (Dinh et al. 2014), RealNVP (Dinh et al. 2017), Neural Spline Flows (Durkan et al. 2019).
#[doc(alias = "RealNVP")]
#[derive(Clone, Debug)]
pub struct Coupling {
    config: CouplingConfig,
    kept: Vec<usize>,
    moved: Vec<usize>,
    /// Where each channel lies in the concatenation of the kept and the moved ones.
    merge: Vec<usize>,
    net: Conditioner,
}

crate::parameters!(Coupling { net });

impl Coupling {
    /// The identity (for transforms whose zero parameters are the identity). Check the configuration first.
    pub fn new(config: &CouplingConfig, rng: &mut impl RngCore, device: &Device) -> Self {
        let (kept, moved) = config.mask.halves(config.channels);
        let merge = match config.mask.is_spatial() {
            true => Vec::new(),
            false => invert(&kept.iter().chain(&moved).copied().collect::<Vec<_>>()),
        };
        let outputs = moved.len() * config.transform.params();
        let net = Conditioner::new(&config.conditioner, kept.len(), config.context, outputs, rng, device);
        Self { config: config.clone(), kept, moved, merge, net }
    }

    fn apply(&self, state: Tensor<4>, context: Context<'_>, forward: bool) -> (Tensor<4>, Tensor<1>) {
        if self.config.mask.is_spatial() {
            return self.apply_board(state, context, forward);
        }
        let kept = take_channels(state.clone(), &self.kept);
        let raw = self.net.forward(kept.clone(), context);
        self.apply_fused(&state, &raw, forward).unwrap_or_else(|| self.apply_plain(state, kept, raw, forward))
    }

    /// The map of the moved channels as one node of the tape, where there is a kernel for it.
    fn apply_fused(&self, state: &Tensor<4>, raw: &Tensor<4>, forward: bool) -> Option<(Tensor<4>, Tensor<1>)> {
        let Univariate::Affine { scale: ScaleMap::Tanh { bound } } = self.config.transform else { return None };
        let direction = if forward { Direction::Forward } else { Direction::Inverse };
        crate::ops::coupling::affine(state, raw, &self.moved, bound, direction)
    }

    /// The same as a composition of tensor operations.
    fn apply_plain(&self, state: Tensor<4>, kept: Tensor<4>, raw: Tensor<4>, forward: bool) -> (Tensor<4>, Tensor<1>) {
        let at = positions(&state);
        let moved = to_rows(take_channels(state, &self.moved));
        let raw = to_rows(raw);
        let (moved, log_slope) = match forward {
            true => self.config.transform.forward(moved, raw),
            false => self.config.transform.inverse(moved, raw),
        };
        let merged = Tensor::cat(vec![kept, from_rows(moved, at)], 3);
        let sorted = self.merge.iter().enumerate().all(|(i, &j)| i == j);
        let merged = if sorted { merged } else { take_channels(merged, &self.merge) };
        (merged, sum_event(from_rows(log_slope, at)))
    }

    /// The checkerboard: the net sees the conditioning positions, the others blank; the transform moves the others.
    fn apply_board(&self, state: Tensor<4>, context: Context<'_>, forward: bool) -> (Tensor<4>, Tensor<1>) {
        let at = positions(&state);
        let stays = self.stays(&state);
        let moves = -stays.clone() + 1.0;
        let raw = to_rows(self.net.forward(state.clone() * stays.clone(), context));
        let rows = to_rows(state.clone());
        let (moved, log_slope) = match forward {
            true => self.config.transform.forward(rows, raw),
            false => self.config.transform.inverse(rows, raw),
        };
        (state * stays + from_rows(moved, at) * moves.clone(), sum_event(from_rows(log_slope, at) * moves))
    }

    /// What the net sees of a state.
    fn seen(&self, state: &Tensor<4>) -> Tensor<4> {
        if !self.config.mask.is_spatial() {
            return take_channels(state.clone(), &self.kept);
        }
        state.clone() * self.stays(state)
    }

    /// 1 where a position of the checkerboard conditions, `[1, h, w, 1]`.
    fn stays(&self, state: &Tensor<4>) -> Tensor<4> {
        let [_, h, w, _] = state.dims();
        let board = TensorData::new(self.config.mask.board(h, w), [1, h, w, 1]).convert_dtype(state.dtype());
        Tensor::from_data(board, (&state.device().without_autodiff(), state.dtype()))
    }
}

impl Bijector for Coupling {
    fn forward(&self, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        self.apply(x, context, true)
    }

    fn inverse(&self, z: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        self.apply(z, context, false)
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::Coupling(self.config.clone()))
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }

    /// Set the normalisations inside the network.
    fn initialize(&mut self, x: &Tensor<4>, context: Context<'_>) {
        let seen = self.seen(x);
        self.net.initialize(&seen, context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{normals, stream};
    use crate::{Parameters, to_f64};

    fn noise(shape: [usize; 4], seed: u64) -> Tensor<4> {
        let values = normals(shape.iter().product(), &mut stream(seed, "test", 0));
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// The state, the log-det, and the gradients of the state and of the raw parameters.
    fn pass(layer: &Coupling, channels: usize, forward: bool, fused: bool) -> Vec<Vec<f64>> {
        let [state, raw] = [channels, 2 * layer.moved.len()]
            .map(|channels| noise([3, 5, 4, channels], channels as u64).autodiff().require_grad());
        let (out, log_det) = match fused {
            true => layer.apply_fused(&state, &raw, forward).expect("f32 on the CPU"),
            false => {
                let kept = take_channels(state.clone(), &layer.kept);
                layer.apply_plain(state.clone(), kept, raw.clone(), forward)
            }
        };
        let weights = noise([1, 1, 1, 3], 7).reshape([3]);
        let loss = (out.clone() * noise(out.dims(), 8)).sum() + (log_det.clone() * weights).sum();
        let grads = loss.backward();
        let grad = |leaf: &Tensor<4>| to_f64(leaf.grad(&grads).expect("a leaf"));
        vec![to_f64(out), to_f64(log_det), grad(&state), grad(&raw)]
    }

    #[test]
    fn the_fused_map_equals_the_plain_one_with_its_gradients() {
        for mask in [Mask::FirstHalf, Mask::SecondHalf, Mask::Even, Mask::Odd, Mask::Below(1)] {
            for channels in [2, 5, 12] {
                let conditioner = ConditionerConfig::default();
                let (mask, transform) = (mask.clone(), Univariate::default());
                let config = CouplingConfig { channels, mask, transform, conditioner, context: 0 };
                let layer = Coupling::new(&config, &mut stream(0, "test", 0), &Device::flex());
                assert!(!layer.params().is_empty());
                for forward in [true, false] {
                    let [fused, plain] = [true, false].map(|fused| pass(&layer, channels, forward, fused));
                    for (fused, plain) in fused.iter().zip(&plain) {
                        let scale = plain.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
                        let worst = fused.iter().zip(plain).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                        assert!(fused.len() == plain.len() && worst < 2e-6 * scale, "{config:?} {forward} {worst}");
                    }
                }
            }
        }
    }
}
