//! Transform every channel by parameters computed from the channels before it.

use super::{Bijector, BijectorConfig, Context, MaskedAutoregressiveConfig, UnivariateOps};
use crate::conditioners::Made;
use crate::param::Parameters;
use crate::shape::{context_rows, from_rows, positions, sum_event, to_rows};
use burn::tensor::{Device, Tensor};
use rand::RngCore;

/// `z_d = t(x_d; net(x_1 .. x_{d-1}, context))`; the Jacobian is triangular, so the log-det is the sum of the log-slopes of `t`.
///
/// Forward is one pass of the net. The inverse is the fixed point of `x <- t^-1(z; net(x, context))`: feature `d` is right once the ones before it
/// are, so `channels` passes reach it exactly, and usually far fewer. (A [`Program`](flowstill_runtime::Program) needs one pass: it computes each hidden
/// unit once, when the features it depends on are known.)
///
/// Source: Papamakarios et al. 2017, "Masked Autoregressive Flow for Density Estimation"; with splines, Durkan et al. 2019.
#[doc(alias = "MAF")]
#[derive(Clone, Debug)]
pub struct MaskedAutoregressive {
    config: MaskedAutoregressiveConfig,
    net: Made,
}

crate::parameters!(MaskedAutoregressive { net });

/// Rows of values with the log-slopes of the same rows, both `[rows, channels]`.
type Rows = (Tensor<2>, Tensor<2>);

impl MaskedAutoregressive {
    /// The identity (for transforms whose zero parameters are the identity). Check the configuration first.
    pub fn new(config: &MaskedAutoregressiveConfig, rng: &mut impl RngCore, device: &Device) -> Self {
        let net = Made::new(&config.made, config.channels, config.context, &config.transform, rng, device);
        Self { config: config.clone(), net }
    }

    fn forward_rows(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Rows {
        let raw = self.net.forward(x.clone(), context);
        self.config.transform.forward(x, raw)
    }

    /// One pass per channel, each of which settles one channel: the obvious version, and the exact tape.
    fn sequential_rows(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> Rows {
        let [rows, channels] = z.dims();
        let shift = self.net.context_shift(context);
        let zeros = |width: usize| Tensor::<2>::zeros([rows, width], (&z.device().without_autodiff(), z.dtype()));
        let (mut values, mut slopes) = (Vec::new(), Vec::new());
        for channel in 0..channels {
            // Channels that are not known yet count as zeros; the masks keep them out.
            let known = Tensor::cat([values.clone(), vec![zeros(channels - channel)]].concat(), 1);
            let raw = self.net.forward_shifted(known, shift.as_ref());
            let (x, log_slope) = self.config.transform.inverse(z.clone(), raw);
            values.push(x.narrow(1, channel, 1));
            slopes.push(log_slope.narrow(1, channel, 1));
        }
        (Tensor::cat(values, 1), Tensor::cat(slopes, 1))
    }

    /// The same numbers by passes that move all channels at once; no autodiff.
    ///
    /// It stops when a pass changes no bit. A point that a pass maps to itself is the fixed point, of which a triangular map has one, and
    /// the first `k` channels keep their bits from pass `k` on: so stopping early gives the result of all passes, and nothing is approximate.
    fn fixed_point_rows(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> Rows {
        let channels = z.dims()[1];
        let shift = self.net.context_shift(context);
        let mut state = (z.clone(), z.zeros_like());
        for _ in 0..channels {
            let raw = self.net.forward_shifted(state.0.clone(), shift.as_ref());
            let next = self.config.transform.inverse(z.clone(), raw);
            let settled = next.0.clone().equal(state.0).all().into_scalar::<bool>();
            state = next;
            if settled {
                break;
            }
        }
        // An iterate that overflows reaches, as 0 * inf, even channels whose weights are masked. The slow way never feeds such values.
        let finite = state.0.clone().is_finite().all().into_scalar::<bool>();
        if finite { state } else { self.sequential_rows(z, context) }
    }

    fn is_tracked(&self) -> bool {
        self.params().iter().any(|(_, param)| param.flat().is_autodiff())
    }
}

impl Bijector for MaskedAutoregressive {
    fn forward(&self, x: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let at = positions(&x);
        let context = context.map(|context| context_rows(context, at));
        let (z, log_slope) = self.forward_rows(to_rows(x), context.as_ref());
        (from_rows(z, at), sum_event(from_rows(log_slope, at)))
    }

    fn inverse(&self, z: Tensor<4>, context: Context<'_>) -> (Tensor<4>, Tensor<1>) {
        let at = positions(&z);
        let context = context.map(|context| context_rows(context, at));
        let tracked = z.is_autodiff() || self.is_tracked() || context.as_ref().is_some_and(|c| c.is_autodiff());
        let rows = to_rows(z);
        let (x, log_slope) = match tracked {
            false => self.fixed_point_rows(rows, context.as_ref()),
            true => self.sequential_rows(rows, context.as_ref()),
        };
        (from_rows(x, at), sum_event(from_rows(log_slope, at)))
    }

    fn config(&self) -> Option<BijectorConfig> {
        Some(BijectorConfig::MaskedAutoregressive(self.config.clone()))
    }

    fn boxed(&self) -> Box<dyn Bijector> {
        Box::new(self.clone())
    }
}
