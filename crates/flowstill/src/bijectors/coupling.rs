//! Transform one half of the channels (or of the positions) by parameters computed from the other half.

use super::permute::{invert, take_channels};
use super::{Bijector, BijectorConfig, Context, CouplingConfig, UnivariateOps};
use crate::conditioners::Conditioner;
use crate::shape::{from_rows, positions, sum_event, to_rows};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngCore;

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
        let at = positions(&state);
        if self.kept.is_empty() {
            // Of no channels no tensor is made.
            let raw = to_rows(self.net.forward_context(context, at));
            let rows = to_rows(state);
            let (moved, log_slope) = match forward {
                true => self.config.transform.forward(rows, raw),
                false => self.config.transform.inverse(rows, raw),
            };
            return (from_rows(moved, at), sum_event(from_rows(log_slope, at)));
        }
        let kept = take_channels(state.clone(), &self.kept);
        let raw = self.net.forward(kept.clone(), context);
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
        if self.kept.is_empty() {
            return;
        }
        let seen = self.seen(x);
        self.net.initialize(&seen, context);
    }
}
